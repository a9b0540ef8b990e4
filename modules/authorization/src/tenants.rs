//! A tenant itself.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{
        Identity, Permit, RestorePermit, Tenant, TenantArchive, TenantChange, TenantId, TenantName, TenantRead,
        TenantSlug, TenantUpdate, Tenants, TenantsError,
    },
    db::{Database, DbError, SystemDatabase, SystemWork},
};
use shaku::Component;

use crate::{
    domain::slugs_for,
    founding::{FREE, FounderIds, MOST_TENANTS, found},
    postgres::{MembershipRepository, SLUG_TAKEN, TenantRepository, create_membership},
};

/// How often a slug is made for who gave none. With 24 bits of chance in each but the first, the last is never needed.
const TRIES: usize = 5;

/// The use cases behind `POST /v1/tenants` and `/v1/tenant`.
#[derive(Component)]
#[shaku(interface = Tenants)]
pub(crate) struct TenantLife {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    system: Arc<dyn SystemDatabase>,
    #[shaku(inject)]
    memberships: Arc<dyn MembershipRepository>,
    #[shaku(inject)]
    tenants: Arc<dyn TenantRepository>,
}

#[async_trait]
impl Tenants for TenantLife {
    async fn found(
        &self,
        identity: &Identity,
        name: &TenantName,
        slug: Option<&TenantSlug>,
    ) -> Result<Tenant, TenantsError> {
        if let Some(slug) = slug {
            return self.found_as(identity, name, slug).await;
        }
        for slug in slugs_for(name).take(TRIES) {
            match self.found_as(identity, name, &slug).await {
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

impl TenantLife {
    /// All of it in one transaction. Where the slug is taken that is lost, so another try is another one.
    async fn found_as(
        &self,
        identity: &Identity,
        name: &TenantName,
        slug: &TenantSlug,
    ) -> Result<Tenant, TenantsError> {
        let (id, mut ids) = (TenantId::new(), FounderIds::new());
        let mut tx = self.system.begin(SystemWork::FoundTenant).await?;
        if self.memberships.lock_and_count_admin(&mut tx, identity.user()).await? >= i64::from(MOST_TENANTS) {
            return Err(TenantsError::TooMany { most: MOST_TENANTS });
        }
        found(&mut tx, &FREE.tenant(id, slug, name), &mut ids).await.map_err(taken)?;
        create_membership(&mut tx, id, identity.user(), ids.admin).await?;
        let founded = self.tenants.find_founded(&mut tx, id).await?;
        tx.commit().await?;
        founded.ok_or(TenantsError::NotFound)
    }
}

fn taken(error: DbError) -> TenantsError {
    if error.breaks(SLUG_TAKEN) { TenantsError::SlugTaken } else { error.into() }
}
