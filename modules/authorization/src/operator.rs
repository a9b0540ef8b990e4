//! What whoever operates the program does with tenants.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{Tenancy, Tenant, TenantFounding, TenantName, TenantSlug, TenantsError, UserId},
    db::{DbError, SystemDatabase, SystemWork},
};
use shaku::Component;

use crate::{founder::Founder, postgres::TenantRepository};

/// The use case behind `tenantry tenants found`.
#[derive(Component)]
#[shaku(interface = TenantFounding)]
pub(crate) struct FoundingByOperator {
    #[shaku(inject)]
    system: Arc<dyn SystemDatabase>,
    #[shaku(inject)]
    founder: Arc<dyn Founder>,
    #[shaku(inject)]
    tenants: Arc<dyn TenantRepository>,
    #[shaku(inject)]
    tenancy: Arc<Tenancy>,
}

#[async_trait]
impl TenantFounding for FoundingByOperator {
    async fn found_for(&self, admin: UserId, name: &TenantName, slug: &TenantSlug) -> Result<Tenant, TenantsError> {
        match &*self.tenancy {
            Tenancy::Single(only) if only != slug => Err(TenantsError::OnlyOne),
            _ => self.founder.found(admin, name, slug).await,
        }
    }

    async fn exists(&self, slug: &TenantSlug) -> Result<bool, DbError> {
        let mut tx = self.system.begin(SystemWork::FoundTenant).await?;
        self.tenants.has_slug(&mut tx, slug).await
    }
}
