//! Demo tenants, memberships and invitations.

use authorization_api::InvitationId;
use db::{DbError, SystemTx};
use kernel::{Email, PolicyId, RoleId, TenantId, TenantSlug, UserId};
use uuid::{Uuid, uuid};

use crate::{
    invitations::acceptance::create_expired_invitation,
    members::store::create_membership,
    templates::{ADMIN, IdGenerator, MEMBER, TEMPLATES},
    tenants::{provisioning::provision, store::NewTenant},
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
    /// The id of its role `admin`.
    pub admin_role: RoleId,
    /// The id of its role `member`.
    pub member_role: RoleId,
    /// Whether this run created it.
    pub created: bool,
}

/// A demo membership.
#[derive(Debug, Clone)]
pub struct SeededMembership {
    /// User, tenant and role, for display.
    pub title: &'static str,
    /// Whether this run created it.
    pub created: bool,
}

/// A demo invitation.
#[derive(Debug, Clone)]
pub struct SeededInvitation {
    /// Invitee and tenant, for display.
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
    pub memberships: Vec<SeededMembership>,
    /// Expired invitations. Their tokens don't exist, so they can't be accepted.
    pub invitations: Vec<SeededInvitation>,
}

/// Why the demo tenants couldn't be created.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizationSeedError {
    /// A constant below isn't a valid slug.
    #[error("invalid slug of a demo tenant")]
    Slug,
    /// A constant below isn't a valid email address.
    #[error("invalid email address of a demo invitation")]
    Email,
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
    let acme = DemoTenant {
        id: ACME,
        slug: "acme",
        name: "Acme Corp",
        plan: "enterprise",
        contract_type: "enterprise",
        features: &["advanced-analytics", "sso", "audit-log"],
        seat_limit: 100,
    };
    let globex = DemoTenant {
        id: GLOBEX,
        slug: "globex",
        name: "Globex Inc",
        plan: "pro",
        contract_type: "standard",
        features: &["advanced-analytics"],
        seat_limit: 25,
    };
    let (acme, globex) = (acme.create(tx).await?, globex.create(tx).await?);
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

struct DemoTenant {
    id: TenantId,
    slug: &'static str,
    name: &'static str,
    plan: &'static str,
    contract_type: &'static str,
    features: &'static [&'static str],
    seat_limit: i32,
}

impl DemoTenant {
    async fn create(self, tx: &mut SystemTx) -> Result<SeededTenant, AuthorizationSeedError> {
        let slug: TenantSlug = self.slug.parse().map_err(|_| AuthorizationSeedError::Slug)?;
        let features: Vec<String> = self.features.iter().map(|feature| (*feature).into()).collect();
        let tenant = NewTenant {
            id: self.id,
            slug: &slug,
            name: self.name,
            plan: self.plan,
            contract_type: self.contract_type,
            features: &features,
            seat_limit: self.seat_limit,
            policy_template_version: TEMPLATES.current(),
        };
        let mut ids = DemoIds { tenant: self.id, policies: 0 };
        let (admin_role, member_role) = (ids.role(ADMIN), ids.role(MEMBER));
        let created = provision(tx, &tenant, &mut ids).await?;
        Ok(SeededTenant { id: self.id, slug, admin_role, member_role, created })
    }
}

async fn seed_membership(
    tx: &mut SystemTx,
    title: &'static str,
    tenant: &SeededTenant,
    user: UserId,
    role: RoleId,
) -> Result<SeededMembership, DbError> {
    let created = create_membership(tx, tenant.id, user, role).await?;
    Ok(SeededMembership { title, created })
}

async fn seed_invitation(
    tx: &mut SystemTx,
    title: &'static str,
    id: InvitationId,
    tenant: &SeededTenant,
    invited_by: UserId,
) -> Result<SeededInvitation, AuthorizationSeedError> {
    let email: Email = "dana@example.com".parse().map_err(|_| AuthorizationSeedError::Email)?;
    let created = create_expired_invitation(tx, tenant.id, id, &email, tenant.member_role, invited_by).await?;
    Ok(SeededInvitation { title, created })
}
