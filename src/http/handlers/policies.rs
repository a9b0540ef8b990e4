//! The policies of a tenant.

use kernel::contracts::{
    Effect, Policies, PolicyChange, PolicyDetails, PolicyDraft, PolicyId, PolicyManage, PolicyRead, PolicyTarget,
    RoleId,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{GRANT_REFUSED, LAST_ADMIN, members::RoleBody, page::PageQuery};
use crate::http::{
    extract::{Body, PathId, Query, Scoped},
    fields::given,
    guard::{Access, Then},
    permissions,
    problem::Problem,
    route::{Created, Json, NoContent, Routes},
};

const POLICY_EXISTS: (u16, &str) = (409, "Another policy says the same");
const TEMPLATE_POLICY: (u16, &str) = (409, "The policy came with the tenant");

/// A policy to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPolicyRequest {
    /// Whom it is for: one of `GET /v1/roles`. Left out or null: every member.
    role_id: Option<Uuid>,
    effect: EffectBody,
    /// What it speaks of: a resource of the catalogue of permissions, or `*`.
    #[schema(example = "user")]
    resource: String,
    /// What may be done, or mustn't: verbs of that resource, or `*` alone.
    #[schema(example = json!(["read"]), min_items = 1, max_items = 32)]
    verbs: Vec<String>,
    /// When it applies: a tree of conditions. Left out or null: always.
    #[schema(value_type = Option<Object>, example = json!({"owner": {}}))]
    condition: Option<Value>,
}

/// What is to be another: at least one of these. What isn't given stays, a condition too.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyChangeRequest {
    #[schema(nullable = false)]
    #[serde(default, deserialize_with = "given")]
    effect: Option<EffectBody>,
    /// What it speaks of. With `verbs` or not at all.
    #[schema(example = "user", nullable = false)]
    #[serde(default, deserialize_with = "given")]
    resource: Option<String>,
    /// What may be done, or mustn't. With `resource` or not at all.
    #[schema(example = json!(["read"]), min_items = 1, max_items = 32, nullable = false)]
    #[serde(default, deserialize_with = "given")]
    verbs: Option<Vec<String>>,
    /// When it applies. Null: always from now on.
    #[schema(value_type = Option<Object>, example = json!({"owner": {}}))]
    #[serde(default, deserialize_with = "given_or_null")]
    condition: Option<Option<Value>>,
}

/// Null is something that is given.
fn given_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Value>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// What a policy does where it applies. One deny is enough, whatever is allowed.
#[derive(Deserialize, Serialize, ToSchema)]
#[schema(as = Effect)]
#[serde(rename_all = "snake_case")]
enum EffectBody {
    Allow,
    Deny,
}

/// A policy.
#[derive(Serialize, ToSchema)]
#[schema(as = Policy)]
pub(super) struct PolicyBody {
    id: Uuid,
    /// Null: for every member.
    role: Option<RoleBody>,
    effect: EffectBody,
    /// A resource, or `*`.
    #[schema(example = "user")]
    resource: String,
    /// Verbs, or `*` alone.
    #[schema(example = json!(["read"]))]
    verbs: Vec<String>,
    /// When it applies. Null: always.
    #[schema(value_type = Option<Object>, example = json!({"owner": {}}))]
    condition: Option<Value>,
    /// Whether it came with the tenant. Such a policy stays as it is.
    is_template: bool,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

/// A page of policies.
#[derive(Serialize, ToSchema)]
pub(super) struct PolicyPage {
    /// By id: in the order in which they were made.
    policies: Vec<PolicyBody>,
    /// For the query parameter `cursor`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Uuid>,
}

/// The routes of this file.
pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/policies", "List the tenant's policies", list);
    routes.get("/v1/policies/{id}", "Read a policy", show);
    routes
        .post("/v1/policies", "Create a policy; it may let others do what I may do, and no more", create)
        .problems(&[GRANT_REFUSED, LAST_ADMIN, POLICY_EXISTS, (409, "The tenant has as many policies as it may have")]);
    routes
        .patch("/v1/policies/{id}", "Change a policy; to narrow a deny is to allow what it denied", update)
        .problems(&[GRANT_REFUSED, LAST_ADMIN, POLICY_EXISTS, TEMPLATE_POLICY]);
    routes
        .delete("/v1/policies/{id}", "Delete a policy; to delete a deny is to allow what it denied", delete)
        .problems(&[GRANT_REFUSED, LAST_ADMIN, TEMPLATE_POLICY]);
}

async fn list(
    Then(access, Query(page)): Then<Access<PolicyRead>, Query<PageQuery>>,
    policies: Scoped<dyn Policies>,
) -> Result<Json<PolicyPage>, Problem> {
    let found = policies.list(&access, page.cursor()?.map(PolicyId::from_uuid), page.one_more()).await?;
    let (policies, next_cursor) = page.cut(found, |policy| policy.id.as_uuid());
    Ok(Json(PolicyPage { policies, next_cursor }))
}

async fn show(
    Then(access, PathId(id)): Then<Access<PolicyRead>, PathId<PolicyId>>,
    policies: Scoped<dyn Policies>,
) -> Result<Json<PolicyBody>, Problem> {
    Ok(Json(policies.get(&access, id).await?.into()))
}

async fn create(
    Then(access, Body(request)): Then<Access<PolicyManage>, Body<NewPolicyRequest>>,
    policies: Scoped<dyn Policies>,
) -> Result<Created<PolicyBody>, Problem> {
    let NewPolicyRequest { role_id, effect, resource, verbs, condition } = request;
    let target = target(&resource, &verbs)?;
    let draft = PolicyDraft { role: role_id.map(RoleId::from_uuid), effect: effect.into(), target, condition };
    Ok(Created { location: "/v1/policies", body: policies.create(&access, &draft).await?.into() })
}

async fn update(
    Then(Then(access, PathId(id)), Body(request)): Then<
        Then<Access<PolicyManage>, PathId<PolicyId>>,
        Body<PolicyChangeRequest>,
    >,
    policies: Scoped<dyn Policies>,
) -> Result<Json<PolicyBody>, Problem> {
    let change = request.parse()?;
    Ok(Json(policies.update(&access, id, &change).await?.into()))
}

async fn delete(
    Then(access, PathId(id)): Then<Access<PolicyManage>, PathId<PolicyId>>,
    policies: Scoped<dyn Policies>,
) -> Result<NoContent, Problem> {
    policies.delete(&access, id).await?;
    Ok(NoContent)
}

impl PolicyChangeRequest {
    fn parse(self) -> Result<PolicyChange, Problem> {
        let target = match (self.resource, self.verbs) {
            (Some(resource), Some(verbs)) => Some(target(&resource, &verbs)?),
            (None, None) => None,
            (resource, _) => {
                let missing = if resource.is_none() { "/resource" } else { "/verbs" };
                return Err(Problem::unfit_at(missing, "Give resource and verbs together, or neither."));
            }
        };
        let change = PolicyChange { effect: self.effect.map(Into::into), target, condition: self.condition };
        if change == PolicyChange::default() { Err(Problem::nothing_given()) } else { Ok(change) }
    }
}

fn target(resource: &str, verbs: &[String]) -> Result<PolicyTarget, Problem> {
    Ok(PolicyTarget::of(permissions::CATALOGUE, resource, verbs)?)
}

impl From<EffectBody> for Effect {
    fn from(effect: EffectBody) -> Self {
        match effect {
            EffectBody::Allow => Self::Allow,
            EffectBody::Deny => Self::Deny,
        }
    }
}

impl From<Effect> for EffectBody {
    fn from(effect: Effect) -> Self {
        match effect {
            Effect::Allow => Self::Allow,
            Effect::Deny => Self::Deny,
        }
    }
}

impl From<PolicyDetails> for PolicyBody {
    fn from(policy: PolicyDetails) -> Self {
        let PolicyDetails { id, role, effect, resource, verbs, condition, is_template, created_at } = policy;
        let (id, role, effect) = (id.as_uuid(), role.map(Into::into), effect.into());
        Self { id, role, effect, resource, verbs, condition, is_template, created_at }
    }
}
