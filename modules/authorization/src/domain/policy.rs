//! A policy: who, which effect, which resource, which verbs, when.

use kernel::contracts::{PolicyId, RoleId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Condition, ConditionError, Effect};

/// A condition as found in a row. Those that can't be read are kept as such: an allow with one never applies, a deny
/// with one always does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoredCondition {
    Always,
    If(Condition),
    /// Why.
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

impl<'de> Deserialize<'de> for StoredCondition {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<Value>::deserialize(deserializer).map(Self::from)
    }
}

/// A policy as stored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Policy {
    pub(crate) id: PolicyId,
    /// `None`: for every member.
    pub(crate) role_id: Option<RoleId>,
    pub(crate) effect: Effect,
    /// A resource, or `*`.
    pub(crate) resource: String,
    /// Verbs, or `*` alone.
    pub(crate) verbs: Vec<String>,
    pub(crate) condition: StoredCondition,
}

/// A policy to be. What it says, in one form only: verbs sorted and without repeats, the condition as it is read.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct NewPolicy {
    role_id: Option<RoleId>,
    effect: Effect,
    resource: String,
    verbs: Vec<String>,
    condition: Option<Value>,
}

impl NewPolicy {
    /// A policy for a role, without a condition.
    pub(crate) fn for_role(role: RoleId, effect: Effect, resource: &str, verbs: &[&str]) -> Self {
        Self::unconditional(Some(role), effect, resource, verbs)
    }

    /// A policy without a condition, for a role or every member.
    pub(crate) fn unconditional(role_id: Option<RoleId>, effect: Effect, resource: &str, verbs: &[&str]) -> Self {
        let mut verbs: Vec<String> = verbs.iter().map(|verb| (*verb).into()).collect();
        verbs.sort();
        verbs.dedup();
        Self { role_id, effect, resource: resource.into(), verbs, condition: None }
    }

    /// The same under a condition, in the form in which it is stored; whatever is stored is in that form already.
    pub(crate) fn with_condition(self, mut condition: Option<Value>) -> Self {
        // serde_json sorts fields by itself, unless any crate of the build has switched that off.
        if let Some(condition) = &mut condition {
            condition.sort_all_objects();
        }
        Self { condition, ..self }
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

    /// The SHA-256 of the canonical form: two policies that say the same have the same.
    pub(crate) fn digest(&self) -> Result<Vec<u8>, serde_json::Error> {
        let canonical = serde_json::to_vec(self)?;
        Ok(ring::digest::digest(&ring::digest::SHA256, &canonical).as_ref().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_policies_have_equal_digests() {
        let role = RoleId::new();
        let digest = |effect, verbs| NewPolicy::for_role(role, effect, "user", verbs).digest().unwrap();
        let one = digest(Effect::Allow, &["read", "update"]);
        assert_eq!(one.len(), 32);
        assert_eq!(one, digest(Effect::Allow, &["update", "read", "read"]));
        assert_ne!(one, digest(Effect::Deny, &["read", "update"]));
        assert_ne!(one, digest(Effect::Allow, &["read"]));
    }

    #[test]
    fn digest_covers_condition_not_key_order() {
        let under = |condition| NewPolicy::unconditional(None, Effect::Deny, "*", &["*"]).with_condition(condition);
        let read = |text| serde_json::from_str::<Value>(text).unwrap();
        let (one, turned) = (read(r#"{"plan": "pro", "all": []}"#), read(r#"{"all": [], "plan": "pro"}"#));
        assert_eq!(under(Some(one.clone())).condition(), Some(&one));
        let digest = |condition| under(condition).digest().unwrap();
        assert_eq!(digest(Some(one.clone())), digest(Some(turned)));
        assert_ne!(digest(Some(one)), digest(None));
    }
}
