//! The tenant attributes that conditions can read.

use kernel::TenantId;

/// A tenant's attributes. Every change of them increments the tenant's `policy_version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TenantAttributes {
    pub(crate) id: TenantId,
    pub(crate) plan: String,
    pub(crate) contract_type: String,
    /// Enabled features.
    pub(crate) features: Vec<String>,
    /// Maximum number of members.
    pub(crate) seat_limit: i32,
}

#[cfg(test)]
impl TenantAttributes {
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
