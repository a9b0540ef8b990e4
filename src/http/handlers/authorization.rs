//! Decisions about oneself.

use kernel::{
    clock::Clock,
    contracts::{
        AccessRequest, Allowed, ConditionTrace, Decision, Denied, Environment, Explanation, Outcome, Permission,
        PermissionInfo, PolicyRead, PolicyTrace, RequestContext, ResourceFacts, UserId,
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
    route::{Json, Routes},
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
    /// The policy that decided, where one did. Only for those who may `policy:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyBody>,
    /// Where no policy allows it: up to five whose conditions weren't met, by id. Only for those who may `policy:read`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unmet: Vec<PolicyBody>,
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

/// A policy that speaks of the permission, and how its condition came out.
#[derive(Serialize, ToSchema)]
pub(super) struct PolicyBody {
    id: Uuid,
    /// The condition and then each of its parts; empty where the policy has none.
    conditions: Vec<ConditionBody>,
}

/// A condition, or a part of one, and how it came out.
#[derive(Serialize, ToSchema)]
pub(super) struct ConditionBody {
    /// Which part: a JSON pointer from the condition's root.
    #[schema(example = "/all/0")]
    pointer: String,
    /// As in the policy; `unreadable` where it can't be understood.
    #[schema(example = "client_addr")]
    kind: &'static str,
    outcome: OutcomeBody,
    /// What is wrong with this part, where it can't be understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

/// How a condition came out. Where it can't be told, an allow doesn't apply and a deny does.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum OutcomeBody {
    Held,
    DidNotHold,
    CannotBeTold,
}

/// The routes of this file.
pub(super) fn register(routes: &mut Routes) {
    routes.post("/v1/authorization/check", "Ask what I may do in the tenant", check);
}

async fn check(
    Then(member, Body(request)): Then<Member, Body<CheckRequest>>,
    clock: Scoped<dyn Clock>,
    context: Scoped<dyn RequestContext>,
) -> Result<Json<CheckAnswer>, Problem> {
    let questions = parse(request)?;
    let environment = &Environment { now: clock.now(), client_addr: context.client_addr() };
    // Policies are named only to those who may read them.
    let reading = AccessRequest { permission: &PolicyRead::INFO, resource: None, environment };
    let names_policies = matches!(member.decide(&reading), Decision::Allow(_));
    let answer = |(permission, resource): &(&'static PermissionInfo, Option<ResourceFacts>)| {
        let request = AccessRequest { permission, resource: resource.as_ref(), environment };
        if names_policies {
            AnswerBody::explained(permission, member.explain(&request))
        } else {
            AnswerBody::new(permission, member.decide(&request))
        }
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
        Self { permission: permission.name, allowed, reason, policy: None, unmet: Vec::new() }
    }

    fn explained(permission: &'static PermissionInfo, explanation: Explanation) -> Self {
        Self {
            policy: explanation.policy.map(Into::into),
            unmet: explanation.unmet.into_iter().map(Into::into).collect(),
            ..Self::new(permission, explanation.decision)
        }
    }
}

impl From<PolicyTrace> for PolicyBody {
    fn from(PolicyTrace { id, conditions }: PolicyTrace) -> Self {
        Self { id: id.as_uuid(), conditions: conditions.into_iter().map(Into::into).collect() }
    }
}

impl From<ConditionTrace> for ConditionBody {
    fn from(ConditionTrace { pointer, kind, outcome, detail }: ConditionTrace) -> Self {
        let outcome = match outcome {
            Outcome::Held => OutcomeBody::Held,
            Outcome::DidNotHold => OutcomeBody::DidNotHold,
            Outcome::CannotBeTold => OutcomeBody::CannotBeTold,
        };
        Self { pointer, kind, outcome, detail }
    }
}
