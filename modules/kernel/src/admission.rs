//! The port through which the kernel learns who is a member of which tenant.

use std::sync::Arc;

use async_trait::async_trait;
use shaku::Interface;

use crate::{AdmissionFacts, PolicySet, PortError, TenantTarget, VerifiedClaims};

/// Input for a [`crate::TenantScope`]: the user is an active member of this active tenant.
#[derive(Debug)]
pub struct Admission {
    /// What the admission depends on.
    pub facts: AdmissionFacts,
    /// The tenant's compiled policies.
    pub policies: Arc<dyn PolicySet>,
}

/// Input for a [`crate::RestoreScope`]: the user is an active member of this tenant, archived or not.
#[derive(Debug)]
pub struct RestoreAdmission {
    /// The member and the tenant's policies.
    pub admission: Admission,
    /// Whether the tenant is archived.
    pub archived: bool,
}

/// Reasons why a user isn't admitted to a tenant.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// The user doesn't exist or is deactivated.
    #[error("no such user")]
    UserNotFound,
    /// The tenant doesn't exist, is archived, or the user isn't a member.
    #[error("no such tenant")]
    TenantNotFound,
    /// The check failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Admits users to tenants.
#[async_trait]
pub trait TenantAdmission: Interface {
    /// Loads user, membership and role in one statement. The policies are current; they come from the cache if it has
    /// the tenant's current version.
    async fn admit(&self, claims: &VerifiedClaims, tenant: TenantTarget<'_>) -> Result<Admission, AdmissionError>;

    /// Returns the last admission of this user to this tenant, if it is cached. It may be outdated: the database confirms
    /// it later, in the statement that reads.
    fn cached(&self, claims: &VerifiedClaims, tenant: TenantTarget<'_>) -> Option<Admission>;

    /// Like [`Self::admit`], but also admits to an archived tenant.
    async fn admit_to_restore(
        &self,
        claims: &VerifiedClaims,
        tenant: TenantTarget<'_>,
    ) -> Result<RestoreAdmission, AdmissionError>;
}
