//! Conditions with what is known of the subject put in. The rest stays as it is written.

use kernel::contracts::{PolicyId, RoleId, UserId};
use uuid::Uuid;

use crate::domain::{Attribute, Comparison, Condition, Literal, Policy, StoredCondition, Predicate};

/// Whom a condition is read for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    pub(super) role: RoleId,
    /// `None`: whoever is in the role.
    pub(super) user: Option<UserId>,
}

/// Under which condition something is allowed or denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EffectiveCondition {
    Always,
    If(Condition),
    /// Nobody can say. The same as itself alone.
    Invalid(PolicyId),
}

impl EffectiveCondition {
    /// `None`: never. What can't be read allows nothing.
    pub(super) fn for_allow(policy: &Policy, subject: Subject) -> Option<Self> {
        Self::of(policy, subject).filter(|when| !matches!(when, Self::Invalid(_)))
    }

    /// `None`: never. What can't be read denies always, until it can be read.
    pub(super) fn for_deny(policy: &Policy, subject: Subject) -> Option<Self> {
        Self::of(policy, subject)
    }

    fn of(policy: &Policy, subject: Subject) -> Option<Self> {
        match &policy.condition {
            StoredCondition::Always => Some(Self::Always),
            StoredCondition::If(condition) => subject.evaluate(condition).into_condition(),
            StoredCondition::Invalid(_) => Some(Self::Invalid(policy.id)),
        }
    }
}

/// A condition, read for a subject.
enum Partial {
    Known(bool),
    Residual(Condition),
}

impl Partial {
    fn into_condition(self) -> Option<EffectiveCondition> {
        match self {
            Self::Known(holds) => holds.then_some(EffectiveCondition::Always),
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
                Partial::Known(holds) => Partial::Known(!holds),
                Partial::Residual(part) => Partial::Residual(Condition::Not(Box::new(part))),
            },
            Condition::Attribute(comparison) => match self.compare(comparison) {
                Some(holds) => Partial::Known(holds),
                None => Partial::Residual(condition.clone()),
            },
            Condition::Owner {}
            | Condition::Feature(_)
            | Condition::Plan(_)
            | Condition::ClientAddr(_)
            | Condition::Time(_) => Partial::Residual(condition.clone()),
        }
    }

    /// Of "and", parts that hold change nothing, and one that doesn't settles it; of "or", the other way round.
    fn evaluate_parts(self, parts: &[Condition], neutral: bool, whole: fn(Vec<Condition>) -> Condition) -> Partial {
        let mut open = Vec::new();
        for part in parts {
            match self.evaluate(part) {
                Partial::Known(holds) if holds == neutral => {}
                Partial::Known(holds) => return Partial::Known(holds),
                Partial::Residual(part) => open.push(part),
            }
        }
        match <[Condition; 1]>::try_from(open) {
            Ok([part]) => Partial::Residual(part),
            Err(open) if open.is_empty() => Partial::Known(neutral),
            Err(open) => Partial::Residual(whole(open)),
        }
    }

    /// `None`: only a request can tell.
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
