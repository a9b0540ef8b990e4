//! The tenant's policies.

use authorization_api::{
    ConditionError, Effect, InvalidTarget, Policies, PoliciesError, PolicyChange, PolicyDetails, PolicyDraft,
    PolicyManage, PolicyRead, PolicyTarget,
};
use kernel::{PolicyId, RoleId};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{members::role_not_found, pagination::PageQuery};
use crate::{
    http::{
        access::{Access, Authorized},
        extract::{Body, Inject, PathId, Query},
        problem::{
            FieldError, Problem,
            types::{LAST_ADMIN, POLICY_EXISTS, PRIVILEGE_ESCALATION, TEMPLATE_POLICY_IMMUTABLE, TOO_MANY_POLICIES},
        },
        route::{Created, Json, NoContent, Routes},
        validation::non_null,
    },
    services::PERMISSIONS,
};

/// A new policy.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreatePolicyRequest {
    /// Id of the role that the policy is attached to, one of `GET /v1/roles`. Absent or null: every member.
    #[schema(value_type = Option<Uuid>)]
    role_id: Option<RoleId>,
    effect: Effect,
    /// A resource that has permissions, or `*`.
    #[schema(example = "user")]
    resource: String,
    /// Verbs of that resource, or `*` alone.
    #[schema(example = json!(["read"]), min_items = 1, max_items = 32)]
    verbs: Vec<String>,
    /// When the policy applies: a tree of conditions. Absent or null: always.
    #[schema(value_type = Option<Object>, example = json!({"owner": {}}))]
    condition: Option<Value>,
}

/// Changes to a policy: at least one field. Absent fields, including the condition, are left unchanged.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1)]
pub(super) struct UpdatePolicyRequest {
    #[schema(nullable = false)]
    #[serde(default, deserialize_with = "non_null")]
    effect: Option<Effect>,
    /// A resource, or `*`. Only together with `verbs`.
    #[schema(example = "user", nullable = false)]
    #[serde(default, deserialize_with = "non_null")]
    resource: Option<String>,
    /// Verbs, or `*` alone. Only together with `resource`.
    #[schema(example = json!(["read"]), min_items = 1, max_items = 32, nullable = false)]
    #[serde(default, deserialize_with = "non_null")]
    verbs: Option<Vec<String>>,
    /// When the policy applies. Null removes the condition.
    #[schema(value_type = Option<Object>, example = json!({"owner": {}}))]
    #[serde(default, deserialize_with = "nullable")]
    condition: Option<Option<Value>>,
}

/// Deserializes null as `Some(None)`, to distinguish it from an absent field.
fn nullable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Value>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A page of policies.
#[derive(Serialize, ToSchema)]
pub(super) struct PolicyListResponse {
    /// Ordered by id, which is the order of creation.
    policies: Vec<PolicyDetails>,
    /// Value of the query parameter `cursor` for the next page. Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Uuid>,
}

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/policies", "List the tenant's policies", list);
    routes.get("/v1/policies/{id}", "Read a policy", show);
    routes
        .post("/v1/policies", "Create a policy; it must not grant or deny more than the caller's permissions", create)
        .problems(&[PRIVILEGE_ESCALATION, LAST_ADMIN, POLICY_EXISTS, TOO_MANY_POLICIES]);
    routes.patch("/v1/policies/{id}", "Update a policy; narrowing a deny grants what it denied", update).problems(&[
        PRIVILEGE_ESCALATION,
        LAST_ADMIN,
        POLICY_EXISTS,
        TEMPLATE_POLICY_IMMUTABLE,
        TOO_MANY_POLICIES,
    ]);
    routes.delete("/v1/policies/{id}", "Delete a policy; deleting a deny grants what it denied", delete).problems(&[
        PRIVILEGE_ESCALATION,
        LAST_ADMIN,
        TEMPLATE_POLICY_IMMUTABLE,
    ]);
}

async fn list(
    Authorized(access, Query(page)): Authorized<Access<PolicyRead>, Query<PageQuery>>,
    policies: Inject<dyn Policies>,
) -> Result<Json<PolicyListResponse>, Problem> {
    let rows = policies.list(&access, page.cursor()?.map(PolicyId::from_uuid), page.fetch_limit()).await?;
    let (policies, next_cursor) = page.into_page(rows, |policy| policy.id.as_uuid());
    Ok(Json(PolicyListResponse { policies, next_cursor }))
}

async fn show(
    Authorized(access, PathId(id)): Authorized<Access<PolicyRead>, PathId<PolicyId>>,
    policies: Inject<dyn Policies>,
) -> Result<Json<PolicyDetails>, Problem> {
    Ok(Json(policies.get(&access, id).await?))
}

async fn create(
    Authorized(access, Body(request)): Authorized<Access<PolicyManage>, Body<CreatePolicyRequest>>,
    policies: Inject<dyn Policies>,
) -> Result<Created<PolicyDetails>, Problem> {
    let CreatePolicyRequest { role_id, effect, resource, verbs, condition } = request;
    let target = target(&resource, &verbs)?;
    let draft = PolicyDraft { role: role_id, effect, target, condition };
    let policy = policies.create(&access, &draft).await?;
    Ok(Created { location: format!("/v1/policies/{}", policy.id), body: policy })
}

async fn update(
    Authorized(access, (PathId(id), Body(request))): Authorized<
        Access<PolicyManage>,
        (PathId<PolicyId>, Body<UpdatePolicyRequest>),
    >,
    policies: Inject<dyn Policies>,
) -> Result<Json<PolicyDetails>, Problem> {
    Ok(Json(policies.update(&access, id, &request.parse()?).await?))
}

async fn delete(
    Authorized(access, PathId(id)): Authorized<Access<PolicyManage>, PathId<PolicyId>>,
    policies: Inject<dyn Policies>,
) -> Result<NoContent, Problem> {
    policies.delete(&access, id).await?;
    Ok(NoContent)
}

impl UpdatePolicyRequest {
    fn parse(self) -> Result<PolicyChange, Problem> {
        let target = match (self.resource, self.verbs) {
            (Some(resource), Some(verbs)) => Some(target(&resource, &verbs)?),
            (None, None) => None,
            (resource, _) => {
                let missing = if resource.is_none() { "/resource" } else { "/verbs" };
                return Err(Problem::invalid_body_at(
                    missing,
                    "The fields resource and verbs are only valid together.",
                ));
            }
        };
        let change = PolicyChange { effect: self.effect, target, condition: self.condition };
        if change == PolicyChange::default() { Err(Problem::empty_patch()) } else { Ok(change) }
    }
}

fn target(resource: &str, verbs: &[String]) -> Result<PolicyTarget, Problem> {
    Ok(PolicyTarget::new(PERMISSIONS, resource, verbs)?)
}

impl From<PoliciesError> for Problem {
    fn from(error: PoliciesError) -> Self {
        match error {
            PoliciesError::NotFound => Self::not_found(),
            PoliciesError::RoleNotFound => role_not_found(),
            PoliciesError::TemplateImmutable => TEMPLATE_POLICY_IMMUTABLE.into(),
            PoliciesError::Duplicate => POLICY_EXISTS.into(),
            PoliciesError::LimitReached { limit } => Self::new(
                TOO_MANY_POLICIES,
                format!("A tenant can have at most {limit} policies. Delete an unused one."),
            ),
            PoliciesError::ConditionLimitReached { limit } => Self::new(
                TOO_MANY_POLICIES,
                format!(
                    "The conditions of a tenant's policies can have at most {limit} parts and list values in total. A time \
                     window counts as 10. Simplify conditions or delete unused policies."
                ),
            ),
            PoliciesError::InvalidCondition(errors) => {
                let field_error = |error: ConditionError| FieldError {
                    pointer: format!("/condition{}", error.pointer),
                    detail: error.detail.into(),
                };
                Self::invalid_body(errors.into_iter().map(field_error))
            }
            PoliciesError::Change(error) => error.into(),
            PoliciesError::Db(error) => error.into(),
        }
    }
}

impl From<Vec<InvalidTarget>> for Problem {
    fn from(errors: Vec<InvalidTarget>) -> Self {
        let field_error = |error| {
            let (pointer, detail) = match error {
                InvalidTarget::UnknownResource => {
                    ("/resource".into(), "No permission has this resource. Use `*` for all resources.")
                }
                InvalidTarget::VerbCount => ("/verbs".into(), "Must be a list of 1 to 32 verbs."),
                InvalidTarget::InvalidVerb(index) => {
                    (format!("/verbs/{index}"), "No permission has this verb. Use `*` alone for all verbs.")
                }
            };
            FieldError { pointer, detail: detail.into() }
        };
        Self::invalid_body(errors.into_iter().map(field_error))
    }
}
