//! Conditions with what is known of the subject put in. The rest stays as it is written.

use kernel::contracts::{PolicyId, RoleId, UserId};
use uuid::Uuid;

use crate::domain::{Attribute, Comparison, Condition, Literal, Policy, StoredCondition, Test};

/// Whom a condition is read for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    pub(super) role: RoleId,
    /// `None`: whoever is in the role.
    pub(super) person: Option<UserId>,
}

/// Under which condition something is allowed or denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum When {
    Always,
    If(Condition),
    /// Nobody can say. The same as itself alone.
    Unreadable(PolicyId),
}

impl When {
    /// `None`: never. What can't be read allows nothing.
    pub(super) fn allows(policy: &Policy, subject: Subject) -> Option<Self> {
        Self::of(policy, subject).filter(|when| !matches!(when, Self::Unreadable(_)))
    }

    /// `None`: never. What can't be read denies always, until it can be read.
    pub(super) fn denies(policy: &Policy, subject: Subject) -> Option<Self> {
        Self::of(policy, subject)
    }

    fn of(policy: &Policy, subject: Subject) -> Option<Self> {
        match &policy.condition {
            StoredCondition::Always => Some(Self::Always),
            StoredCondition::When(condition) => subject.read(condition).when(),
            StoredCondition::Unreadable(_) => Some(Self::Unreadable(policy.id)),
        }
    }
}

/// A condition, read for a subject.
enum Reading {
    Known(bool),
    Open(Condition),
}

impl Reading {
    fn when(self) -> Option<When> {
        match self {
            Self::Known(holds) => holds.then_some(When::Always),
            Self::Open(condition) => Some(When::If(condition)),
        }
    }
}

impl Subject {
    fn read(self, condition: &Condition) -> Reading {
        match condition {
            Condition::All(parts) => self.read_parts(parts, true, Condition::All),
            Condition::Any(parts) => self.read_parts(parts, false, Condition::Any),
            Condition::Not(part) => match self.read(part) {
                Reading::Known(holds) => Reading::Known(!holds),
                Reading::Open(part) => Reading::Open(Condition::Not(Box::new(part))),
            },
            Condition::Attribute(comparison) => match self.compare(comparison) {
                Some(holds) => Reading::Known(holds),
                None => Reading::Open(condition.clone()),
            },
            Condition::Owner {}
            | Condition::Feature(_)
            | Condition::Plan(_)
            | Condition::ClientAddr(_)
            | Condition::Time(_) => Reading::Open(condition.clone()),
        }
    }

    /// Of "and", parts that hold change nothing, and one that doesn't settles it; of "or", the other way round.
    fn read_parts(self, parts: &[Condition], neutral: bool, whole: fn(Vec<Condition>) -> Condition) -> Reading {
        let mut open = Vec::new();
        for part in parts {
            match self.read(part) {
                Reading::Known(holds) if holds == neutral => {}
                Reading::Known(holds) => return Reading::Known(holds),
                Reading::Open(part) => open.push(part),
            }
        }
        match <[Condition; 1]>::try_from(open) {
            Ok([part]) => Reading::Open(part),
            Err(open) if open.is_empty() => Reading::Known(neutral),
            Err(open) => Reading::Open(whole(open)),
        }
    }

    /// `None`: only a request can tell.
    fn compare(self, Comparison { name, test }: &Comparison) -> Option<bool> {
        let known = match name {
            Attribute::SubjectRole => self.role.as_uuid(),
            Attribute::SubjectId => self.person?.as_uuid(),
            _ => return None,
        };
        let is = |literal: &Literal, id: Uuid| *literal == Literal::Id(id);
        match test {
            Test::Is(literal) => Some(is(literal, known)),
            Test::OneOf(literals) => Some(literals.iter().any(|literal| is(literal, known))),
            Test::AtLeast(_) | Test::AtMost(_) | Test::IsSameAs(_) => None,
        }
    }
}
