//! The policies of a tenant, to be read and written by people. How they decide is another matter: see
//! [`super::PolicySet`].

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shaku::Interface;
use time::OffsetDateTime;

use super::{ChangeError, PermissionInfo, Permit, PolicyId, RoleId, RoleSummary};
use crate::db::DbError;

crate::permission! {
    /// Read the tenant's policies, and which of them decided.
    pub PolicyRead = "policy", "read";
}

crate::permission! {
    /// Create, change and delete the tenant's own policies.
    pub PolicyManage = "policy", "manage";
}

/// What a policy does where it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "policy_effect", rename_all = "snake_case")]
pub enum Effect {
    /// Lets it happen, unless a deny applies as well.
    Allow,
    /// Whatever others allow.
    Deny,
}

/// What a policy speaks of, in names of the catalogue: one resource or `*`, and verbs of it or `*` alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyTarget {
    resource: &'static str,
    /// Sorted and without repeats.
    verbs: Vec<&'static str>,
}

/// Something that is wrong with a policy's target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidTarget {
    /// No permission speaks of the resource.
    UnknownResource,
    /// There are none, or more than [`PolicyTarget::MAX_VERBS`].
    VerbCount,
    /// The verb at this place isn't one of the resource's, or is a `*` that isn't alone.
    InvalidVerb(usize),
}

impl PolicyTarget {
    /// How many verbs a policy may name.
    pub const MAX_VERBS: usize = 32;

    /// # Errors
    /// All that is wrong, never nothing.
    pub fn new(
        catalogue: &'static [PermissionInfo],
        resource: &str,
        verbs: &[String],
    ) -> Result<Self, Vec<InvalidTarget>> {
        let known = |permission: &&PermissionInfo| resource == "*" || permission.resource == resource;
        let permissions: Vec<_> = catalogue.iter().filter(known).collect();
        let mut errors = Vec::new();
        if permissions.is_empty() {
            errors.push(InvalidTarget::UnknownResource);
        }
        if !(1..=Self::MAX_VERBS).contains(&verbs.len()) {
            errors.push(InvalidTarget::VerbCount);
            return Err(errors);
        }
        let mut names = Vec::new();
        for (place, verb) in verbs.iter().enumerate() {
            match permissions.iter().find(|permission| permission.verb == *verb) {
                Some(permission) => names.push(permission.verb),
                None if verb == "*" && verbs.len() == 1 => names.push("*"),
                // Of what isn't known, no verb is.
                None if permissions.is_empty() => {}
                None => errors.push(InvalidTarget::InvalidVerb(place)),
            }
        }
        names.sort_unstable();
        names.dedup();
        let resource = if resource == "*" { Some("*") } else { permissions.first().map(|found| found.resource) };
        match resource {
            Some(resource) if errors.is_empty() => Ok(Self { resource, verbs: names }),
            _ => Err(errors),
        }
    }

    /// The resource, or `*`.
    pub fn resource(&self) -> &'static str {
        self.resource
    }

    /// The verbs, sorted and without repeats, or `*` alone.
    pub fn verbs(&self) -> &[&'static str] {
        &self.verbs
    }
}

/// Something that is wrong with a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionError {
    /// Where: a JSON pointer (RFC 6901) from the condition's root. A field that isn't known is named by what it stands in:
    /// its name is the client's.
    pub pointer: String,
    /// What would fit; never what stands there.
    pub detail: &'static str,
}

/// A policy.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyDetails {
    /// Stays the same for good.
    pub id: PolicyId,
    /// `None`: for every member.
    pub role: Option<RoleSummary>,
    /// What it does where it applies.
    pub effect: Effect,
    /// A resource, or `*`.
    pub resource: String,
    /// Verbs, or `*` alone.
    pub verbs: Vec<String>,
    /// When it applies; `None`: always.
    pub condition: Option<Value>,
    /// Whether it came with the tenant. Such a policy stays as it is.
    pub is_template: bool,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// A policy to be.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyDraft {
    /// `None`: for every member.
    pub role: Option<RoleId>,
    /// What it does where it applies.
    pub effect: Effect,
    /// What it speaks of.
    pub target: PolicyTarget,
    /// When it applies, as JSON that nobody has looked at; `None`: always.
    pub condition: Option<Value>,
}

/// What is to be another; what isn't given stays. For whom a policy is stays for good.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PolicyChange {
    /// What it does where it applies.
    pub effect: Option<Effect>,
    /// What it speaks of.
    pub target: Option<PolicyTarget>,
    /// When it applies; `Some(None)`: always from now on.
    pub condition: Option<Option<Value>>,
}

/// Why a policy can't be shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum PoliciesError {
    /// The tenant has no such policy.
    #[error("no such policy")]
    NotFound,
    /// The tenant has no such role.
    #[error("no such role")]
    RoleNotFound,
    /// It came with the tenant, and stays as it is.
    #[error("a template policy stays as it is")]
    TemplateImmutable,
    /// Another policy of the tenant says the same.
    #[error("there is such a policy already")]
    Duplicate,
    /// The tenant has as many policies as it may have.
    #[error("too many policies")]
    LimitReached {
        /// How many that is.
        limit: u16,
    },
    /// The condition can't be understood. All that is wrong with it, never nothing.
    #[error("the condition doesn't fit")]
    InvalidCondition(Vec<ConditionError>),
    /// It isn't the caller's to do.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The policies of a tenant.
#[async_trait]
pub trait Policies: Interface {
    /// A page of policies by id, from the first one after `after`; at most `limit`.
    async fn list(
        &self,
        permit: &Permit<PolicyRead>,
        after: Option<PolicyId>,
        limit: u16,
    ) -> Result<Vec<PolicyDetails>, PoliciesError>;

    /// One policy.
    async fn get(&self, permit: &Permit<PolicyRead>, id: PolicyId) -> Result<PolicyDetails, PoliciesError>;

    /// Makes a policy. Whatever it lets anybody do must be within what the caller may grant.
    async fn create(&self, permit: &Permit<PolicyManage>, draft: &PolicyDraft) -> Result<PolicyDetails, PoliciesError>;

    /// Changes a policy. To narrow a deny is to grant what it denied.
    async fn update(
        &self,
        permit: &Permit<PolicyManage>,
        id: PolicyId,
        change: &PolicyChange,
    ) -> Result<PolicyDetails, PoliciesError>;

    /// Deletes a policy. To delete a deny is to grant what it denied.
    async fn delete(&self, permit: &Permit<PolicyManage>, id: PolicyId) -> Result<(), PoliciesError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    static CATALOGUE: [PermissionInfo; 3] = [
        PermissionInfo { name: "user:read", resource: "user", verb: "read", about: "" },
        PermissionInfo { name: "user:pay", resource: "user", verb: "pay", about: "" },
        PermissionInfo { name: "billing:see", resource: "billing", verb: "see", about: "" },
    ];

    fn target(resource: &str, verbs: &[&str]) -> Result<(&'static str, Vec<&'static str>), Vec<InvalidTarget>> {
        let verbs: Vec<String> = verbs.iter().map(|verb| (*verb).into()).collect();
        PolicyTarget::new(&CATALOGUE, resource, &verbs).map(|target| (target.resource(), target.verbs().to_vec()))
    }

    #[test]
    fn policy_target_requires_known_permission() {
        assert_eq!(target("user", &["read", "pay", "read"]), Ok(("user", vec!["pay", "read"])));
        assert_eq!(target("user", &["*"]), Ok(("user", vec!["*"])));
        assert_eq!(target("*", &["see", "read"]), Ok(("*", vec!["read", "see"])));
        assert_eq!(target("*", &["*"]), Ok(("*", vec!["*"])));
    }

    #[test]
    fn all_errors_are_reported() {
        use InvalidTarget::{InvalidVerb, UnknownResource, VerbCount};
        let many = ["read"; 33];
        for (resource, verbs, errors) in [
            ("moon", &["read"][..], vec![UnknownResource]),
            ("moon", &[], vec![UnknownResource, VerbCount]),
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
