//! The service with which the operator creates tenants.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{OperatorTenants, TenancyMode, Tenant, TenantName, TenantSlug, TenantsError, UserId},
    db::{DbError, SystemDatabase, SystemReason},
};
use shaku::Component;

use crate::{postgres::TenantRepository, tenant_creation::TenantCreator};

/// The use case behind `tenantry tenants create`.
#[derive(Component)]
#[shaku(interface = OperatorTenants)]
pub(crate) struct OperatorTenantService {
    #[shaku(inject)]
    system: Arc<dyn SystemDatabase>,
    #[shaku(inject)]
    creator: Arc<dyn TenantCreator>,
    #[shaku(inject)]
    tenants: Arc<dyn TenantRepository>,
    #[shaku(inject)]
    tenancy: Arc<TenancyMode>,
}

#[async_trait]
impl OperatorTenants for OperatorTenantService {
    async fn create_for(&self, admin: UserId, name: &TenantName, slug: &TenantSlug) -> Result<Tenant, TenantsError> {
        match &*self.tenancy {
            TenancyMode::Single(only) if only != slug => Err(TenantsError::SingleTenantMode),
            _ => self.creator.create(admin, name, slug).await,
        }
    }

    async fn exists(&self, slug: &TenantSlug) -> Result<bool, DbError> {
        let mut tx = self.system.begin(SystemReason::CreateTenant).await?;
        self.tenants.has_slug(&mut tx, slug).await
    }
}
