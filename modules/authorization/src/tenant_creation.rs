//! Creates tenants, for users and for the operator.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{TenancyMode, Tenant, TenantId, TenantName, TenantSlug, TenantsError, UserId},
    db::{DbError, SystemDatabase, SystemReason, SystemTx},
};
use shaku::{Component, Interface};

use crate::{
    postgres::{MembershipRepository, TenantRepository, UNIQUE_PERSONAL_TENANT, UNIQUE_SLUG, create_membership},
    provisioning::{AdminRoleIds, FREE_PLAN, MAX_TENANTS_PER_USER, provision},
};

/// Creates tenants.
#[async_trait]
pub(crate) trait TenantCreator: Interface {
    /// Creates the tenant with its attributes, system roles and policies, and with `user` as its admin, atomically.
    async fn create(&self, user: UserId, name: &TenantName, slug: &TenantSlug) -> Result<Tenant, TenantsError>;
}

/// Implements [`TenantCreator`] with one transaction per call. A taken slug aborts the transaction, so each retry starts
/// a new one.
#[derive(Component)]
#[shaku(interface = TenantCreator)]
pub(crate) struct TenantCreationService {
    #[shaku(inject)]
    system: Arc<dyn SystemDatabase>,
    #[shaku(inject)]
    memberships: Arc<dyn MembershipRepository>,
    #[shaku(inject)]
    tenants: Arc<dyn TenantRepository>,
    #[shaku(inject)]
    tenancy: Arc<TenancyMode>,
}

#[async_trait]
impl TenantCreator for TenantCreationService {
    async fn create(&self, user: UserId, name: &TenantName, slug: &TenantSlug) -> Result<Tenant, TenantsError> {
        let (id, mut ids) = (TenantId::new(), AdminRoleIds::new());
        let mut tx = self.system.begin(SystemReason::CreateTenant).await?;
        self.ensure_can_create(&mut tx, user).await?;
        provision(&mut tx, &FREE_PLAN.new_tenant(id, slug, name), &mut ids).await.map_err(tenants_error)?;
        if let TenancyMode::Personal = *self.tenancy {
            self.tenants.set_personal_owner(&mut tx, id, user).await.map_err(tenants_error)?;
        }
        create_membership(&mut tx, id, user, ids.admin).await?;
        let created = self.tenants.find_created(&mut tx, id).await?;
        tx.commit().await?;
        created.ok_or(TenantsError::NotFound)
    }
}

impl TenantCreationService {
    /// Rejects the user if they can't have another tenant. Holds a lock on the user until the transaction ends, so that
    /// concurrent calls count the tenant that this one adds.
    async fn ensure_can_create(&self, tx: &mut SystemTx, user: UserId) -> Result<(), TenantsError> {
        let admin_count = self.memberships.lock_and_count_admin(tx, user).await?;
        match *self.tenancy {
            TenancyMode::Personal if self.tenants.has_personal_tenant(tx, user).await? => {
                Err(TenantsError::PersonalTenantExists)
            }
            TenancyMode::Organization(_) if admin_count >= i64::from(MAX_TENANTS_PER_USER) => {
                Err(TenantsError::LimitReached { limit: MAX_TENANTS_PER_USER })
            }
            TenancyMode::Organization(_) | TenancyMode::Personal | TenancyMode::Single(_) => Ok(()),
        }
    }
}

/// Maps violations of unique constraints to their errors.
pub(crate) fn tenants_error(error: DbError) -> TenantsError {
    if error.violates(UNIQUE_SLUG) {
        TenantsError::SlugTaken
    } else if error.violates(UNIQUE_PERSONAL_TENANT) {
        TenantsError::PersonalTenantExists
    } else {
        error.into()
    }
}
