//! Policies (role, effect, resource, verbs and condition) and the version of a tenant's policies.

use authorization_api::{ConditionError, Effect, PolicyContent};
use kernel::{PolicyId, RoleId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::Condition;

/// A condition read from the database. An invalid one is kept and fails closed: an allow with it never applies, a deny
/// with it always does.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Option<Value>")]
pub(crate) enum StoredCondition {
    Always,
    If(Condition),
    /// Contains the parse errors.
    Invalid(Vec<ConditionError>),
}

impl From<Option<Value>> for StoredCondition {
    fn from(value: Option<Value>) -> Self {
        match value.as_ref().map(Condition::parse) {
            None => Self::Always,
            Some(Ok(condition)) => Self::If(condition),
            Some(Err(errors)) => Self::Invalid(errors),
        }
    }
}

impl StoredCondition {
    /// Returns what [`Condition::cost`] returns, or one more than the number of errors of an invalid condition.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Self::Always => 0,
            Self::If(condition) => condition.cost(),
            Self::Invalid(errors) => 1 + errors.len(),
        }
    }
}

/// A stored policy with its parsed condition, as the engine evaluates it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Policy {
    pub(crate) id: PolicyId,
    /// `None` if the policy is tenant-wide.
    pub(crate) role_id: Option<RoleId>,
    pub(crate) effect: Effect,
    /// A resource, or `*`.
    pub(crate) resource: String,
    /// Verbs, or `*` alone.
    pub(crate) verbs: Vec<String>,
    pub(crate) condition: StoredCondition,
}

/// A policy to be stored, in canonical form: verbs sorted without duplicates, condition as serialized after parsing.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct NewPolicy {
    role_id: Option<RoleId>,
    effect: Effect,
    resource: String,
    verbs: Vec<String>,
    condition: Option<Value>,
}

impl NewPolicy {
    /// Creates a policy for a role, or a tenant-wide one.
    pub(crate) fn new(
        role_id: Option<RoleId>,
        effect: Effect,
        resource: &str,
        verbs: &[&str],
        mut condition: Option<Value>,
    ) -> Self {
        let mut verbs: Vec<String> = verbs.iter().map(|verb| (*verb).into()).collect();
        verbs.sort();
        verbs.dedup();
        // The digest must not depend on the order of keys. serde_json sorts them itself, unless a crate in the build
        // enables its `preserve_order` feature.
        if let Some(condition) = &mut condition {
            condition.sort_all_objects();
        }
        Self { role_id, effect, resource: resource.into(), verbs, condition }
    }

    /// Returns what the audit log records.
    pub(crate) fn into_content(self) -> PolicyContent {
        let Self { role_id: role, effect, resource, verbs, condition } = self;
        PolicyContent { role, effect, resource, verbs, condition }
    }

    pub(crate) fn role_id(&self) -> Option<RoleId> {
        self.role_id
    }

    pub(crate) fn effect(&self) -> Effect {
        self.effect
    }

    pub(crate) fn resource(&self) -> &str {
        &self.resource
    }

    pub(crate) fn verbs(&self) -> &[String] {
        &self.verbs
    }

    pub(crate) fn condition(&self) -> Option<&Value> {
        self.condition.as_ref()
    }

    /// Returns the SHA-256 of the canonical form. Equal policies have equal digests.
    pub(crate) fn digest(&self) -> Result<Vec<u8>, serde_json::Error> {
        let canonical = serde_json::to_vec(self)?;
        Ok(ring::digest::digest(&ring::digest::SHA256, &canonical).as_ref().to_vec())
    }
}

/// Identifies one state of a tenant's policies and attributes: a random UUID that the database sets.
///
/// Versions have no order. A number would repeat after a failover that loses commits, or after a restore, and stale cached
/// policies would match it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct PolicyVersion(Uuid);

impl PolicyVersion {
    pub(crate) fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for PolicyVersion {
    fn from(version: Uuid) -> Self {
        Self(version)
    }
}

#[cfg(test)]
impl PolicyVersion {
    pub(crate) fn for_test(number: u128) -> Self {
        Self(Uuid::from_u128(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_condition_cost_counts_its_errors() {
        let stored = |json| StoredCondition::from(json).cost();
        let invalid = serde_json::json!({"client_addr": ["10.0.0.0/8", "x", "y"]});
        assert_eq!([stored(None), stored(Some(serde_json::json!({"owner": {}}))), stored(Some(invalid))], [0, 1, 3]);
    }

    #[test]
    fn equal_policies_have_equal_digests() {
        let role = RoleId::new();
        let digest = |effect, verbs| NewPolicy::new(Some(role), effect, "user", verbs, None).digest().unwrap();
        let one = digest(Effect::Allow, &["read", "update"]);
        assert_eq!(one.len(), 32);
        assert_eq!(one, digest(Effect::Allow, &["update", "read", "read"]));
        assert_ne!(one, digest(Effect::Deny, &["read", "update"]));
        assert_ne!(one, digest(Effect::Allow, &["read"]));
    }

    #[test]
    fn digest_covers_condition_not_key_order() {
        let with = |condition| NewPolicy::new(None, Effect::Deny, "*", &["*"], condition);
        let read = |text| serde_json::from_str::<Value>(text).unwrap();
        let (one, reordered) = (read(r#"{"plan": "pro", "all": []}"#), read(r#"{"all": [], "plan": "pro"}"#));
        assert_eq!(with(Some(one.clone())).condition(), Some(&one));
        let digest = |condition| with(condition).digest().unwrap();
        assert_eq!(digest(Some(one.clone())), digest(Some(reordered)));
        assert_ne!(digest(Some(one)), digest(None));
    }
}
