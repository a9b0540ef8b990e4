//! Creates tenants, for users and for the operator. There is no tenant scope yet, so the statements run in system
//! transactions.

use std::sync::Arc;

use async_trait::async_trait;
use authorization_api::{MemberAdded, OperatorTenants, Tenant, TenantCreated, TenantName, TenantStatus, TenantsError};
use db::{DbError, SystemAuditEvents, SystemDatabase, SystemReason, SystemTx};
use kernel::{Caller, Identity, IntoAuditEvents, OperatorCommand, RoleId, TenancyMode, TenantId, TenantSlug, UserId};
use shaku::Component;

use crate::{
    members::store::create_membership,
    templates::{ADMIN, IdGenerator},
    tenants::provisioning::{FREE_PLAN, NewTenant, provision},
};

/// Maximum number of tenants that a user can create. Archived ones count, because a tenant's rows and its slug stay in
/// use forever. So do those that the user has left, or whose admin they no longer are.
const MAX_TENANTS_PER_USER: u16 = 20;

/// Who creates a tenant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Creator<'a> {
    /// The user who becomes its admin. The tenant counts towards the limit per user.
    User(&'a Identity),
    /// The operator, for the user with this id. There is no limit.
    Operator(UserId),
}

impl Creator<'_> {
    /// Returns the admin of the new tenant.
    fn admin(self) -> UserId {
        match self {
            Self::User(identity) => identity.user(),
            Self::Operator(admin) => admin,
        }
    }

    fn caller(self) -> Caller {
        match self {
            Self::User(identity) => identity.caller().clone(),
            Self::Operator(_) => Caller::operator(OperatorCommand::CreateTenant),
        }
    }
}

/// Random ids with a known id for the role `admin`, which the tenant's creator gets.
struct AdminRoleIds {
    admin: RoleId,
}

impl IdGenerator for AdminRoleIds {
    fn role(&mut self, name: &str) -> RoleId {
        if name == ADMIN { self.admin } else { RoleId::new() }
    }
}

/// Creates the tenant with its attributes, system roles and policies, and its admin, atomically. A taken
/// slug aborts the transaction, so each call starts a new one.
pub(crate) async fn create_tenant(
    system: &dyn SystemDatabase,
    tenancy: &TenancyMode,
    creator: Creator<'_>,
    name: &TenantName,
    slug: &TenantSlug,
) -> Result<Tenant, TenantsError> {
    let (id, user, mut ids) = (TenantId::new(), creator.admin(), AdminRoleIds { admin: RoleId::new() });
    let mut tx = system.begin(SystemReason::CreateTenant).await?;
    ensure_can_create(&mut tx, tenancy, creator).await?;
    let created_by = matches!(creator, Creator::User(_)).then_some(user);
    let new = NewTenant { id, slug, name: name.as_str(), plan: FREE_PLAN, created_by };
    provision(&mut tx, &new, &mut ids).await.map_err(tenants_error)?;
    if let TenancyMode::Personal = tenancy {
        set_personal_owner(&mut tx, id, user).await.map_err(tenants_error)?;
    }
    create_membership(&mut tx, id, user, ids.admin).await?;
    let created = find_created(&mut tx, id).await?;
    let event = TenantCreated { tenant: id, name: name.clone(), slug: slug.clone() };
    let events = event.into_events().and(MemberAdded { member: user, role: ids.admin });
    tx.commit(&creator.caller(), SystemAuditEvents::of_tenant(id, events)).await?;
    Ok(created)
}

/// Rejects the user if they can't have another tenant. Holds a lock on the user until the transaction ends, so that
/// concurrent calls count the tenant that this one adds.
async fn ensure_can_create(tx: &mut SystemTx, tenancy: &TenancyMode, creator: Creator<'_>) -> Result<(), TenantsError> {
    let user = creator.admin();
    let created = lock_and_count_created(tx, user).await?;
    match tenancy {
        TenancyMode::Personal if has_personal_tenant(tx, user).await? => Err(TenantsError::PersonalTenantExists),
        TenancyMode::Organization(_)
            if matches!(creator, Creator::User(_)) && created >= i64::from(MAX_TENANTS_PER_USER) =>
        {
            Err(TenantsError::LimitReached { limit: MAX_TENANTS_PER_USER })
        }
        TenancyMode::Organization(_) | TenancyMode::Personal | TenancyMode::Single(_) => Ok(()),
    }
}

/// Counts the tenants that the user created, archived ones included, after locking the user.
async fn lock_and_count_created(tx: &mut SystemTx, user: UserId) -> Result<i64, DbError> {
    let user = user.as_uuid();
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('creator of tenants: ' || $1::uuid::text, 0))", user)
        .execute(tx.conn())
        .await?;
    // A separate statement, so that its snapshot is taken after the lock was acquired.
    // system: the limit counts all tenants of one user.
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!"
           FROM tenants
           WHERE created_by = $1"#,
        user,
    );
    Ok(count.fetch_one(tx.conn()).await?)
}

async fn has_slug(tx: &mut SystemTx, slug: &TenantSlug) -> Result<bool, DbError> {
    // system: slugs are unique across tenants, archived ones included.
    let has = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM tenants WHERE slug = $1) AS "has!""#, slug.as_str());
    Ok(has.fetch_one(tx.conn()).await?)
}

async fn has_personal_tenant(tx: &mut SystemTx, user: UserId) -> Result<bool, DbError> {
    // system: a user has at most one personal tenant, archived or not, which is checked before one is created.
    let has = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM tenants WHERE personal_user_id = $1) AS "has!""#,
        user.as_uuid(),
    );
    Ok(has.fetch_one(tx.conn()).await?)
}

async fn set_personal_owner(tx: &mut SystemTx, id: TenantId, user: UserId) -> Result<(), DbError> {
    let update = sqlx::query!(
        "UPDATE tenants
         SET personal_user_id = $2
         WHERE id = $1",
        id.as_uuid(),
        user.as_uuid(),
    );
    update.execute(tx.conn()).await?;
    Ok(())
}

async fn find_created(tx: &mut SystemTx, id: TenantId) -> Result<Tenant, DbError> {
    let tenant = sqlx::query_as!(
        Tenant,
        r#"SELECT t.id, t.slug, t.name AS "name: TenantName", t.status AS "status: TenantStatus", a.plan, a.features,
             a.seat_limit, t.created_at
           FROM tenants AS t
           JOIN tenant_attributes AS a ON a.tenant_id = t.id
           WHERE t.id = $1"#,
        id.as_uuid(),
    );
    Ok(tenant.fetch_one(tx.conn()).await?)
}

/// Maps violations of constraints to their errors.
pub(crate) fn tenants_error(error: DbError) -> TenantsError {
    if error.violates("tenants_slug_key") || error.violates("tenants_slug_reserved") {
        TenantsError::SlugTaken
    } else if error.violates("tenants_slug_changes") {
        TenantsError::TooManySlugChanges
    } else if error.violates("tenants_personal_user_id_key") {
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
    tenancy: Arc<TenancyMode>,
}

#[async_trait]
impl OperatorTenants for OperatorTenantService {
    async fn create_for(&self, admin: UserId, name: &TenantName, slug: &TenantSlug) -> Result<Tenant, TenantsError> {
        match &*self.tenancy {
            TenancyMode::Single(only) if only != slug => Err(TenantsError::SingleTenantMode),
            tenancy => create_tenant(&*self.system, tenancy, Creator::Operator(admin), name, slug).await,
        }
    }

    async fn exists(&self, slug: &TenantSlug) -> Result<bool, DbError> {
        has_slug(&mut self.system.begin(SystemReason::CreateTenant).await?, slug).await
    }
}
