//! Conditions compiled for evaluation: time zones are resolved, and parts that depend on the tenant alone become
//! constants.

use authorization_api::ConditionError;
use ipnet::IpNet;
use kernel::{ConditionTrace, Environment, Principal, ResourceAttributes, RoleId, Truth};
use uuid::Uuid;

use super::{
    Attribute, Comparison, Condition, Literal, Predicate, StoredCondition, TenantAttributes,
    time_window::CompiledWindow,
};

#[cfg(test)]
mod tests;

/// The inputs of an evaluation. Doesn't contain the tenant's attributes, which are compiled into the condition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EvalContext<'a> {
    pub(crate) principal: Principal,
    pub(crate) role: RoleId,
    pub(crate) resource: Option<&'a ResourceAttributes>,
    pub(crate) environment: &'a Environment,
}

/// A compiled condition of one tenant's policy. Evaluation doesn't allocate.
#[derive(Debug)]
pub(crate) enum CompiledCondition {
    All(Box<[CompiledCondition]>),
    Any(Box<[CompiledCondition]>),
    Not(Box<CompiledCondition>),
    Owner,
    /// Depends on the tenant alone, so the value is the same for every request.
    Constant {
        kind: &'static str,
        value: bool,
    },
    /// The attribute is one of these ids.
    IdIn(RequestAttribute, Box<[Uuid]>),
    IdsEqual(RequestAttribute, RequestAttribute),
    ClientAddr(Box<[IpNet]>),
    Time(Box<CompiledWindow>),
    /// Always indeterminate, because the condition can't be parsed or compiled. Contains the parse errors; none if
    /// compilation failed.
    Invalid(Box<[ConditionError]>),
}

/// An id attribute whose value depends on the request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RequestAttribute {
    Subject,
    Role,
    Owner,
}

impl CompiledCondition {
    /// Compiles a stored condition. Returns `None` if the policy is unconditional.
    pub(crate) fn from_stored(stored: &StoredCondition, tenant: &TenantAttributes) -> Option<Self> {
        match stored {
            StoredCondition::Always => None,
            StoredCondition::If(condition) => Some(Self::new(condition, tenant)),
            StoredCondition::Invalid(errors) => Some(Self::Invalid(errors.as_slice().into())),
        }
    }

    fn new(condition: &Condition, tenant: &TenantAttributes) -> Self {
        let compile_each = |parts: &[Condition]| parts.iter().map(|part| Self::new(part, tenant)).collect();
        match condition {
            Condition::All(parts) => Self::All(compile_each(parts)),
            Condition::Any(parts) => Self::Any(compile_each(parts)),
            Condition::Not(part) => Self::Not(Box::new(Self::new(part, tenant))),
            Condition::Owner {} => Self::Owner,
            Condition::Feature(name) => Self::Constant { kind: "feature", value: tenant.features.contains(name) },
            Condition::Plan(name) => Self::Constant { kind: "plan", value: tenant.plan == *name },
            Condition::Attribute(comparison) => Self::compile_comparison(comparison, tenant),
            Condition::ClientAddr(ranges) => Self::ClientAddr(ranges.as_slice().into()),
            Condition::Time(window) => {
                CompiledWindow::new(window).map_or_else(Self::invalid, |window| Self::Time(Box::new(window)))
            }
        }
    }

    /// Returns a condition that was parsed but can't be compiled. The parser rejects all known cases.
    fn invalid() -> Self {
        Self::Invalid(Box::default())
    }

    fn compile_comparison(comparison: &Comparison, tenant: &TenantAttributes) -> Self {
        match (RequestAttribute::from_attribute(comparison.name), &comparison.predicate) {
            (Some(attribute), Predicate::Is(Literal::Id(id))) => Self::IdIn(attribute, [*id].into()),
            (Some(attribute), Predicate::OneOf(literals)) => {
                let uuid = |literal: &Literal| if let Literal::Id(uuid) = literal { Some(*uuid) } else { None };
                Self::IdIn(attribute, literals.iter().filter_map(uuid).collect())
            }
            (Some(attribute), Predicate::IsSameAs(other)) => RequestAttribute::from_attribute(*other)
                .map_or_else(Self::invalid, |other| Self::IdsEqual(attribute, other)),
            _ => Self::compile_constant(comparison, tenant).unwrap_or_else(Self::invalid),
        }
    }

    fn compile_constant(Comparison { name, predicate }: &Comparison, tenant: &TenantAttributes) -> Option<Self> {
        let value = tenant.value(*name)?;
        let result = match (predicate, &value) {
            (Predicate::Is(literal), value) => literal == value,
            (Predicate::OneOf(literals), value) => literals.contains(value),
            (Predicate::AtLeast(least), Literal::Number(number)) => number >= least,
            (Predicate::AtMost(most), Literal::Number(number)) => number <= most,
            (Predicate::IsSameAs(other), value) => tenant.value(*other)? == *value,
            _ => return None,
        };
        Some(Self::Constant { kind: "attribute", value: result })
    }

    /// Evaluates the condition. Returns `None` (indeterminate) if it reads a value that is missing.
    ///
    /// The caller must fail closed: an allow with an indeterminate condition doesn't apply; a deny does.
    pub(crate) fn evaluate(&self, context: &EvalContext<'_>) -> Option<bool> {
        match self {
            Self::All(parts) => kleene_and(parts.iter().map(|part| part.evaluate(context))),
            Self::Any(parts) => kleene_or(parts.iter().map(|part| part.evaluate(context))),
            Self::Not(part) => part.evaluate(context).map(|value| !value),
            Self::Owner => context.resource?.owner.map(|owner| context.principal == Principal::User(owner)),
            Self::Constant { value, .. } => Some(*value),
            Self::IdIn(attribute, ids) => Some(ids.contains(&attribute.value(context)?)),
            Self::IdsEqual(one, other) => Some(one.value(context)? == other.value(context)?),
            Self::ClientAddr(ranges) => {
                // An IPv4-mapped IPv6 address counts as an IPv4 address.
                let addr = context.environment.client_addr?.to_canonical();
                Some(ranges.iter().any(|range| range.contains(&addr)))
            }
            Self::Time(window) => window.contains(context.environment.now),
            Self::Invalid(_) => None,
        }
    }

    /// Returns the estimated size in memory, in bytes. Time zones aren't included, because equal ones are shared.
    pub(crate) fn memory_bytes(&self) -> usize {
        let sum = |parts: &[Self]| parts.iter().map(Self::memory_bytes).sum();
        size_of::<Self>()
            + match self {
                Self::All(parts) | Self::Any(parts) => sum(parts),
                Self::Not(part) => part.memory_bytes(),
                Self::IdIn(_, ids) => size_of_val(&**ids),
                Self::ClientAddr(ranges) => size_of_val(&**ranges),
                Self::Time(window) => size_of_val(&**window),
                Self::Invalid(errors) => errors.iter().map(|error| size_of_val(error) + error.pointer.len()).sum(),
                Self::Owner | Self::Constant { .. } | Self::IdsEqual(..) => 0,
            }
    }

    /// Returns the kind as named in stored conditions.
    fn kind(&self) -> &'static str {
        match self {
            Self::All(_) => "all",
            Self::Any(_) => "any",
            Self::Not(_) => "not",
            Self::Owner => "owner",
            Self::Constant { kind, .. } => kind,
            Self::IdIn(..) | Self::IdsEqual(..) => "attribute",
            Self::ClientAddr(_) => "client_addr",
            Self::Time(_) => "time",
            Self::Invalid(_) => "invalid",
        }
    }

    /// Returns the outcome of the condition and of each part, in pre-order.
    pub(crate) fn trace(&self, context: &EvalContext<'_>) -> Vec<ConditionTrace> {
        let mut traces = Vec::new();
        self.trace_into(&mut traces, String::new(), context);
        traces
    }

    fn trace_into(&self, traces: &mut Vec<ConditionTrace>, pointer: String, context: &EvalContext<'_>) {
        let kind = self.kind();
        let outcome = match self.evaluate(context) {
            Some(true) => Truth::True,
            Some(false) => Truth::False,
            None => Truth::Indeterminate,
        };
        traces.push(ConditionTrace { pointer: pointer.clone(), kind, outcome, detail: None });
        match self {
            Self::All(parts) | Self::Any(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    part.trace_into(traces, format!("{pointer}/{kind}/{index}"), context);
                }
            }
            Self::Not(part) => part.trace_into(traces, format!("{pointer}/not"), context),
            Self::Invalid(errors) => traces.extend(errors.iter().map(|error| ConditionTrace {
                pointer: error.pointer.clone(),
                kind,
                outcome,
                detail: Some(error.detail),
            })),
            _ => {}
        }
    }
}

/// Three-valued conjunction: false if any part is false, even if other parts are indeterminate.
pub(super) fn kleene_and(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut result = Some(true);
    for part in parts {
        match part {
            Some(false) => return Some(false),
            None => result = None,
            Some(true) => {}
        }
    }
    result
}

/// Three-valued disjunction: true if any part is true, even if other parts are indeterminate.
pub(super) fn kleene_or(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    // By De Morgan's law.
    kleene_and(parts.map(|part| part.map(|value| !value))).map(|value| !value)
}

impl RequestAttribute {
    fn from_attribute(attribute: Attribute) -> Option<Self> {
        match attribute {
            Attribute::SubjectId => Some(Self::Subject),
            Attribute::SubjectRole => Some(Self::Role),
            Attribute::ResourceOwner => Some(Self::Owner),
            Attribute::TenantId
            | Attribute::TenantPlan
            | Attribute::TenantContractType
            | Attribute::TenantSeatLimit => None,
        }
    }

    fn value(self, context: &EvalContext<'_>) -> Option<Uuid> {
        match (self, context.principal) {
            (Self::Subject, Principal::User(user)) => Some(user.as_uuid()),
            // Other principals have no user id.
            (Self::Subject, _) => None,
            (Self::Role, _) => Some(context.role.as_uuid()),
            (Self::Owner, _) => context.resource?.owner.map(|owner| owner.as_uuid()),
        }
    }
}
