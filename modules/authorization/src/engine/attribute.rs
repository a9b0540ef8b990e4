//! Attributes that conditions can compare: a closed list, each with a type.

use kernel::TenantId;
use serde::{
    Deserialize, Serialize,
    de::value::{Error, StrDeserializer},
};
use uuid::Uuid;

/// An attribute that a condition can compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Attribute {
    #[serde(rename = "subject.id")]
    SubjectId,
    #[serde(rename = "subject.role")]
    SubjectRole,
    #[serde(rename = "resource.owner")]
    ResourceOwner,
    #[serde(rename = "tenant.id")]
    TenantId,
    #[serde(rename = "tenant.plan")]
    TenantPlan,
    #[serde(rename = "tenant.contract_type")]
    TenantContractType,
    #[serde(rename = "tenant.seat_limit")]
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
    /// Returns the attribute with this name in conditions.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::deserialize(StrDeserializer::<Error>::new(name)).ok()
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

/// A comparison of an attribute with a value or an attribute of the same type: `{"name": "tenant.plan", "is": "pro"}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct Comparison {
    pub(crate) name: Attribute,
    #[serde(flatten)]
    pub(crate) predicate: Predicate,
}

/// The operator and right-hand side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(untagged)]
pub(crate) enum Literal {
    Id(Uuid),
    Text(String),
    Number(i64),
}

/// A tenant's attributes. Every change of them renews the tenant's `policy_version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TenantAttributes {
    pub(crate) id: TenantId,
    pub(crate) plan: String,
    pub(crate) contract_type: String,
    /// Features that the tenant may use.
    pub(crate) features: Vec<String>,
    /// Maximum number of members.
    pub(crate) seat_limit: i32,
}

impl TenantAttributes {
    pub(crate) fn value(&self, attribute: Attribute) -> Option<Literal> {
        match attribute {
            Attribute::TenantId => Some(Literal::Id(self.id.as_uuid())),
            Attribute::TenantPlan => Some(Literal::Text(self.plan.clone())),
            Attribute::TenantContractType => Some(Literal::Text(self.contract_type.clone())),
            Attribute::TenantSeatLimit => Some(Literal::Number(self.seat_limit.into())),
            Attribute::SubjectId | Attribute::SubjectRole | Attribute::ResourceOwner => None,
        }
    }

    #[cfg(test)]
    pub(crate) fn for_test() -> Self {
        Self {
            id: TenantId::new(),
            plan: "pro".into(),
            contract_type: "standard".into(),
            features: vec![],
            seat_limit: 10,
        }
    }
}
