//! Admission of users to tenants.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{
        Admission, AdmissionError, RestoreAdmission, TenantAdmission, TenantStatus, TenantTarget, VerifiedClaims,
    },
    db::{Database, DbError, Reader},
};
use shaku::Component;

use crate::{
    domain::CompiledPolicies,
    policy_cache::PolicyCache,
    postgres::{MembershipRepository, MembershipSummary, PolicyRepository},
};

/// Admits members to their tenants, and caches the tenants' compiled policies.
#[derive(Component)]
#[shaku(interface = TenantAdmission)]
pub(crate) struct AdmissionService {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    memberships: Arc<dyn MembershipRepository>,
    #[shaku(inject)]
    policies: Arc<dyn PolicyRepository>,
    #[shaku(default)]
    cache: PolicyCache,
}

#[async_trait]
impl TenantAdmission for AdmissionService {
    async fn admit(&self, claims: &VerifiedClaims, tenant: TenantTarget<'_>) -> Result<Admission, AdmissionError> {
        let reader = self.database.reader();
        let membership = self.find_membership(&reader, claims, tenant).await?;
        match membership.status {
            TenantStatus::Active => self.build_admission(&reader, claims, membership).await,
            TenantStatus::Archived => Err(AdmissionError::TenantNotFound),
        }
    }

    async fn admit_to_restore(
        &self,
        claims: &VerifiedClaims,
        tenant: TenantTarget<'_>,
    ) -> Result<RestoreAdmission, AdmissionError> {
        let reader = self.database.reader();
        let membership = self.find_membership(&reader, claims, tenant).await?;
        let status = membership.status;
        Ok(RestoreAdmission { admission: self.build_admission(&reader, claims, membership).await?, status })
    }
}

impl AdmissionService {
    async fn find_membership(
        &self,
        reader: &Reader,
        claims: &VerifiedClaims,
        tenant: TenantTarget<'_>,
    ) -> Result<MembershipSummary, AdmissionError> {
        let row = self.memberships.find_for_admission(reader, claims.user(), tenant).await?;
        row.ok_or(AdmissionError::UserNotFound)?.membership.ok_or(AdmissionError::TenantNotFound)
    }

    async fn build_admission(
        &self,
        reader: &Reader,
        claims: &VerifiedClaims,
        membership: MembershipSummary,
    ) -> Result<Admission, AdmissionError> {
        let policies = self.load_policies(reader, &membership).await?.ok_or(AdmissionError::TenantNotFound)?;
        let MembershipSummary { tenant, role, .. } = membership;
        Ok(Admission { tenant, user: claims.user(), role, policies })
    }

    /// Returns the tenant's policies at the version that was read with the membership, or newer.
    async fn load_policies(
        &self,
        reader: &Reader,
        membership: &MembershipSummary,
    ) -> Result<Option<Arc<CompiledPolicies>>, DbError> {
        if let Some(cached) = self.cache.get(membership.tenant, membership.policy_version) {
            return Ok(Some(cached));
        }
        // The policies may have changed between the two statements, in which case these are the newer ones.
        let Some(row) = self.policies.find_for_tenant(reader, membership.tenant).await? else { return Ok(None) };
        let compiled = Arc::new(CompiledPolicies::new(row.version, &row.policies, &row.attributes));
        self.cache.insert(membership.tenant, &compiled);
        Ok(Some(compiled))
    }
}
