//! Decisions about oneself.

use kernel::{
    clock::Clock,
    contracts::{
        AccessRequest, AllowReason, ConditionTrace, Decision, DenyReason, Environment, Explanation, Truth, Permission,
        PermissionInfo, PolicyRead, PolicyTrace, RequestContext, ResourceAttributes, UserId,
    },
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::{
    extract::{Body, Inject},
    access::{Member, Authorized},
    permissions,
    problem::{FieldError, Problem},
    route::{Json, Routes},
};

/// How many questions a request may ask.
const MAX_CHECKS: usize = 100;

/// Questions about oneself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckRequest {
    #[schema(min_items = 1, max_items = 100)]
    checks: Vec<PermissionCheck>,
}

/// May I?
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PermissionCheck {
    #[schema(example = "user:read")]
    permission: String,
    /// Ask as if the resource belonged to this person; without it, no particular resource is meant.
    owner: Option<Uuid>,
}

/// The answers, in the order of the questions.
#[derive(Serialize, ToSchema)]
pub(super) struct CheckResponse {
    results: Vec<CheckResult>,
}

/// Yes or no, and why.
#[derive(Serialize, ToSchema)]
pub(super) struct CheckResult {
    #[schema(example = "user:read")]
    permission: &'static str,
    allowed: bool,
    reason: DecisionReason,
    /// The policy that decided, where one did. Only for those who may `policy:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyEvaluation>,
    /// Where no policy allows it: up to five whose conditions weren't met, by id. Only for those who may `policy:read`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unmet: Vec<PolicyEvaluation>,
}

/// Why.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum DecisionReason {
    /// A policy allows it, and none denies it.
    AllowedByPolicy,
    /// A policy denies it, whatever others allow.
    DeniedByPolicy,
    /// No policy allows it.
    NoPolicyAllows,
}

/// A policy that speaks of the permission, and how its condition came out.
#[derive(Serialize, ToSchema)]
pub(super) struct PolicyEvaluation {
    id: Uuid,
    /// The condition and then each of its parts; empty where the policy has none.
    conditions: Vec<ConditionEvaluation>,
}

/// A condition, or a part of one, and how it came out.
#[derive(Serialize, ToSchema)]
pub(super) struct ConditionEvaluation {
    /// Which part: a JSON pointer from the condition's root.
    #[schema(example = "/all/0")]
    pointer: String,
    /// As in the policy; `invalid` where it can't be understood.
    #[schema(example = "client_addr")]
    kind: &'static str,
    outcome: TruthDto,
    /// What is wrong with this part, where it can't be understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

/// How a condition came out. Where it can't be told, an allow doesn't apply and a deny does.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum TruthDto {
    True,
    False,
    Indeterminate,
}

/// The routes of this file.
pub(super) fn register(routes: &mut Routes) {
    routes.post("/v1/authorization/check", "Ask what I may do in the tenant", check);
}

async fn check(
    Authorized(member, Body(request)): Authorized<Member, Body<CheckRequest>>,
    clock: Inject<dyn Clock>,
    context: Inject<dyn RequestContext>,
) -> Result<Json<CheckResponse>, Problem> {
    let checks = parse(request)?;
    let environment = &Environment { now: clock.now(), client_addr: context.client_addr() };
    // Policies are named only to those who may read them.
    let policy_read = AccessRequest { permission: &PolicyRead::INFO, resource: None, environment };
    let may_read_policies = matches!(member.decide(&policy_read), Decision::Allow(_));
    let evaluate = |(permission, resource): &(&'static PermissionInfo, Option<ResourceAttributes>)| {
        let request = AccessRequest { permission, resource: resource.as_ref(), environment };
        if may_read_policies {
            CheckResult::explained(permission, member.explain(&request))
        } else {
            CheckResult::new(permission, member.decide(&request))
        }
    };
    Ok(Json(CheckResponse { results: checks.iter().map(evaluate).collect() }))
}

/// All that is wrong with the questions is said at once.
fn parse(request: CheckRequest) -> Result<Vec<(&'static PermissionInfo, Option<ResourceAttributes>)>, Problem> {
    let field_error = |pointer: String, detail| FieldError { pointer, detail };
    if !(1..=MAX_CHECKS).contains(&request.checks.len()) {
        return Err(Problem::unprocessable(vec![field_error("/checks".into(), "Ask 1 to 100 questions at once.")]));
    }
    let (mut checks, mut errors) = (Vec::new(), Vec::new());
    for (index, PermissionCheck { permission, owner }) in request.checks.into_iter().enumerate() {
        let resource = owner.map(|owner| ResourceAttributes { owner: Some(UserId::from_uuid(owner)) });
        match permissions::find(&permission) {
            Some(permission) => checks.push((permission, resource)),
            None => errors.push(field_error(format!("/checks/{index}/permission"), "There is no such permission.")),
        }
    }
    if errors.is_empty() { Ok(checks) } else { Err(Problem::unprocessable(errors)) }
}

impl CheckResult {
    fn new(permission: &'static PermissionInfo, decision: Decision) -> Self {
        let (allowed, reason) = match decision {
            Decision::Allow(AllowReason::ByPolicy(_)) => (true, DecisionReason::AllowedByPolicy),
            Decision::Deny(DenyReason::ByPolicy(_)) => (false, DecisionReason::DeniedByPolicy),
            Decision::Deny(DenyReason::NoPolicyAllows) => (false, DecisionReason::NoPolicyAllows),
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

impl From<PolicyTrace> for PolicyEvaluation {
    fn from(PolicyTrace { id, conditions }: PolicyTrace) -> Self {
        Self { id: id.as_uuid(), conditions: conditions.into_iter().map(Into::into).collect() }
    }
}

impl From<ConditionTrace> for ConditionEvaluation {
    fn from(ConditionTrace { pointer, kind, outcome, detail }: ConditionTrace) -> Self {
        let outcome = match outcome {
            Truth::True => TruthDto::True,
            Truth::False => TruthDto::False,
            Truth::Indeterminate => TruthDto::Indeterminate,
        };
        Self { pointer, kind, outcome, detail }
    }
}
