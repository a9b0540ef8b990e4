//! Partial evaluation of conditions: known attributes of the subject are substituted. What remains is represented by a
//! digest, because the escalation check only compares conditions for equality.

use std::hash::{Hash, Hasher};

use kernel::{PolicyId, RoleId, UserId};
use ring::digest::{Context, SHA256};
use uuid::Uuid;

use crate::engine::{
    Attribute, Comparison, Condition, Literal, Policy, Predicate, StoredCondition, kleene_and, kleene_or,
};

/// The subject for which conditions are evaluated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject {
    pub(crate) role: RoleId,
    /// `None` for every user with the role.
    pub(crate) user: Option<UserId>,
}

/// The condition of an allow or deny for a specific subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum EffectiveCondition {
    Always,
    If(ConditionDigest),
    /// The condition of this policy can't be parsed, so it is equal only to itself.
    Invalid(PolicyId),
}

/// SHA-256 of a condition. Equal conditions have equal digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ConditionDigest([u8; 32]);

/// The condition of a policy, prepared for the evaluation for many subjects.
#[derive(Debug)]
pub(super) enum PreparedCondition<'a> {
    Always,
    If(PreparedNode<'a>),
    Invalid(PolicyId),
}

/// A node of a condition. Parts that don't depend on the subject are evaluated already.
#[derive(Debug)]
pub(super) enum PreparedNode<'a> {
    Evaluated(Partial),
    /// A comparison with an attribute of the subject.
    Comparison(&'a Comparison, ConditionDigest),
    All(Vec<PreparedNode<'a>>),
    Any(Vec<PreparedNode<'a>>),
    Not(Box<PreparedNode<'a>>),
}

/// The result of partial evaluation: a value, or the part of the condition that depends on the request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Partial {
    Known(bool),
    Residual(ConditionDigest),
}

impl<'a> PreparedCondition<'a> {
    pub(super) fn new(policy: &'a Policy) -> Self {
        match &policy.condition {
            StoredCondition::Always => Self::Always,
            StoredCondition::If(condition) => Self::If(PreparedNode::new(condition)),
            StoredCondition::Invalid(_) => Self::Invalid(policy.id),
        }
    }

    /// Returns `None` if the policy never applies to the subject.
    pub(super) fn evaluate(&self, subject: Subject) -> Option<EffectiveCondition> {
        match self {
            Self::Always => Some(EffectiveCondition::Always),
            Self::If(node) => match node.evaluate(subject) {
                Partial::Known(value) => value.then_some(EffectiveCondition::Always),
                Partial::Residual(digest) => Some(EffectiveCondition::If(digest)),
            },
            Self::Invalid(policy) => Some(EffectiveCondition::Invalid(*policy)),
        }
    }

    /// Returns the value of the condition, or `None` if it depends on the request. Computes no digests.
    pub(super) fn known(&self, subject: Subject) -> Option<bool> {
        match self {
            Self::Always => Some(true),
            Self::If(node) => node.known(subject),
            Self::Invalid(_) => None,
        }
    }
}

impl<'a> PreparedNode<'a> {
    fn new(condition: &'a Condition) -> Self {
        match condition {
            Condition::All(parts) => Self::of_parts(parts, Self::All, all),
            Condition::Any(parts) => Self::of_parts(parts, Self::Any, any),
            Condition::Not(part) => match Self::new(part) {
                Self::Evaluated(part) => Self::Evaluated(not(part)),
                part => Self::Not(Box::new(part)),
            },
            Condition::Attribute(comparison) if compares_subject(comparison) => {
                Self::Comparison(comparison, ConditionDigest::of_leaf(condition))
            }
            Condition::Attribute(_)
            | Condition::Owner {}
            | Condition::Feature(_)
            | Condition::Plan(_)
            | Condition::ClientAddr(_)
            | Condition::Time(_) => Self::Evaluated(Partial::Residual(ConditionDigest::of_leaf(condition))),
        }
    }

    fn of_parts(parts: &'a [Condition], whole: fn(Vec<Self>) -> Self, evaluate: fn(&[Partial]) -> Partial) -> Self {
        let parts: Vec<_> = parts.iter().map(Self::new).collect();
        let evaluated = |part: &Self| if let Self::Evaluated(partial) = part { Some(*partial) } else { None };
        match parts.iter().map(evaluated).collect::<Option<Vec<_>>>() {
            Some(evaluated) => Self::Evaluated(evaluate(&evaluated)),
            None => whole(parts),
        }
    }

    fn evaluate(&self, subject: Subject) -> Partial {
        let evaluate_each = |parts: &[Self]| parts.iter().map(|part| part.evaluate(subject)).collect::<Vec<_>>();
        match self {
            Self::Evaluated(partial) => *partial,
            Self::Comparison(comparison, digest) => {
                subject.compare(comparison).map_or(Partial::Residual(*digest), Partial::Known)
            }
            Self::All(parts) => all(&evaluate_each(parts)),
            Self::Any(parts) => any(&evaluate_each(parts)),
            Self::Not(part) => not(part.evaluate(subject)),
        }
    }

    fn known(&self, subject: Subject) -> Option<bool> {
        match self {
            Self::Evaluated(Partial::Known(value)) => Some(*value),
            Self::Evaluated(Partial::Residual(_)) => None,
            Self::Comparison(comparison, _) => subject.compare(comparison),
            Self::All(parts) => kleene_and(parts.iter().map(|part| part.known(subject))),
            Self::Any(parts) => kleene_or(parts.iter().map(|part| part.known(subject))),
            Self::Not(part) => part.known(subject).map(|value| !value),
        }
    }
}

fn all(parts: &[Partial]) -> Partial {
    combine(parts, true, b"all")
}

fn any(parts: &[Partial]) -> Partial {
    combine(parts, false, b"any")
}

/// Evaluates a conjunction (`neutral` is true) or a disjunction (`neutral` is false). Parts with the neutral value are
/// dropped; a part with the other value is the result.
fn combine(parts: &[Partial], neutral: bool, kind: &[u8]) -> Partial {
    let mut residual = Vec::new();
    for part in parts {
        match part {
            Partial::Known(value) if *value == neutral => {}
            Partial::Known(value) => return Partial::Known(*value),
            Partial::Residual(digest) => residual.push(*digest),
        }
    }
    match residual.as_slice() {
        [] => Partial::Known(neutral),
        [part] => Partial::Residual(*part),
        parts => Partial::Residual(ConditionDigest::of_parts(kind, parts)),
    }
}

fn not(part: Partial) -> Partial {
    match part {
        Partial::Known(value) => Partial::Known(!value),
        Partial::Residual(digest) => Partial::Residual(ConditionDigest::of_parts(b"not", &[digest])),
    }
}

/// Returns true if the comparison is with an attribute of the subject that may be known.
fn compares_subject(Comparison { name, predicate }: &Comparison) -> bool {
    matches!(name, Attribute::SubjectRole | Attribute::SubjectId)
        && matches!(predicate, Predicate::Is(_) | Predicate::OneOf(_))
}

impl Subject {
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

impl ConditionDigest {
    fn of_leaf(condition: &Condition) -> Self {
        let mut hasher = Sha256Hasher(Context::new(&SHA256));
        hasher.write(b"leaf");
        condition.hash(&mut hasher);
        hasher.into_digest()
    }

    fn of_parts(kind: &[u8], parts: &[Self]) -> Self {
        let mut hasher = Sha256Hasher(Context::new(&SHA256));
        hasher.write(kind);
        parts.iter().for_each(|part| hasher.write(&part.0));
        hasher.into_digest()
    }
}

/// Feeds a value to SHA-256 through its [`Hash`] implementation, which can't fail and allocates nothing.
struct Sha256Hasher(Context);

impl Sha256Hasher {
    fn into_digest(self) -> ConditionDigest {
        let mut digest = [0; 32];
        digest.copy_from_slice(self.0.finish().as_ref());
        ConditionDigest(digest)
    }
}

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Unused: the digest has more than 64 bits.
    fn finish(&self) -> u64 {
        0
    }
}
