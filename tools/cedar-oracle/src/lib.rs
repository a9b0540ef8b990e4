//! A tenant's policies in [Cedar](https://www.cedarpolicy.com): a second opinion on what the engine decides, and a rival
//! beside it in the benchmark.
//!
//! - [`CedarOracle`]: the policies of a tenant, translated; questions to them, and Cedar's answers
//! - `condition.rs`: conditions as two expressions, one for "surely holds" and one for "surely doesn't"
//! - `request.rs`: what a request brings, as Cedar's entities and context
//!
//! Everything is read off what is stored: names, ids, and conditions as JSON. The engine's own types are absent on
//! purpose, and so are its rules for reading and comparing: a mistake in them isn't repeated here.

mod condition;
mod request;

use std::{collections::BTreeMap, error::Error, fmt::Write};

use cedar_policy::{Authorizer, Decision, Entities, Policy, PolicySet, Request};
use jiff::tz::TimeZone;
use kernel::contracts::{PolicyId, RoleId, TenantId};
use serde_json::Value;

use request::EntityTypes;

/// What fails here is a translation that Cedar doesn't take: a bug.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// A policy as stored.
#[derive(Debug)]
pub struct StoredPolicy<'a> {
    /// Which policy.
    pub id: PolicyId,
    /// `None`: for every member.
    pub role: Option<RoleId>,
    /// Whether it denies; otherwise it allows.
    pub denies: bool,
    /// A resource, or `*`.
    pub resource: &'a str,
    /// Verbs, or `*`.
    pub verbs: &'a [String],
    /// When it applies.
    pub when: PolicyCondition<'a>,
}

/// When a policy applies.
#[derive(Debug)]
pub enum PolicyCondition<'a> {
    /// Whatever the circumstances.
    Always,
    /// Where this condition holds.
    If(&'a Value),
    /// Nobody can say.
    Invalid,
}

/// What conditions may look at in the tenant.
#[derive(Debug)]
pub struct Tenant<'a> {
    /// Which tenant.
    pub id: TenantId,
    /// What it pays for.
    pub plan: &'a str,
    /// On which terms.
    pub contract_type: &'a str,
    /// What is switched on for it.
    pub features: &'a [String],
    /// Seats.
    pub seat_limit: i64,
}

/// A tenant's policies, parsed by Cedar.
#[derive(Debug)]
pub struct CedarOracle {
    authorizer: Authorizer,
    types: EntityTypes,
    tenant: cedar_policy::Entity,
    /// The zones whose clocks the policies look at.
    zones: BTreeMap<String, TimeZone>,
    policies: PolicySet,
}

/// What Cedar says.
#[derive(Debug, PartialEq, Eq)]
pub struct OracleDecision {
    /// Whether it allows.
    pub allows: bool,
    /// The policies that made the answer what it is: those that apply and have its effect. None where no policy applies.
    pub reasons: Vec<PolicyId>,
    /// Policies that couldn't be evaluated. There should be none: what isn't there is asked for before it is looked at.
    pub errors: Vec<String>,
}

impl CedarOracle {
    /// # Errors
    /// Cedar doesn't take the translation.
    pub fn new(stored: &[StoredPolicy<'_>], tenant: &Tenant<'_>) -> Outcome<Self> {
        let mut zones = BTreeMap::new();
        let mut policies = PolicySet::new();
        for stored in stored {
            if let PolicyCondition::If(condition) = stored.when {
                request::collect_zones(condition, &mut zones)?;
            }
            let id = cedar_policy::PolicyId::new(stored.id.to_string());
            policies.add(Policy::parse(Some(id), translate(stored)?)?)?;
        }
        let types = EntityTypes::new()?;
        Ok(Self { authorizer: Authorizer::new(), tenant: types.tenant(tenant)?, types, zones, policies })
    }

    /// # Errors
    /// A policy's name isn't an id: it isn't one of ours.
    pub fn evaluate(&self, request: &Request, entities: &Entities) -> Outcome<OracleDecision> {
        let response = self.authorizer.is_authorized(request, &self.policies, entities);
        let reasons = response.diagnostics().reason().map(|id| Ok(PolicyId::from_uuid(id.to_string().parse()?)));
        Ok(OracleDecision {
            allows: response.decision() == Decision::Allow,
            reasons: reasons.collect::<Outcome<_>>()?,
            errors: response.diagnostics().errors().map(ToString::to_string).collect(),
        })
    }

    /// Nothing but the answer, as a server that enforces it would ask: for the benchmark.
    #[must_use]
    pub fn allows(&self, request: &Request, entities: &Entities) -> bool {
        self.authorizer.is_authorized(request, &self.policies, entities).decision() == Decision::Allow
    }
}

/// What can't be told never allows and always denies. So an allow wants its condition to hold surely, and a deny applies
/// unless it surely doesn't.
fn translate(stored: &StoredPolicy<'_>) -> Outcome<String> {
    let mut text = String::from(if stored.denies { "forbid (principal" } else { "permit (principal" });
    if let Some(role) = stored.role {
        write!(text, r#" in Role::"{role}""#)?;
    }
    let actions = stored.verbs.iter().map(|verb| format!("Action::{:?}", format!("{}:{verb}", stored.resource)));
    write!(text, ", action in [{}], resource)", actions.collect::<Vec<_>>().join(", "))?;
    match (&stored.when, stored.denies) {
        (PolicyCondition::Always, _) => {}
        (PolicyCondition::If(condition), false) => write!(text, " when {{ {} }}", condition::true_expression(condition)?)?,
        (PolicyCondition::If(condition), true) => write!(text, " unless {{ {} }}", condition::false_expression(condition)?)?,
        (PolicyCondition::Invalid, false) => text.push_str(" when { false }"),
        (PolicyCondition::Invalid, true) => text.push_str(" unless { false }"),
    }
    text.push(';');
    Ok(text)
}
