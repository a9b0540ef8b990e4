//! Conditions: a typed tree, stored as JSON, one key an object: `{"all": [{"feature": "sso"}, {"not": {"owner": {}}}]}`.

use kernel::contracts::{Principal, ResourceFacts};
use serde::{Deserialize, Serialize};

use super::TenantFacts;

/// When a policy applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Condition {
    /// Each holds; so does none at all.
    All(Vec<Condition>),
    /// At least one holds.
    Any(Vec<Condition>),
    /// It doesn't hold.
    Not(Box<Condition>),
    /// The resource is the principal's own.
    Owner {},
    /// The tenant has the feature.
    Feature(String),
    /// The tenant has the plan.
    Plan(String),
}

/// What there is to look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) principal: Principal,
    pub(crate) resource: Option<&'a ResourceFacts>,
    pub(crate) tenant: &'a TenantFacts,
}

impl Condition {
    /// Whether it holds. `None`: it looks at something that isn't there, so nobody can say; whoever asks must take
    /// the side of denying.
    pub(crate) fn holds(&self, facts: &Facts<'_>) -> Option<bool> {
        match self {
            Self::All(parts) => all(parts.iter().map(|part| part.holds(facts))),
            Self::Any(parts) => all(parts.iter().map(|part| part.holds(facts).map(|yes| !yes))).map(|none| !none),
            Self::Not(part) => part.holds(facts).map(|yes| !yes),
            Self::Owner {} => facts.resource?.owner.map(|owner| facts.principal == Principal::User(owner)),
            Self::Feature(feature) => Some(facts.tenant.features.contains(feature)),
            Self::Plan(plan) => Some(facts.tenant.plan == *plan),
        }
    }
}

/// "And" of three values: one no is a no, whatever the unknown ones would have been.
fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut answer = Some(true);
    for part in parts {
        match part {
            Some(false) => return Some(false),
            None => answer = None,
            Some(true) => {}
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use kernel::contracts::UserId;

    use super::*;

    fn tenant() -> TenantFacts {
        TenantFacts { plan: "pro".into(), features: vec!["sso".into()] }
    }

    fn holds(json: &str, resource: Option<&ResourceFacts>, user: UserId) -> Option<bool> {
        let condition: Condition = serde_json::from_str(json).unwrap();
        condition.holds(&Facts { principal: Principal::User(user), resource, tenant: &tenant() })
    }

    #[test]
    fn what_is_there_is_compared() {
        let user = UserId::new();
        for (json, expected) in [
            (r#"{"feature": "sso"}"#, true),
            (r#"{"feature": "SSO"}"#, false),
            (r#"{"plan": "pro"}"#, true),
            (r#"{"plan": "free"}"#, false),
            (r#"{"not": {"plan": "free"}}"#, true),
            (r#"{"all": []}"#, true),
            (r#"{"any": []}"#, false),
            (r#"{"all": [{"plan": "pro"}, {"feature": "sso"}]}"#, true),
            (r#"{"any": [{"plan": "free"}, {"feature": "sso"}]}"#, true),
        ] {
            assert_eq!(holds(json, None, user), Some(expected), "{json}");
        }
    }

    #[test]
    fn an_owner_is_compared_where_the_resource_has_one() {
        let (user, other) = (UserId::new(), UserId::new());
        let owned = |owner| ResourceFacts { owner: Some(owner) };
        assert_eq!(holds(r#"{"owner": {}}"#, Some(&owned(user)), user), Some(true));
        assert_eq!(holds(r#"{"owner": {}}"#, Some(&owned(other)), user), Some(false));
    }

    #[test]
    fn what_is_not_there_is_neither_true_nor_false() {
        let user = UserId::new();
        let nobody = ResourceFacts { owner: None };
        for resource in [None, Some(&nobody)] {
            for json in [
                r#"{"owner": {}}"#,
                r#"{"not": {"owner": {}}}"#,
                r#"{"all": [{"plan": "pro"}, {"owner": {}}]}"#,
                r#"{"any": [{"plan": "free"}, {"owner": {}}]}"#,
            ] {
                assert_eq!(holds(json, resource, user), None, "{json}");
            }
            assert_eq!(holds(r#"{"all": [{"plan": "free"}, {"owner": {}}]}"#, resource, user), Some(false));
            assert_eq!(holds(r#"{"any": [{"plan": "pro"}, {"owner": {}}]}"#, resource, user), Some(true));
        }
    }

    #[test]
    fn unknown_and_malformed_conditions_are_refused() {
        for json in [
            r#"{}"#,
            r#"{"moon": "full"}"#,
            r#"{"owner": {"of": "x"}}"#,
            r#"{"all": {"plan": "pro"}}"#,
            r#"{"plan": "pro", "feature": "sso"}"#,
            r#"{"plan": 1}"#,
            r#""owner""#,
        ] {
            assert!(serde_json::from_str::<Condition>(json).is_err(), "{json} was taken for a condition");
        }
    }
}
