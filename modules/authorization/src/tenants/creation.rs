//! Creates tenants, for users and for the operator.

use std::sync::Arc;

use async_trait::async_trait;
use authorization_api::{OperatorTenants, Tenant, TenantName, TenantsError};
use db::{DbError, SystemDatabase, SystemReason, SystemTx};
use kernel::{TenancyMode, TenantId, TenantSlug, UserId};
use shaku::Component;

use crate::{
    members::store::{MembershipRepository, create_membership},
    tenants::{
        provisioning::{AdminRoleIds, FREE_PLAN, MAX_TENANTS_PER_USER, provision},
        store::{TenantRepository, UNIQUE_PERSONAL_TENANT, UNIQUE_SLUG},
    },
};

/// Creates tenants, with one transaction per call. A taken slug aborts the transaction, so each retry starts
/// a new one.
pub(crate) struct TenantCreator<'a> {
    pub(crate) system: &'a dyn SystemDatabase,
    pub(crate) memberships: &'a dyn MembershipRepository,
    pub(crate) tenants: &'a dyn TenantRepository,
    pub(crate) tenancy: &'a TenancyMode,
}

impl TenantCreator<'_> {
    /// Creates the tenant with its attributes, system roles and policies, and with `user` as its admin, atomically.
    pub(crate) async fn create(
        &self,
        user: UserId,
        name: &TenantName,
        slug: &TenantSlug,
    ) -> Result<Tenant, TenantsError> {
        let (id, mut ids) = (TenantId::new(), AdminRoleIds::new());
        let mut tx = self.system.begin(SystemReason::CreateTenant).await?;
        self.ensure_can_create(&mut tx, user).await?;
        provision(&mut tx, &FREE_PLAN.new_tenant(id, slug, name), &mut ids).await.map_err(tenants_error)?;
        if let TenancyMode::Personal = self.tenancy {
            self.tenants.set_personal_owner(&mut tx, id, user).await.map_err(tenants_error)?;
        }
        create_membership(&mut tx, id, user, ids.admin).await?;
        let created = self.tenants.find_created(&mut tx, id).await?;
        tx.commit().await?;
        created.ok_or(TenantsError::NotFound)
    }

    /// Rejects the user if they can't have another tenant. Holds a lock on the user until the transaction ends, so that
    /// concurrent calls count the tenant that this one adds.
    async fn ensure_can_create(&self, tx: &mut SystemTx, user: UserId) -> Result<(), TenantsError> {
        let admin_count = self.memberships.lock_and_count_admin(tx, user).await?;
        match self.tenancy {
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

/// The use case behind `tenantry tenants create`.
#[derive(Component)]
#[shaku(interface = OperatorTenants)]
pub(crate) struct OperatorTenantService {
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
impl OperatorTenants for OperatorTenantService {
    async fn create_for(&self, admin: UserId, name: &TenantName, slug: &TenantSlug) -> Result<Tenant, TenantsError> {
        match &*self.tenancy {
            TenancyMode::Single(only) if only != slug => Err(TenantsError::SingleTenantMode),
            _ => {
                let (memberships, tenants) = (&*self.memberships, &*self.tenants);
                let creator = TenantCreator { system: &*self.system, memberships, tenants, tenancy: &self.tenancy };
                creator.create(admin, name, slug).await
            }
        }
    }

    async fn exists(&self, slug: &TenantSlug) -> Result<bool, DbError> {
        let mut tx = self.system.begin(SystemReason::CreateTenant).await?;
        self.tenants.has_slug(&mut tx, slug).await
    }
}
