//! Permission checks for the caller.

use authorization_api::PolicyRead;
use kernel::{
    AccessRequest, AllowReason, Clock, Decision, DenyReason, Environment, Explanation, Permission, PermissionInfo,
    PolicyTrace, RequestContext, ResourceAttributes, UserId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::{
    access::{Authorized, Member},
    extract::{Body, Inject},
    permissions,
    problem::{FieldError, Problem},
    route::{Json, Routes},
};

/// Maximum number of checks per request.
const MAX_CHECKS: usize = 100;

/// Permissions to check for the caller.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckRequest {
    #[schema(min_items = 1, max_items = 100)]
    checks: Vec<PermissionCheck>,
}

/// A permission to check.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PermissionCheck {
    #[schema(example = "user:read")]
    permission: String,
    /// Id of the user who owns the resource. If absent, the check is for no particular resource.
    #[schema(value_type = Option<Uuid>)]
    owner: Option<UserId>,
}

/// The results, in the order of the checks.
#[derive(Serialize, ToSchema)]
pub(super) struct CheckResponse {
    results: Vec<CheckResult>,
}

/// The result of a check.
#[derive(Serialize, ToSchema)]
pub(super) struct CheckResult {
    #[schema(example = "user:read")]
    permission: &'static str,
    allowed: bool,
    reason: DecisionReason,
    /// The policy that decided, if any. Only for callers with `policy:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyTrace>,
    /// If no policy allows the permission: up to five policies whose conditions aren't met, by id. Only for callers
    /// with `policy:read`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unmet: Vec<PolicyTrace>,
}

/// The reason for a result.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum DecisionReason {
    /// A policy allows the permission and none denies it.
    AllowedByPolicy,
    /// A policy denies the permission. A deny overrides every allow.
    DeniedByPolicy,
    /// No policy allows the permission.
    NoPolicyAllows,
}

pub(super) fn register(routes: &mut Routes) {
    routes.post("/v1/authorization/check", "Check the caller's permissions in the tenant", check);
}

async fn check(
    Authorized(member, Body(request)): Authorized<Member, Body<CheckRequest>>,
    clock: Inject<dyn Clock>,
    context: Inject<dyn RequestContext>,
) -> Result<Json<CheckResponse>, Problem> {
    let checks = parse(request)?;
    let environment = &Environment { now: clock.now(), client_addr: context.client_addr() };
    // Only callers who may read policies see which policies decided.
    let policy_read = AccessRequest { permission: &PolicyRead::INFO, resource: None, environment };
    let may_read_policies = matches!(member.decide(&policy_read), Decision::Allow(_));
    let evaluate = |(permission, resource): &(&'static PermissionInfo, Option<ResourceAttributes>)| {
        let request = AccessRequest { permission, resource: resource.as_ref(), environment };
        let explanation = if may_read_policies {
            member.explain(&request)
        } else {
            Explanation { decision: member.decide(&request), policy: None, unmet: Vec::new() }
        };
        CheckResult::new(permission, explanation)
    };
    let mut results = Vec::with_capacity(checks.len());
    for check in &checks {
        results.push(evaluate(check));
        // Evaluating many conditions for many checks takes a while. Other requests of this worker run in between.
        tokio::task::yield_now().await;
    }
    Ok(Json(CheckResponse { results }))
}

/// Validates the checks. All errors are reported at once.
fn parse(request: CheckRequest) -> Result<Vec<(&'static PermissionInfo, Option<ResourceAttributes>)>, Problem> {
    if !(1..=MAX_CHECKS).contains(&request.checks.len()) {
        return Err(Problem::invalid_body_at("/checks", "Must be a list of 1 to 100 checks."));
    }
    let (mut checks, mut errors) = (Vec::new(), Vec::new());
    for (index, PermissionCheck { permission, owner }) in request.checks.into_iter().enumerate() {
        let resource = owner.map(|owner| ResourceAttributes { owner: Some(owner) });
        match permissions::find(&permission) {
            Some(permission) => checks.push((permission, resource)),
            None => {
                let pointer = format!("/checks/{index}/permission");
                errors.push(FieldError { pointer, detail: "Unknown permission.".into() });
            }
        }
    }
    if errors.is_empty() { Ok(checks) } else { Err(Problem::invalid_body(errors)) }
}

impl CheckResult {
    fn new(permission: &'static PermissionInfo, Explanation { decision, policy, unmet }: Explanation) -> Self {
        let (allowed, reason) = match decision {
            Decision::Allow(AllowReason::ByPolicy(_)) => (true, DecisionReason::AllowedByPolicy),
            Decision::Deny(DenyReason::ByPolicy(_)) => (false, DecisionReason::DeniedByPolicy),
            Decision::Deny(DenyReason::NoPolicyAllows) => (false, DecisionReason::NoPolicyAllows),
        };
        Self { permission: permission.name, allowed, reason, policy, unmet }
    }
}
