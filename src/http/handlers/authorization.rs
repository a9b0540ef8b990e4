//! Decisions about oneself.

use kernel::{
    clock::Clock,
    contracts::{
        AccessRequest, Allowed, Decision, Denied, Environment, PermissionInfo, RequestContext, ResourceFacts, UserId,
    },
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::{
    extract::{Body, Scoped},
    guard::{Member, Then},
    permissions,
    problem::{FieldError, Problem},
    route::Json,
};

/// How many questions a request may ask.
const MOST: usize = 100;

/// Questions about oneself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckRequest {
    #[schema(min_items = 1, max_items = 100)]
    questions: Vec<Question>,
}

/// May I?
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    #[schema(example = "user:read")]
    permission: String,
    /// Ask as if the resource belonged to this person; without it, no particular resource is meant.
    owner: Option<Uuid>,
}

/// The answers, in the order of the questions.
#[derive(Serialize, ToSchema)]
pub(super) struct CheckAnswer {
    answers: Vec<AnswerBody>,
}

/// Yes or no, and why.
#[derive(Serialize, ToSchema)]
pub(super) struct AnswerBody {
    #[schema(example = "user:read")]
    permission: &'static str,
    allowed: bool,
    reason: Reason,
}

/// Why.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Reason {
    /// A policy allows it, and none denies it.
    AllowedByPolicy,
    /// A policy denies it, whatever others allow.
    DeniedByPolicy,
    /// No policy allows it.
    NoPolicyAllows,
}

pub(super) async fn check(
    Then(member, Body(request)): Then<Member, Body<CheckRequest>>,
    clock: Scoped<dyn Clock>,
    context: Scoped<dyn RequestContext>,
) -> Result<Json<CheckAnswer>, Problem> {
    let questions = parse(request)?;
    let environment = Environment { now: clock.now(), client_addr: context.client_addr() };
    let answer = |(permission, resource): &(&'static PermissionInfo, Option<ResourceFacts>)| {
        let request = AccessRequest { permission, resource: resource.as_ref(), environment: &environment };
        AnswerBody::new(permission, member.decide(&request))
    };
    Ok(Json(CheckAnswer { answers: questions.iter().map(answer).collect() }))
}

/// All that is wrong with the questions is said at once.
fn parse(request: CheckRequest) -> Result<Vec<(&'static PermissionInfo, Option<ResourceFacts>)>, Problem> {
    let field_error = |pointer: String, detail| FieldError { pointer, detail };
    if !(1..=MOST).contains(&request.questions.len()) {
        return Err(Problem::unfit(vec![field_error("/questions".into(), "Ask 1 to 100 questions at once.")]));
    }
    let (mut questions, mut errors) = (Vec::new(), Vec::new());
    for (index, Question { permission, owner }) in request.questions.into_iter().enumerate() {
        let resource = owner.map(|owner| ResourceFacts { owner: Some(UserId::from_uuid(owner)) });
        match permissions::find(&permission) {
            Some(permission) => questions.push((permission, resource)),
            None => errors.push(field_error(format!("/questions/{index}/permission"), "There is no such permission.")),
        }
    }
    if errors.is_empty() { Ok(questions) } else { Err(Problem::unfit(errors)) }
}

impl AnswerBody {
    fn new(permission: &'static PermissionInfo, decision: Decision) -> Self {
        let (allowed, reason) = match decision {
            Decision::Allow(Allowed::ByPolicy(_)) => (true, Reason::AllowedByPolicy),
            Decision::Deny(Denied::ByPolicy(_)) => (false, Reason::DeniedByPolicy),
            Decision::Deny(Denied::NoPolicyAllows) => (false, Reason::NoPolicyAllows),
        };
        Self { permission: permission.name, allowed, reason }
    }
}
