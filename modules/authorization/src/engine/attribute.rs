//! Attributes that conditions can compare: a closed list, each with a type.

use serde::{Serialize, Serializer};
use uuid::Uuid;

/// An attribute that a condition can compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attribute {
    SubjectId,
    SubjectRole,
    ResourceOwner,
    TenantId,
    TenantPlan,
    TenantContractType,
    TenantSeatLimit,
}

/// The type of an attribute. Only values of the same type are comparable: a user id never equals a tenant id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttributeType {
    UserId,
    RoleId,
    TenantId,
    Text,
    Number,
}

impl Attribute {
    const ALL: [Self; 7] = [
        Self::SubjectId,
        Self::SubjectRole,
        Self::ResourceOwner,
        Self::TenantId,
        Self::TenantPlan,
        Self::TenantContractType,
        Self::TenantSeatLimit,
    ];

    /// Returns the name used in conditions.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SubjectId => "subject.id",
            Self::SubjectRole => "subject.role",
            Self::ResourceOwner => "resource.owner",
            Self::TenantId => "tenant.id",
            Self::TenantPlan => "tenant.plan",
            Self::TenantContractType => "tenant.contract_type",
            Self::TenantSeatLimit => "tenant.seat_limit",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attribute| attribute.name() == name)
    }

    pub(crate) fn attribute_type(self) -> AttributeType {
        match self {
            Self::SubjectId | Self::ResourceOwner => AttributeType::UserId,
            Self::SubjectRole => AttributeType::RoleId,
            Self::TenantId => AttributeType::TenantId,
            Self::TenantPlan | Self::TenantContractType => AttributeType::Text,
            Self::TenantSeatLimit => AttributeType::Number,
        }
    }
}

impl Serialize for Attribute {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A comparison of an attribute with a value or an attribute of the same type: `{"name": "tenant.plan", "is": "pro"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Comparison {
    pub(crate) name: Attribute,
    #[serde(flatten)]
    pub(crate) predicate: Predicate,
}

/// The operator and right-hand side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Predicate {
    Is(Literal),
    /// Sorted, without duplicates, never empty.
    OneOf(Vec<Literal>),
    /// Numbers only.
    AtLeast(i64),
    /// Numbers only.
    AtMost(i64),
    /// The right-hand side is another attribute.
    IsSameAs(Attribute),
}

/// A value in a condition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub(crate) enum Literal {
    Id(Uuid),
    Text(String),
    Number(i64),
}
