//! Partial evaluation of conditions: known attributes of the subject are substituted, the rest is kept as written.

use kernel::{PolicyId, RoleId, UserId};
use uuid::Uuid;

use crate::engine::{Attribute, Comparison, Condition, Literal, Policy, Predicate, StoredCondition};

/// The subject for which conditions are evaluated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    pub(super) role: RoleId,
    /// `None` for every user with the role.
    pub(super) user: Option<UserId>,
}

/// The condition of an allow or deny for a specific subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EffectiveCondition {
    Always,
    If(Condition),
    /// The condition of this policy can't be parsed, so it is equal only to itself.
    Invalid(PolicyId),
}

impl EffectiveCondition {
    /// Returns `None` if the policy never applies to the subject.
    pub(super) fn of(policy: &Policy, subject: Subject) -> Option<Self> {
        match &policy.condition {
            StoredCondition::Always => Some(Self::Always),
            StoredCondition::If(condition) => subject.evaluate(condition).into_condition(),
            StoredCondition::Invalid(_) => Some(Self::Invalid(policy.id)),
        }
    }
}

/// The result of partial evaluation: a value, or the part of the condition that depends on the request.
enum Partial {
    Known(bool),
    Residual(Condition),
}

impl Partial {
    fn into_condition(self) -> Option<EffectiveCondition> {
        match self {
            Self::Known(value) => value.then_some(EffectiveCondition::Always),
            Self::Residual(condition) => Some(EffectiveCondition::If(condition)),
        }
    }
}

impl Subject {
    fn evaluate(self, condition: &Condition) -> Partial {
        match condition {
            Condition::All(parts) => self.evaluate_parts(parts, true, Condition::All),
            Condition::Any(parts) => self.evaluate_parts(parts, false, Condition::Any),
            Condition::Not(part) => match self.evaluate(part) {
                Partial::Known(value) => Partial::Known(!value),
                Partial::Residual(part) => Partial::Residual(Condition::Not(Box::new(part))),
            },
            Condition::Attribute(comparison) => match self.compare(comparison) {
                Some(value) => Partial::Known(value),
                None => Partial::Residual(condition.clone()),
            },
            Condition::Owner {}
            | Condition::Feature(_)
            | Condition::Plan(_)
            | Condition::ClientAddr(_)
            | Condition::Time(_) => Partial::Residual(condition.clone()),
        }
    }

    /// Evaluates the parts of a conjunction (`neutral` is true) or a disjunction (`neutral` is false). Parts with the
    /// neutral value are dropped; a part with the other value is the result.
    fn evaluate_parts(self, parts: &[Condition], neutral: bool, whole: fn(Vec<Condition>) -> Condition) -> Partial {
        let mut residual = Vec::new();
        for part in parts {
            match self.evaluate(part) {
                Partial::Known(value) if value == neutral => {}
                Partial::Known(value) => return Partial::Known(value),
                Partial::Residual(part) => residual.push(part),
            }
        }
        match <[Condition; 1]>::try_from(residual) {
            Ok([part]) => Partial::Residual(part),
            Err(residual) if residual.is_empty() => Partial::Known(neutral),
            Err(residual) => Partial::Residual(whole(residual)),
        }
    }

    /// Returns `None` if the result depends on the request.
    fn compare(self, Comparison { name, predicate }: &Comparison) -> Option<bool> {
        let known = match name {
            Attribute::SubjectRole => self.role.as_uuid(),
            Attribute::SubjectId => self.user?.as_uuid(),
            _ => return None,
        };
        let is = |literal: &Literal, id: Uuid| *literal == Literal::Id(id);
        match predicate {
            Predicate::Is(literal) => Some(is(literal, known)),
            Predicate::OneOf(literals) => Some(literals.iter().any(|literal| is(literal, known))),
            Predicate::AtLeast(_) | Predicate::AtMost(_) | Predicate::IsSameAs(_) => None,
        }
    }
}
