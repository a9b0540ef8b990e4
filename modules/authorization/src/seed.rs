//! Demo tenants, memberships and invitations.

use authorization_api::{InvitationId, TenantCreated, TenantName};
use db::{DbError, SystemTx};
use kernel::{AuditEvents, Email, IntoAuditEvents, PolicyId, RoleId, TenantId, TenantSlug, UserId};
use uuid::{Uuid, uuid};

use crate::{
    members::store::create_membership,
    templates::{ADMIN, IdGenerator, MEMBER},
    tenants::provisioning::{NewTenant, Plan, provision},
};

/// Acme Corp.
pub const ACME: TenantId = TenantId::from_uuid(uuid!("019a0000-0000-7000-8000-00000000acee"));
/// Globex Inc.
pub const GLOBEX: TenantId = TenantId::from_uuid(uuid!("019a0000-0000-7000-8000-000000061b37"));

/// Acme's demo invitation.
pub const ACME_INVITATION: InvitationId = InvitationId::from_uuid(uuid!("019a0000-0000-7f01-8000-00000000acee"));
const GLOBEX_INVITATION: InvitationId = InvitationId::from_uuid(uuid!("019a0000-0000-7f01-8000-000000061b37"));

/// Generates fixed ids for a demo tenant's roles and policies: the tenant's id with a number added. The roles have 1 and
/// 2, policies start at 3.
#[derive(Debug, Clone, Copy)]
struct DemoIds {
    tenant: TenantId,
    policies: u16,
}

impl DemoIds {
    const ADMIN: u16 = 1;
    const MEMBER: u16 = 2;

    fn with_number(self, number: u16) -> Uuid {
        // UUIDv7 has 12 free bits beside the version, at bit 64.
        Uuid::from_u128(self.tenant.as_uuid().as_u128() | u128::from(number) << 64)
    }
}

impl IdGenerator for DemoIds {
    fn role(&mut self, name: &str) -> RoleId {
        match name {
            ADMIN => RoleId::from_uuid(self.with_number(Self::ADMIN)),
            MEMBER => RoleId::from_uuid(self.with_number(Self::MEMBER)),
            _ => RoleId::new(),
        }
    }

    fn policy(&mut self) -> PolicyId {
        let number = Self::MEMBER + 1 + self.policies;
        self.policies += 1;
        PolicyId::from_uuid(self.with_number(number))
    }
}

/// A demo tenant.
#[derive(Debug, Clone)]
pub struct SeededTenant {
    /// The tenant's fixed id.
    pub id: TenantId,
    /// The tenant's slug.
    pub slug: TenantSlug,
    /// The tenant's name.
    pub name: TenantName,
    /// The id of its role `admin`.
    pub admin_role: RoleId,
    /// The id of its role `member`.
    pub member_role: RoleId,
    /// Whether this run created it.
    pub created: bool,
}

impl SeededTenant {
    /// Returns the audit event, if this run created the tenant.
    pub fn creation_event(&self) -> Option<(TenantId, AuditEvents)> {
        let Self { id, slug, name, created, .. } = self;
        let event = TenantCreated { tenant: *id, name: name.clone(), slug: slug.clone() };
        created.then(|| (*id, event.into_events()))
    }
}

/// A demo membership or invitation.
#[derive(Debug, Clone)]
pub struct SeededRow {
    /// User, tenant and role, for display.
    pub title: &'static str,
    /// Whether this run created it.
    pub created: bool,
}

/// The demo tenants, their memberships and invitations.
#[derive(Debug, Clone)]
pub struct AuthorizationSeed {
    /// Acme Corp: enterprise plan and contract.
    pub acme: SeededTenant,
    /// Globex Inc: pro plan, standard contract.
    pub globex: SeededTenant,
    /// The demo memberships.
    pub memberships: Vec<SeededRow>,
    /// Expired invitations. Their tokens don't exist, so they can't be accepted.
    pub invitations: Vec<SeededRow>,
}

/// Why the demo tenants couldn't be created.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizationSeedError {
    /// A constant below isn't a valid name, slug or email address.
    #[error("invalid name, slug or email address in the demo data")]
    InvalidConstant,
    /// A database error.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Creates the missing demo tenants, memberships and invitations. Alice is an admin of both tenants, Bob is a member of
/// Acme, and each tenant has an expired invitation.
///
/// # Errors
/// Fails if another tenant has one of the slugs.
pub async fn seed(tx: &mut SystemTx, alice: UserId, bob: UserId) -> Result<AuthorizationSeed, AuthorizationSeedError> {
    let enterprise = Plan {
        name: "enterprise",
        contract_type: "enterprise",
        features: &["advanced-analytics", "sso", "audit-log"],
        seat_limit: 100,
    };
    let pro = Plan { name: "pro", contract_type: "standard", features: &["advanced-analytics"], seat_limit: 25 };
    let acme = seed_tenant(tx, ACME, "acme", "Acme Corp", enterprise).await?;
    let globex = seed_tenant(tx, GLOBEX, "globex", "Globex Inc", pro).await?;
    let memberships = vec![
        seed_membership(tx, "Alice, admin of Acme", &acme, alice, acme.admin_role).await?,
        seed_membership(tx, "Bob, member of Acme", &acme, bob, acme.member_role).await?,
        seed_membership(tx, "Alice, admin of Globex", &globex, alice, globex.admin_role).await?,
    ];
    let invitations = vec![
        seed_invitation(tx, "Dana, expired invitation to Acme", ACME_INVITATION, &acme, alice).await?,
        seed_invitation(tx, "Dana, expired invitation to Globex", GLOBEX_INVITATION, &globex, alice).await?,
    ];
    Ok(AuthorizationSeed { acme, globex, memberships, invitations })
}

async fn seed_tenant(
    tx: &mut SystemTx,
    id: TenantId,
    slug: &str,
    name: &str,
    plan: Plan,
) -> Result<SeededTenant, AuthorizationSeedError> {
    let slug: TenantSlug = slug.parse().map_err(|_| AuthorizationSeedError::InvalidConstant)?;
    let name: TenantName = name.parse().map_err(|_| AuthorizationSeedError::InvalidConstant)?;
    let mut ids = DemoIds { tenant: id, policies: 0 };
    let (admin_role, member_role) = (ids.role(ADMIN), ids.role(MEMBER));
    let created =
        provision(tx, &NewTenant { id, slug: &slug, name: name.as_str(), plan, created_by: None }, &mut ids).await?;
    Ok(SeededTenant { id, slug, name, admin_role, member_role, created })
}

async fn seed_membership(
    tx: &mut SystemTx,
    title: &'static str,
    tenant: &SeededTenant,
    user: UserId,
    role: RoleId,
) -> Result<SeededRow, DbError> {
    Ok(SeededRow { title, created: create_membership(tx, tenant.id, user, role).await? })
}

/// Creates an expired invitation, unless there is one with this id or for this address.
async fn seed_invitation(
    tx: &mut SystemTx,
    title: &'static str,
    id: InvitationId,
    tenant: &SeededTenant,
    invited_by: UserId,
) -> Result<SeededRow, AuthorizationSeedError> {
    let email: Email = "dana@example.com".parse().map_err(|_| AuthorizationSeedError::InvalidConstant)?;
    // A token is 32 random bytes. The stored hash is that of the id's text, so no token has it.
    let created = sqlx::query!(
        "INSERT INTO invitations (tenant_id, id, email, role_id, invited_by, token_hash, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, sha256(($2::uuid)::text::bytea), '2026-01-01Z', '2026-01-08Z')
         ON CONFLICT DO NOTHING",
        tenant.id.as_uuid(),
        id.as_uuid(),
        email.as_str(),
        tenant.member_role.as_uuid(),
        invited_by.as_uuid(),
    );
    let created = created.execute(tx.conn()).await.map_err(DbError::from)?.rows_affected() == 1;
    Ok(SeededRow { title, created })
}
