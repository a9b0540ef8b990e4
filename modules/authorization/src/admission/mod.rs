//! Admission of users to tenants.

mod admission_cache;
#[cfg(test)]
mod model;
mod policy_cache;

use std::sync::Arc;

use async_trait::async_trait;
use authorization_api::TenantStatus;
use db::{Database, Reader};
use kernel::{
    Admission, AdmissionError, AdmissionFacts, PortError, RestoreAdmission, TenantAdmission, TenantTarget,
    VerifiedClaims,
};
use shaku::Component;

use crate::{
    admission::{admission_cache::AdmissionCache, policy_cache::PolicyCache},
    engine::CompiledPolicies,
    members::store::{MembershipRepository, MembershipSummary},
    policies::store::PolicyRepository,
};

/// Admits members to their tenants, and caches the admissions and the tenants' compiled policies.
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
    admission_cache: AdmissionCache,
    #[shaku(default)]
    policy_cache: PolicyCache,
}

#[async_trait]
impl TenantAdmission for AdmissionService {
    async fn admit(&self, claims: &VerifiedClaims, tenant: TenantTarget<'_>) -> Result<Admission, AdmissionError> {
        let admission = self.read_admission(claims, tenant).await;
        match &admission {
            Ok(Admission { facts, .. }) => self.admission_cache.insert(tenant, *facts),
            Err(AdmissionError::UserNotFound | AdmissionError::TenantNotFound) => {
                self.admission_cache.remove(claims.user(), tenant);
            }
            Err(AdmissionError::Port(_)) => {}
        }
        admission
    }

    fn cached(&self, claims: &VerifiedClaims, tenant: TenantTarget<'_>) -> Option<Admission> {
        let facts = self.admission_cache.get(claims.user(), tenant)?;
        let policies = self.policy_cache.get(facts.tenant, facts.policy_version.into())?;
        Some(Admission { facts, policies })
    }

    async fn admit_to_restore(
        &self,
        claims: &VerifiedClaims,
        tenant: TenantTarget<'_>,
    ) -> Result<RestoreAdmission, AdmissionError> {
        let reader = self.database.reader();
        let membership = self.find_membership(&reader, claims, tenant).await?;
        let archived = membership.status == TenantStatus::Archived;
        Ok(RestoreAdmission { admission: self.build_admission(&reader, claims, membership).await?, archived })
    }
}

impl AdmissionService {
    async fn read_admission(
        &self,
        claims: &VerifiedClaims,
        tenant: TenantTarget<'_>,
    ) -> Result<Admission, AdmissionError> {
        let reader = self.database.reader();
        let membership = self.find_membership(&reader, claims, tenant).await?;
        match membership.status {
            TenantStatus::Active => self.build_admission(&reader, claims, membership).await,
            TenantStatus::Archived => Err(AdmissionError::TenantNotFound),
        }
    }

    async fn find_membership(
        &self,
        reader: &Reader,
        claims: &VerifiedClaims,
        tenant: TenantTarget<'_>,
    ) -> Result<MembershipSummary, AdmissionError> {
        let row = self.memberships.find_for_admission(reader, claims.user(), tenant).await.map_err(PortError::from)?;
        row.ok_or(AdmissionError::UserNotFound)?.membership.ok_or(AdmissionError::TenantNotFound)
    }

    async fn build_admission(
        &self,
        reader: &Reader,
        claims: &VerifiedClaims,
        membership: MembershipSummary,
    ) -> Result<Admission, AdmissionError> {
        let MembershipSummary { tenant, role, policy_version, .. } = membership;
        let policies = if let Some(cached) = self.policy_cache.get(tenant, policy_version) {
            cached
        } else {
            // If the policies have changed since the membership was read, these are the newer ones.
            let read = self.policies.find_for_tenant(reader, tenant).await.map_err(PortError::from)?;
            let read = read.ok_or(AdmissionError::TenantNotFound)?;
            let compiled = Arc::new(CompiledPolicies::new(read.version, &read.policies, &read.attributes));
            self.policy_cache.insert(tenant, &compiled);
            compiled
        };
        // The version that was read with the membership. If the tenant was renamed in between, the newer policies have the
        // version after that, and the database would confirm an admission under the former slug.
        let policy_version = policy_version.as_uuid();
        let facts = AdmissionFacts { tenant, user: claims.user(), role, policy_version };
        Ok(Admission { facts, policies })
    }
}
