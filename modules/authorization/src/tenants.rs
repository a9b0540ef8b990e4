//! A tenant itself.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{
        Identity, Permit, RestorePermit, Tenancy, Tenant, TenantArchive, TenantChange, TenantName, TenantRead,
        TenantSlug, TenantUpdate, Tenants, TenantsError,
    },
    db::{Database, SystemDatabase, SystemWork},
};
use shaku::Component;

use crate::{
    domain::slugs_for,
    founder::{Founder, taken},
    postgres::TenantRepository,
};

/// The use cases behind `POST /v1/tenants` and `/v1/tenant`.
#[derive(Component)]
#[shaku(interface = Tenants)]
pub(crate) struct TenantLife {
    #[shaku(inject)]
    database: Arc<dyn Database>,
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
impl Tenants for TenantLife {
    async fn found(
        &self,
        identity: &Identity,
        name: &TenantName,
        slug: Option<&TenantSlug>,
    ) -> Result<Tenant, TenantsError> {
        if let Tenancy::Single(_) = *self.tenancy {
            return Err(TenantsError::OnlyOne);
        }
        if let Some(slug) = slug {
            return self.founder.found(identity.user(), name, slug).await;
        }
        for slug in slugs_for(name) {
            match self.founder.found(identity.user(), name, &slug).await {
                Err(TenantsError::SlugTaken) => {}
                outcome => return outcome,
            }
        }
        Err(TenantsError::SlugTaken)
    }

    async fn get(&self, permit: &Permit<TenantRead>) -> Result<Tenant, TenantsError> {
        let found = self.tenants.find(&self.database.tenant_reader(permit.scope())).await?;
        found.ok_or(TenantsError::NotFound)
    }

    async fn update(&self, permit: &Permit<TenantUpdate>, change: &TenantChange) -> Result<Tenant, TenantsError> {
        // Under another slug nobody would find it, not even to take that back.
        if let (Tenancy::Single(slug), Some(wanted)) = (&*self.tenancy, &change.slug)
            && slug != wanted
        {
            return Err(TenantsError::SlugStays);
        }
        let mut tx = self.database.begin(permit.scope()).await?;
        let changed = self.tenants.update(&mut tx, change).await.map_err(taken)?;
        tx.commit().await?;
        changed.ok_or(TenantsError::NotFound)
    }

    async fn archive(&self, permit: &Permit<TenantArchive>) -> Result<(), TenantsError> {
        let mut tx = self.database.begin(permit.scope()).await?;
        self.tenants.archive(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    async fn restore(&self, permit: &RestorePermit) -> Result<(), TenantsError> {
        let mut tx = self.system.begin(SystemWork::RestoreTenant).await?;
        self.tenants.restore(&mut tx, permit.tenant()).await?;
        Ok(tx.commit().await?)
    }
}
