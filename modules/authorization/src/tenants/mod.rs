//! The service for creating, reading, updating, archiving and restoring a tenant.

pub(crate) mod creation;
pub(crate) mod provisioning;
mod slug_candidates;
pub(crate) mod store;

use std::sync::Arc;

use async_trait::async_trait;
use authorization_api::{
    Tenant, TenantArchive, TenantArchived, TenantChange, TenantName, TenantRead, TenantRestored, TenantUpdate,
    TenantUpdated, Tenants, TenantsError,
};
use db::{Database, SystemAuditEvents, SystemDatabase, SystemReason};
use kernel::{Change, Identity, Permit, RestorePermit, TenancyMode, TenantSlug};
use shaku::Component;

use crate::{
    guarded_change::{GuardedChange, lock_to_restore},
    tenants::{
        creation::{Creator, create_tenant, tenants_error},
        slug_candidates::slug_candidates,
        store::TenantRepository,
    },
};

/// Implements `POST /v1/tenants` and `/v1/tenant`.
#[derive(Component)]
#[shaku(interface = Tenants)]
pub(crate) struct TenantService {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    system: Arc<dyn SystemDatabase>,
    #[shaku(inject)]
    tenants: Arc<dyn TenantRepository>,
    #[shaku(inject)]
    tenancy: Arc<TenancyMode>,
}

#[async_trait]
impl Tenants for TenantService {
    async fn create(
        &self,
        identity: &Identity,
        name: &TenantName,
        slug: Option<&TenantSlug>,
    ) -> Result<Tenant, TenantsError> {
        if let TenancyMode::Single(_) = *self.tenancy {
            return Err(TenantsError::SingleTenantMode);
        }
        if let Some(slug) = slug {
            return create_tenant(&*self.system, &self.tenancy, Creator::User(identity), name, slug).await;
        }
        for slug in slug_candidates(name) {
            match create_tenant(&*self.system, &self.tenancy, Creator::User(identity), name, &slug).await {
                Err(TenantsError::SlugTaken) => {}
                outcome => return outcome,
            }
        }
        Err(TenantsError::SlugTaken)
    }

    async fn get(&self, permit: &Permit<TenantRead>) -> Result<Tenant, TenantsError> {
        let tenant = self.tenants.find(&self.database.tenant_reader(permit.scope())).await?;
        tenant.ok_or(TenantsError::NotFound)
    }

    async fn update(&self, permit: &Permit<TenantUpdate>, change: &TenantChange) -> Result<Tenant, TenantsError> {
        // The configuration names the tenant by slug. Under another slug it would be unreachable, so the change
        // couldn't be undone either.
        if let (TenancyMode::Single(slug), Some(requested)) = (&*self.tenancy, &change.slug)
            && slug != requested
        {
            return Err(TenantsError::SlugImmutable);
        }
        let mut guarded = GuardedChange::begin(&*self.database, permit).await?;
        let (name, slug) = self.tenants.names(guarded.tx()).await?;
        let updated = self.tenants.update(guarded.tx(), change).await.map_err(tenants_error)?;
        let event = TenantUpdated {
            tenant: updated.id,
            name: Change { before: name, after: updated.name.clone() },
            slug: Change { before: slug, after: updated.slug.clone() },
        };
        guarded.commit(&[], event).await?;
        Ok(updated)
    }

    async fn archive(&self, permit: &Permit<TenantArchive>) -> Result<(), TenantsError> {
        let mut change = GuardedChange::begin(&*self.database, permit).await?;
        self.tenants.archive(change.tx()).await?;
        let tenant = change.tx().tenant();
        Ok(change.commit(&[], TenantArchived { tenant }).await?)
    }

    async fn restore(&self, permit: &RestorePermit<TenantArchive>) -> Result<(), TenantsError> {
        let mut tx = self.system.begin_for_tenant(SystemReason::RestoreTenant, permit.tenant()).await?;
        lock_to_restore(&mut tx, permit).await?;
        let tenant = permit.tenant();
        if self.tenants.restore(&mut tx, tenant).await? {
            tx.commit(permit.caller(), SystemAuditEvents::of_tenant(tenant, TenantRestored { tenant })).await?;
        }
        Ok(())
    }
}
