//! The attributes that a condition may compare: a closed list, each of a type.

use serde::{Serialize, Serializer};
use uuid::Uuid;

/// What can be compared.
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

/// What an attribute is. Only the like can be compared: a person's id with a tenant's would never be the same.
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

    /// As conditions name it.
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

/// An attribute and what it is compared with, of the same type: `{"name": "tenant.plan", "is": "pro"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Comparison {
    pub(crate) name: Attribute,
    #[serde(flatten)]
    pub(crate) predicate: Predicate,
}

/// What an attribute is compared with, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Predicate {
    Is(Literal),
    /// Sorted and without repeats; never empty.
    OneOf(Vec<Literal>),
    /// Of numbers.
    AtLeast(i64),
    /// Of numbers.
    AtMost(i64),
    /// Another attribute.
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
