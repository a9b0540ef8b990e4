//! The gate to a tenant.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{
        Admission, AdmissionError, AuthorizationService, RestoreAdmission, TenantStatus, TenantTarget, VerifiedClaims,
    },
    db::{Database, DbError, Reader},
};
use shaku::Component;

use crate::{
    domain::CompiledPolicies,
    known_policies::KnownPolicies,
    postgres::{MembershipRepository, MembershipSummary, PolicyRepository},
};

/// Admits members, and keeps their tenants' policies compiled.
#[derive(Component)]
#[shaku(interface = AuthorizationService)]
pub(crate) struct PolicyAuthorization {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    memberships: Arc<dyn MembershipRepository>,
    #[shaku(inject)]
    policies: Arc<dyn PolicyRepository>,
    #[shaku(default)]
    known: KnownPolicies,
}

#[async_trait]
impl AuthorizationService for PolicyAuthorization {
    async fn admit(&self, claims: &VerifiedClaims, tenant: TenantTarget<'_>) -> Result<Admission, AdmissionError> {
        let reader = self.database.reader();
        let membership = self.membership(&reader, claims, tenant).await?;
        match membership.status {
            TenantStatus::Active => self.admission(&reader, claims, membership).await,
            TenantStatus::Archived => Err(AdmissionError::NoTenant),
        }
    }

    async fn admit_to_restore(
        &self,
        claims: &VerifiedClaims,
        tenant: TenantTarget<'_>,
    ) -> Result<RestoreAdmission, AdmissionError> {
        let reader = self.database.reader();
        let membership = self.membership(&reader, claims, tenant).await?;
        let status = membership.status;
        Ok(RestoreAdmission { admission: self.admission(&reader, claims, membership).await?, status })
    }
}

impl PolicyAuthorization {
    async fn membership(
        &self,
        reader: &Reader,
        claims: &VerifiedClaims,
        tenant: TenantTarget<'_>,
    ) -> Result<MembershipSummary, AdmissionError> {
        let person = self.memberships.admission(reader, claims.user(), tenant).await?;
        person.ok_or(AdmissionError::NoPerson)?.membership.ok_or(AdmissionError::NoTenant)
    }

    async fn admission(
        &self,
        reader: &Reader,
        claims: &VerifiedClaims,
        membership: MembershipSummary,
    ) -> Result<Admission, AdmissionError> {
        let policies = self.policies_of(reader, &membership).await?.ok_or(AdmissionError::NoTenant)?;
        let MembershipSummary { tenant, role, .. } = membership;
        Ok(Admission { tenant, user: claims.user(), role, policies })
    }

    /// The tenant's policies, at least as new as the membership was when it was read.
    async fn policies_of(
        &self,
        reader: &Reader,
        membership: &MembershipSummary,
    ) -> Result<Option<Arc<CompiledPolicies>>, DbError> {
        if let Some(known) = self.known.get(membership.tenant, membership.policy_version) {
            return Ok(Some(known));
        }
        // Between the two statements they may have changed once more: then these are the newer ones.
        let Some(row) = self.policies.of_tenant(reader, membership.tenant).await? else { return Ok(None) };
        let compiled = Arc::new(CompiledPolicies::new(row.version, &row.policies, &row.facts));
        self.known.put(membership.tenant, &compiled);
        Ok(Some(compiled))
    }
}
