//! Conditions ready to be evaluated: time zones resolved, and whatever the tenant alone decides is decided.

use std::net::IpAddr;

use ipnet::IpNet;
use kernel::contracts::{ConditionTrace, Environment, Outcome, Principal, ResourceFacts, RoleId};
use uuid::Uuid;

use super::{
    Attribute, Comparison, Condition, ConditionError, Literal, StoredCondition, TenantFacts, Test,
    time_window::CompiledWindow,
};

#[cfg(test)]
mod tests;

/// What there is to look at, beside the tenant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) principal: Principal,
    pub(crate) role: RoleId,
    pub(crate) resource: Option<&'a ResourceFacts>,
    pub(crate) environment: &'a Environment,
}

/// A condition of one tenant's policy. Evaluating it allocates nothing.
#[derive(Debug)]
pub(crate) enum Compiled {
    All(Box<[Compiled]>),
    Any(Box<[Compiled]>),
    Not(Box<Compiled>),
    Owner,
    /// It looks at the tenant alone, so it is the same for every request.
    Known {
        kind: &'static str,
        holds: bool,
    },
    /// An id of the request is one of these.
    IsAmong(RequestId, Box<[Uuid]>),
    IsSame(RequestId, RequestId),
    ClientAddr(Box<[IpNet]>),
    Time(Box<CompiledWindow>),
    /// Nobody can say what it means, nor whether it holds. Why, where that is known.
    Unreadable(Box<[ConditionError]>),
}

/// An id that only the request tells.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RequestId {
    Subject,
    Role,
    Owner,
}

impl Compiled {
    /// `None`: there is no condition.
    pub(crate) fn of(stored: &StoredCondition, tenant: &TenantFacts) -> Option<Self> {
        match stored {
            StoredCondition::Always => None,
            StoredCondition::When(condition) => Some(Self::new(condition, tenant)),
            StoredCondition::Unreadable(errors) => Some(Self::Unreadable(errors.as_slice().into())),
        }
    }

    fn new(condition: &Condition, tenant: &TenantFacts) -> Self {
        let each = |parts: &[Condition]| parts.iter().map(|part| Self::new(part, tenant)).collect();
        match condition {
            Condition::All(parts) => Self::All(each(parts)),
            Condition::Any(parts) => Self::Any(each(parts)),
            Condition::Not(part) => Self::Not(Box::new(Self::new(part, tenant))),
            Condition::Owner {} => Self::Owner,
            Condition::Feature(name) => Self::Known { kind: "feature", holds: tenant.features.contains(name) },
            Condition::Plan(name) => Self::Known { kind: "plan", holds: tenant.plan == *name },
            Condition::Attribute(comparison) => Self::comparison(comparison, tenant),
            Condition::ClientAddr(ranges) => Self::ClientAddr(ranges.as_slice().into()),
            Condition::Time(window) => {
                CompiledWindow::new(window).map_or_else(Self::unreadable, |window| Self::Time(Box::new(window)))
            }
        }
    }

    /// What reading has let through and nobody can say all the same. There should be no such thing.
    fn unreadable() -> Self {
        Self::Unreadable(Box::default())
    }

    fn comparison(comparison: &Comparison, tenant: &TenantFacts) -> Self {
        match (RequestId::of(comparison.name), &comparison.test) {
            (Some(id), Test::Is(Literal::Id(one))) => Self::IsAmong(id, [*one].into()),
            (Some(id), Test::OneOf(many)) => Self::IsAmong(id, many.iter().filter_map(Literal::id).collect()),
            (Some(id), Test::IsSameAs(other)) => {
                RequestId::of(*other).map_or_else(Self::unreadable, |other| Self::IsSame(id, other))
            }
            _ => Self::known(comparison, tenant).unwrap_or_else(Self::unreadable),
        }
    }

    fn known(Comparison { name, test }: &Comparison, tenant: &TenantFacts) -> Option<Self> {
        let value = tenant.value(*name)?;
        let holds = match (test, &value) {
            (Test::Is(literal), value) => literal == value,
            (Test::OneOf(literals), value) => literals.contains(value),
            (Test::AtLeast(least), Literal::Number(number)) => number >= least,
            (Test::AtMost(most), Literal::Number(number)) => number <= most,
            (Test::IsSameAs(other), value) => tenant.value(*other)? == *value,
            _ => return None,
        };
        Some(Self::Known { kind: "attribute", holds })
    }

    /// Whether it holds. `None`: it looks at something that isn't there, so nobody can say; whoever asks must take
    /// the side of denying.
    pub(crate) fn holds(&self, facts: &Facts<'_>) -> Option<bool> {
        match self {
            Self::All(parts) => all(parts.iter().map(|part| part.holds(facts))),
            Self::Any(parts) => any(parts.iter().map(|part| part.holds(facts))),
            Self::Not(part) => part.holds(facts).map(|yes| !yes),
            Self::Owner => facts.resource?.owner.map(|owner| facts.principal == Principal::User(owner)),
            Self::Known { holds, .. } => Some(*holds),
            Self::IsAmong(id, ids) => Some(ids.contains(&id.value(facts)?)),
            Self::IsSame(one, other) => Some(one.value(facts)? == other.value(facts)?),
            Self::ClientAddr(ranges) => Some(is_in(ranges, facts.environment.client_addr?)),
            Self::Time(window) => window.contains(facts.environment.now),
            Self::Unreadable(_) => None,
        }
    }

    /// The kind under which it is stored.
    fn kind(&self) -> &'static str {
        match self {
            Self::All(_) => "all",
            Self::Any(_) => "any",
            Self::Not(_) => "not",
            Self::Owner => "owner",
            Self::Known { kind, .. } => kind,
            Self::IsAmong(..) | Self::IsSame(..) => "attribute",
            Self::ClientAddr(_) => "client_addr",
            Self::Time(_) => "time",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// How it and each of its parts came out, whole before parts.
    pub(crate) fn trace(&self, facts: &Facts<'_>) -> Vec<ConditionTrace> {
        let mut traces = Vec::new();
        self.trace_into(&mut traces, String::new(), facts);
        traces
    }

    fn trace_into(&self, traces: &mut Vec<ConditionTrace>, pointer: String, facts: &Facts<'_>) {
        let kind = self.kind();
        let outcome = match self.holds(facts) {
            Some(true) => Outcome::Held,
            Some(false) => Outcome::DidNotHold,
            None => Outcome::CannotBeTold,
        };
        traces.push(ConditionTrace { pointer: pointer.clone(), kind, outcome, detail: None });
        match self {
            Self::All(parts) | Self::Any(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    part.trace_into(traces, format!("{pointer}/{kind}/{index}"), facts);
                }
            }
            Self::Not(part) => part.trace_into(traces, format!("{pointer}/not"), facts),
            Self::Unreadable(errors) => traces.extend(errors.iter().map(|error| ConditionTrace {
                pointer: error.pointer.clone(),
                kind,
                outcome,
                detail: Some(error.detail),
            })),
            _ => {}
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

/// "Or" of three values: one yes is a yes.
fn any(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    all(parts.map(|part| part.map(|yes| !yes))).map(|none| !none)
}

/// An IPv4 address that came in an IPv6 one's clothes is an IPv4 address.
fn is_in(ranges: &[IpNet], addr: IpAddr) -> bool {
    let addr = addr.to_canonical();
    ranges.iter().any(|range| range.contains(&addr))
}

impl RequestId {
    fn of(attribute: Attribute) -> Option<Self> {
        match attribute {
            Attribute::SubjectId => Some(Self::Subject),
            Attribute::SubjectRole => Some(Self::Role),
            Attribute::ResourceOwner => Some(Self::Owner),
            Attribute::TenantId | Attribute::TenantPlan | Attribute::TenantContractType | Attribute::TenantMaxUsers => {
                None
            }
        }
    }

    fn value(self, facts: &Facts<'_>) -> Option<Uuid> {
        match (self, facts.principal) {
            (Self::Subject, Principal::User(user)) => Some(user.as_uuid()),
            // Not a person: there is nobody's id to compare.
            (Self::Subject, _) => None,
            (Self::Role, _) => Some(facts.role.as_uuid()),
            (Self::Owner, _) => facts.resource?.owner.map(|owner| owner.as_uuid()),
        }
    }
}

impl Literal {
    fn id(&self) -> Option<Uuid> {
        match self {
            Self::Id(id) => Some(*id),
            Self::Text(_) | Self::Number(_) => None,
        }
    }
}

impl TenantFacts {
    fn value(&self, attribute: Attribute) -> Option<Literal> {
        match attribute {
            Attribute::TenantId => Some(Literal::Id(self.id.as_uuid())),
            Attribute::TenantPlan => Some(Literal::Text(self.plan.clone())),
            Attribute::TenantContractType => Some(Literal::Text(self.contract_type.clone())),
            Attribute::TenantMaxUsers => Some(Literal::Number(self.max_users.into())),
            Attribute::SubjectId | Attribute::SubjectRole | Attribute::ResourceOwner => None,
        }
    }
}
