//! Translates a tenant's policies to [Cedar](https://www.cedarpolicy.com). The differential test compares the policy
//! engine's decisions with Cedar's, and the benchmark compares their speed.
//!
//! - [`CedarOracle`]: a tenant's translated policies, which Cedar evaluates
//! - `condition.rs`: translates a condition to two expressions, one for true and one for false
//! - `request.rs`: translates a request to Cedar's entities and context
//!
//! The input is what is stored: names, ids and conditions as JSON. This crate deliberately doesn't use the engine's
//! types, parser or comparisons, so that it doesn't repeat their bugs.

mod condition;
mod request;

use std::{collections::BTreeMap, error::Error, fmt::Write};

use cedar_policy::{Authorizer, Decision, Entities, Policy, PolicySet, Request};
use jiff::tz::TimeZone;
use kernel::contracts::{PolicyId, RoleId, TenantId};
use serde_json::Value;

use request::EntityTypes;

/// The result of a translation or an evaluation. An error is a bug in this crate.
pub type BoxResult<T> = Result<T, Box<dyn Error>>;

/// A stored policy.
#[derive(Debug)]
pub struct PolicyInput<'a> {
    /// The policy's id.
    pub id: PolicyId,
    /// The role, or `None` if the policy applies to every member.
    pub role: Option<RoleId>,
    /// Whether the effect is deny rather than allow.
    pub denies: bool,
    /// A resource, or `*`.
    pub resource: &'a str,
    /// Verbs, or `*`.
    pub verbs: &'a [String],
    /// When the policy applies.
    pub condition: PolicyCondition<'a>,
}

/// When a policy applies.
#[derive(Debug)]
pub enum PolicyCondition<'a> {
    /// Unconditionally.
    Always,
    /// If this condition is true.
    If(&'a Value),
    /// The condition can't be parsed.
    Invalid,
}

/// The tenant attributes that conditions can read.
#[derive(Debug)]
pub struct Tenant<'a> {
    /// The tenant's id.
    pub id: TenantId,
    /// The billing plan.
    pub plan: &'a str,
    /// The contract type.
    pub contract_type: &'a str,
    /// Enabled features.
    pub features: &'a [String],
    /// Maximum number of members.
    pub seat_limit: i64,
}

/// A tenant's policies, parsed by Cedar.
#[derive(Debug)]
pub struct CedarOracle {
    authorizer: Authorizer,
    types: EntityTypes,
    tenant: cedar_policy::Entity,
    /// The time zones that the policies refer to.
    zones: BTreeMap<String, TimeZone>,
    policies: PolicySet,
}

/// Cedar's decision.
#[derive(Debug, PartialEq, Eq)]
pub struct OracleDecision {
    /// Whether the request is allowed.
    pub allows: bool,
    /// The applicable policies with the effect of the decision. Empty if no policy applies.
    pub reasons: Vec<PolicyId>,
    /// Evaluation errors. There should be none, because expressions check that a value exists before they read it.
    pub errors: Vec<String>,
}

impl CedarOracle {
    /// Translates the policies of a tenant.
    ///
    /// # Errors
    /// Fails if Cedar rejects the translation.
    pub fn new(stored: &[PolicyInput<'_>], tenant: &Tenant<'_>) -> BoxResult<Self> {
        let mut zones = BTreeMap::new();
        let mut policies = PolicySet::new();
        for stored in stored {
            if let PolicyCondition::If(condition) = stored.condition {
                request::collect_zones(condition, &mut zones)?;
            }
            let id = cedar_policy::PolicyId::new(stored.id.to_string());
            policies.add(Policy::parse(Some(id), translate(stored)?)?)?;
        }
        let types = EntityTypes::new()?;
        Ok(Self { authorizer: Authorizer::new(), tenant: types.tenant(tenant)?, types, zones, policies })
    }

    /// Evaluates a request.
    ///
    /// # Errors
    /// Fails if Cedar reports a policy whose name isn't a policy id.
    pub fn evaluate(&self, request: &Request, entities: &Entities) -> BoxResult<OracleDecision> {
        let response = self.authorizer.is_authorized(request, &self.policies, entities);
        let reasons = response.diagnostics().reason().map(|id| Ok(PolicyId::from_uuid(id.to_string().parse()?)));
        Ok(OracleDecision {
            allows: response.decision() == Decision::Allow,
            reasons: reasons.collect::<BoxResult<_>>()?,
            errors: response.diagnostics().errors().map(ToString::to_string).collect(),
        })
    }

    /// Evaluates a request and discards the diagnostics, as a server would. Used by the benchmark.
    #[must_use]
    pub fn allows(&self, request: &Request, entities: &Entities) -> bool {
        self.authorizer.is_authorized(request, &self.policies, entities).decision() == Decision::Allow
    }
}

/// Translates a policy to Cedar's syntax.
///
/// An indeterminate condition never satisfies an allow and always satisfies a deny. So an allow requires its condition to
/// be true, and a deny applies unless its condition is false.
fn translate(stored: &PolicyInput<'_>) -> BoxResult<String> {
    let mut text = String::from(if stored.denies { "forbid (principal" } else { "permit (principal" });
    if let Some(role) = stored.role {
        write!(text, r#" in Role::"{role}""#)?;
    }
    let actions = stored.verbs.iter().map(|verb| format!("Action::{:?}", format!("{}:{verb}", stored.resource)));
    write!(text, ", action in [{}], resource)", actions.collect::<Vec<_>>().join(", "))?;
    match (&stored.condition, stored.denies) {
        (PolicyCondition::Always, _) => {}
        (PolicyCondition::If(condition), false) => {
            write!(text, " when {{ {} }}", condition::true_expression(condition)?)?
        }
        (PolicyCondition::If(condition), true) => {
            write!(text, " unless {{ {} }}", condition::false_expression(condition)?)?
        }
        (PolicyCondition::Invalid, false) => text.push_str(" when { false }"),
        (PolicyCondition::Invalid, true) => text.push_str(" unless { false }"),
    }
    text.push(';');
    Ok(text)
}
