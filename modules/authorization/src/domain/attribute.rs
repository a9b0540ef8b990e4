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
    TenantMaxUsers,
}

/// What an attribute is. Only the like can be compared: a person's id with a tenant's would never be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    PersonId,
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
        Self::TenantMaxUsers,
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
            Self::TenantMaxUsers => "tenant.max_users",
        }
    }

    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attribute| attribute.name() == name)
    }

    pub(crate) fn is_a(self) -> Type {
        match self {
            Self::SubjectId | Self::ResourceOwner => Type::PersonId,
            Self::SubjectRole => Type::RoleId,
            Self::TenantId => Type::TenantId,
            Self::TenantPlan | Self::TenantContractType => Type::Text,
            Self::TenantMaxUsers => Type::Number,
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
    pub(crate) test: Test,
}

/// What an attribute is compared with, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Test {
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
