//! Making a tenant, whoever asks for it.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{Tenancy, Tenant, TenantId, TenantName, TenantSlug, TenantsError, UserId},
    db::{DbError, SystemDatabase, SystemTx, SystemWork},
};
use shaku::{Component, Interface};

use crate::{
    founding::{FREE, FounderIds, MOST_TENANTS, found},
    postgres::{HAS_OWN, MembershipRepository, SLUG_TAKEN, TenantRepository, create_membership},
};

/// Makes tenants.
#[async_trait]
pub(crate) trait Founder: Interface {
    /// The tenant with all that belongs to it, and the person as its admin: all of it or nothing.
    async fn found(&self, person: UserId, name: &TenantName, slug: &TenantSlug) -> Result<Tenant, TenantsError>;
}

/// [`Founder`] in one transaction. Where the slug is taken that is lost, so another try is another one.
#[derive(Component)]
#[shaku(interface = Founder)]
pub(crate) struct TenantFounder {
    #[shaku(inject)]
    system: Arc<dyn SystemDatabase>,
    #[shaku(inject)]
    memberships: Arc<dyn MembershipRepository>,
    #[shaku(inject)]
    tenants: Arc<dyn TenantRepository>,
    #[shaku(inject)]
    tenancy: Arc<Tenancy>,
}

#[async_trait]
impl Founder for TenantFounder {
    async fn found(&self, person: UserId, name: &TenantName, slug: &TenantSlug) -> Result<Tenant, TenantsError> {
        let (id, mut ids) = (TenantId::new(), FounderIds::new());
        let mut tx = self.system.begin(SystemWork::FoundTenant).await?;
        self.may_found(&mut tx, person).await?;
        found(&mut tx, &FREE.tenant(id, slug, name), &mut ids).await.map_err(taken)?;
        if let Tenancy::Personal = *self.tenancy {
            self.tenants.make_own(&mut tx, id, person).await.map_err(taken)?;
        }
        create_membership(&mut tx, id, person, ids.admin).await?;
        let founded = self.tenants.find_founded(&mut tx, id).await?;
        tx.commit().await?;
        founded.ok_or(TenantsError::NotFound)
    }
}

impl TenantFounder {
    /// Whether the person may have one more tenant. Whoever asks the same of the same person waits until this
    /// transaction ends, and then counts what it has added.
    async fn may_found(&self, tx: &mut SystemTx, person: UserId) -> Result<(), TenantsError> {
        let admin_of = self.memberships.lock_and_count_admin(tx, person).await?;
        match *self.tenancy {
            Tenancy::Personal if self.tenants.has_own(tx, person).await? => Err(TenantsError::HasOwn),
            Tenancy::Organization(_) if admin_of >= i64::from(MOST_TENANTS) => {
                Err(TenantsError::TooMany { most: MOST_TENANTS })
            }
            Tenancy::Organization(_) | Tenancy::Personal | Tenancy::Single(_) => Ok(()),
        }
    }
}

/// What a broken constraint says of a tenant.
pub(crate) fn taken(error: DbError) -> TenantsError {
    if error.breaks(SLUG_TAKEN) {
        TenantsError::SlugTaken
    } else if error.breaks(HAS_OWN) {
        TenantsError::HasOwn
    } else {
        error.into()
    }
}
