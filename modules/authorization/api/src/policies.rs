//! Management of a tenant's policies. For their evaluation see [`kernel::PolicySet`].

use async_trait::async_trait;
use db::DbError;
use kernel::{PermissionInfo, Permit, PolicyId, RoleId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shaku::Interface;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{ChangeError, RoleSummary};

kernel::permission! {
    /// Read the tenant's policies, and see which of them decides a permission check.
    pub PolicyRead = "policy", "read";
}

kernel::permission! {
    /// Create, update and delete the tenant's custom policies.
    pub PolicyManage = "policy", "manage";
}

/// Effect of a policy that applies. A deny overrides every allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "policy_effect", rename_all = "snake_case")]
pub enum Effect {
    /// Allows the request, unless another policy denies it.
    Allow,
    /// Denies the request.
    Deny,
}

/// The permissions that a policy covers: one resource or `*`, with verbs of it or `*` alone. Only registered
/// permissions are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyTarget {
    resource: &'static str,
    /// Sorted, without duplicates.
    verbs: Vec<&'static str>,
}

/// An error in the target of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidTarget {
    /// No permission has this resource.
    UnknownResource,
    /// There is no verb, or more than [`PolicyTarget::MAX_VERBS`].
    VerbCount,
    /// The verb at this index isn't one of the resource, or is a `*` next to other verbs.
    InvalidVerb(usize),
}

impl PolicyTarget {
    /// Maximum number of verbs of a policy.
    pub const MAX_VERBS: usize = 32;

    /// Validates resource and verbs against the registered permissions.
    ///
    /// # Errors
    /// All errors; never an empty list.
    pub fn new(
        registered: &'static [PermissionInfo],
        resource: &str,
        verbs: &[String],
    ) -> Result<Self, Vec<InvalidTarget>> {
        let matches_resource = |permission: &&PermissionInfo| resource == "*" || permission.resource == resource;
        let permissions: Vec<_> = registered.iter().filter(matches_resource).collect();
        let mut errors = Vec::new();
        if permissions.is_empty() {
            errors.push(InvalidTarget::UnknownResource);
        }
        if !(1..=Self::MAX_VERBS).contains(&verbs.len()) {
            errors.push(InvalidTarget::VerbCount);
            return Err(errors);
        }
        let mut names = Vec::new();
        for (index, verb) in verbs.iter().enumerate() {
            match permissions.iter().find(|permission| permission.verb == *verb) {
                Some(permission) => names.push(permission.verb),
                None if verb == "*" && verbs.len() == 1 => names.push("*"),
                // An unknown resource is one error, not one per verb.
                None if permissions.is_empty() => {}
                None => errors.push(InvalidTarget::InvalidVerb(index)),
            }
        }
        names.sort_unstable();
        names.dedup();
        let resource =
            if resource == "*" { Some("*") } else { permissions.first().map(|permission| permission.resource) };
        match resource {
            Some(resource) if errors.is_empty() => Ok(Self { resource, verbs: names }),
            _ => Err(errors),
        }
    }

    /// Returns the resource, or `*`.
    pub fn resource(&self) -> &'static str {
        self.resource
    }

    /// Returns the verbs, sorted and without duplicates, or `*` alone.
    pub fn verbs(&self) -> &[&'static str] {
        &self.verbs
    }
}

/// An error in a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionError {
    /// JSON pointer (RFC 6901) from the root of the condition. For an unknown field it is that of the enclosing
    /// object, so that the client's input isn't echoed.
    pub pointer: String,
    /// What is expected here. Never contains the client's input.
    pub detail: &'static str,
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = PolicyResponse)]
pub struct PolicyDetails {
    /// Immutable id.
    #[schema(value_type = Uuid)]
    pub id: PolicyId,
    /// The role that the policy is attached to. Null: every member.
    pub role: Option<RoleSummary>,
    /// Effect of the policy.
    pub effect: Effect,
    /// A resource, or `*`.
    #[schema(example = "user")]
    pub resource: String,
    /// Verbs, or `*` alone.
    #[schema(example = json!(["read"]))]
    pub verbs: Vec<String>,
    /// When the policy applies. Null: always.
    #[schema(value_type = Option<Object>, example = json!({"owner": {}}))]
    pub condition: Option<Value>,
    /// Whether it is a template policy, which can't be changed or deleted.
    pub is_template: bool,
    /// Time of creation.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// Input for creating a policy.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyDraft {
    /// The role it is attached to; `None`: tenant-wide.
    pub role: Option<RoleId>,
    /// Effect of the policy.
    pub effect: Effect,
    /// The permissions it covers.
    pub target: PolicyTarget,
    /// Condition as unvalidated JSON; `None`: unconditional.
    pub condition: Option<Value>,
}

/// A partial update; `None` leaves a field unchanged. The policy's role can't be changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PolicyChange {
    /// New effect.
    pub effect: Option<Effect>,
    /// New permissions.
    pub target: Option<PolicyTarget>,
    /// New condition; `Some(None)` removes it.
    pub condition: Option<Option<Value>>,
}

/// Reasons why a policy can't be returned or changed.
#[derive(Debug, thiserror::Error)]
pub enum PoliciesError {
    /// The tenant has no such policy.
    #[error("no such policy")]
    NotFound,
    /// The tenant has no such role.
    #[error("no such role")]
    RoleNotFound,
    /// The policy was created from a template and is immutable.
    #[error("template policies can't be changed")]
    TemplateImmutable,
    /// The tenant has an identical policy.
    #[error("an identical policy exists")]
    Duplicate,
    /// The tenant has the maximum number of policies.
    #[error("policy limit reached: a tenant has at most {limit} policies; delete one first")]
    LimitReached {
        /// Maximum number of policies per tenant.
        limit: u16,
    },
    /// The conditions of the tenant's policies would exceed the maximum total size.
    #[error(
        "condition limit reached: a tenant's conditions have at most {limit} parts and list values in total, and a time \
         window counts as 10; simplify or delete some"
    )]
    ConditionLimitReached {
        /// Maximum number of conditions, nested ones included, plus the values in their lists.
        limit: u16,
    },
    /// The condition is invalid. All errors; never an empty list.
    #[error("the condition is invalid")]
    InvalidCondition(Vec<ConditionError>),
    /// The change is rejected by the escalation or last-admin check.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The policies of a tenant.
#[async_trait]
pub trait Policies: Interface {
    /// Returns at most `limit` policies with ids after `after`, ordered by id.
    async fn list(
        &self,
        permit: &Permit<PolicyRead>,
        after: Option<PolicyId>,
        limit: u16,
    ) -> Result<Vec<PolicyDetails>, PoliciesError>;

    /// Returns a policy.
    async fn get(&self, permit: &Permit<PolicyRead>, id: PolicyId) -> Result<PolicyDetails, PoliciesError>;

    /// Creates a policy. The caller must have every permission that it grants.
    async fn create(&self, permit: &Permit<PolicyManage>, draft: &PolicyDraft) -> Result<PolicyDetails, PoliciesError>;

    /// Updates a policy. Narrowing or inverting a deny grants what it denied. The caller must have what is granted.
    async fn update(
        &self,
        permit: &Permit<PolicyManage>,
        id: PolicyId,
        change: &PolicyChange,
    ) -> Result<PolicyDetails, PoliciesError>;

    /// Deletes a policy. Deleting a deny grants what it denied. The caller must have what is granted.
    async fn delete(&self, permit: &Permit<PolicyManage>, id: PolicyId) -> Result<(), PoliciesError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    static REGISTERED: [PermissionInfo; 3] = [
        PermissionInfo { name: "user:read", resource: "user", verb: "read", about: "" },
        PermissionInfo { name: "user:pay", resource: "user", verb: "pay", about: "" },
        PermissionInfo { name: "billing:see", resource: "billing", verb: "see", about: "" },
    ];

    fn target(resource: &str, verbs: &[&str]) -> Result<(&'static str, Vec<&'static str>), Vec<InvalidTarget>> {
        let verbs: Vec<String> = verbs.iter().map(|verb| (*verb).into()).collect();
        PolicyTarget::new(&REGISTERED, resource, &verbs).map(|target| (target.resource(), target.verbs().to_vec()))
    }

    #[test]
    fn target_of_known_permissions_is_accepted() {
        assert_eq!(target("user", &["read", "pay", "read"]), Ok(("user", vec!["pay", "read"])));
        assert_eq!(target("user", &["*"]), Ok(("user", vec!["*"])));
        assert_eq!(target("*", &["see", "read"]), Ok(("*", vec!["read", "see"])));
        assert_eq!(target("*", &["*"]), Ok(("*", vec!["*"])));
    }

    #[test]
    fn all_target_errors_are_reported() {
        use InvalidTarget::{InvalidVerb, UnknownResource, VerbCount};
        let many = ["read"; 33];
        for (resource, verbs, errors) in [
            ("unknown", &["read"][..], vec![UnknownResource]),
            ("unknown", &[], vec![UnknownResource, VerbCount]),
            ("", &["*"], vec![UnknownResource]),
            ("user", &[], vec![VerbCount]),
            ("user", &many, vec![VerbCount]),
            ("user", &["see"], vec![InvalidVerb(0)]),
            ("user", &["read", "*", "USER"], vec![InvalidVerb(1), InvalidVerb(2)]),
            ("*", &["eat"], vec![InvalidVerb(0)]),
        ] {
            assert_eq!(target(resource, verbs), Err(errors), "{resource} {verbs:?}");
        }
    }
}
