//! The demo tenants.

use kernel::{
    contracts::{Email, InvitationId, PolicyId, RoleId, TenantId, TenantSlug, UserId},
    db::{DbError, SystemTx},
};
use uuid::{Uuid, uuid};

use crate::{
    domain::{ADMIN, MEMBER, NewIds, TEMPLATES},
    founding::found,
    postgres::{NewTenant, create_expired_invitation, create_membership},
};

/// Acme Corp.
pub const ACME: TenantId = TenantId::from_uuid(uuid!("019a0000-0000-7000-8000-00000000acee"));
/// Globex Inc.
pub const GLOBEX: TenantId = TenantId::from_uuid(uuid!("019a0000-0000-7000-8000-000000061b37"));

/// The invitation that Acme has.
pub const ACME_INVITATION: InvitationId = InvitationId::from_uuid(uuid!("019a0000-0000-7f01-8000-00000000acee"));
const GLOBEX_INVITATION: InvitationId = InvitationId::from_uuid(uuid!("019a0000-0000-7f01-8000-000000061b37"));

/// The ids of what a demo tenant is founded with: the tenant's own with a number in it. Roles have 1 and 2, policies are
/// numbered from 3 on.
#[derive(Debug, Clone, Copy)]
struct DemoIds {
    tenant: TenantId,
    policies: u16,
}

impl DemoIds {
    const ADMIN: u16 = 1;
    const MEMBER: u16 = 2;

    fn numbered(self, number: u16) -> Uuid {
        // The bits of the version's group, which has 12 of them left.
        Uuid::from_u128(self.tenant.as_uuid().as_u128() | u128::from(number) << 64)
    }
}

impl NewIds for DemoIds {
    fn role(&mut self, name: &str) -> RoleId {
        match name {
            ADMIN => RoleId::from_uuid(self.numbered(Self::ADMIN)),
            MEMBER => RoleId::from_uuid(self.numbered(Self::MEMBER)),
            _ => RoleId::new(),
        }
    }

    fn policy(&mut self) -> PolicyId {
        let number = Self::MEMBER + 1 + self.policies;
        self.policies += 1;
        PolicyId::from_uuid(self.numbered(number))
    }
}

/// A demo tenant.
#[derive(Debug, Clone)]
pub struct SeededTenant {
    /// Fixed.
    pub id: TenantId,
    /// To name it by.
    pub slug: TenantSlug,
    /// The role that may do everything.
    pub admin_role: RoleId,
    /// The role that may read who else is there.
    pub member_role: RoleId,
    /// Whether this run made it.
    pub created: bool,
}

/// A demo membership.
#[derive(Debug, Clone)]
pub struct SeededMembership {
    /// Who, where and as what, for people to read.
    pub title: &'static str,
    /// Whether this run made it.
    pub created: bool,
}

/// A demo invitation.
#[derive(Debug, Clone)]
pub struct SeededInvitation {
    /// Who, where and as what, for people to read.
    pub title: &'static str,
    /// Whether this run made it.
    pub created: bool,
}

/// The demo tenants, who is in them, and who was to come.
#[derive(Debug, Clone)]
pub struct AuthorizationSeed {
    /// Acme Corp: enterprise plan and contract.
    pub acme: SeededTenant,
    /// Globex Inc: pro plan, standard contract.
    pub globex: SeededTenant,
    /// Who is in them.
    pub memberships: Vec<SeededMembership>,
    /// Who was invited and didn't come: the invitations have expired, and nobody has their links.
    pub invitations: Vec<SeededInvitation>,
}

/// Why the tenants couldn't be made.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizationSeedError {
    /// A constant below isn't a slug.
    #[error("a demo tenant's slug is malformed")]
    Slug,
    /// A constant below isn't an address.
    #[error("a demo invitation's address is malformed")]
    Email,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Makes the tenants, memberships and invitations that aren't there yet: Alice admin of both, Bob a member of Acme, and an
/// invitation in each that has expired.
///
/// # Errors
/// Another tenant already has one of the slugs.
pub async fn seed(tx: &mut SystemTx, alice: UserId, bob: UserId) -> Result<AuthorizationSeed, AuthorizationSeedError> {
    let acme = Demo {
        id: ACME,
        slug: "acme",
        name: "Acme Corp",
        plan: "enterprise",
        contract_type: "enterprise",
        features: &["advanced-analytics", "sso", "audit-log"],
        max_users: 100,
    };
    let globex = Demo {
        id: GLOBEX,
        slug: "globex",
        name: "Globex Inc",
        plan: "pro",
        contract_type: "standard",
        features: &["advanced-analytics"],
        max_users: 25,
    };
    let (acme, globex) = (acme.found(tx).await?, globex.found(tx).await?);
    let memberships = vec![
        membership(tx, "Alice, admin of Acme", &acme, alice, acme.admin_role).await?,
        membership(tx, "Bob, member of Acme", &acme, bob, acme.member_role).await?,
        membership(tx, "Alice, admin of Globex", &globex, alice, globex.admin_role).await?,
    ];
    let invitations = vec![
        invitation(tx, "Dana, invited to Acme, too late", ACME_INVITATION, &acme, alice).await?,
        invitation(tx, "Dana, invited to Globex, too late", GLOBEX_INVITATION, &globex, alice).await?,
    ];
    Ok(AuthorizationSeed { acme, globex, memberships, invitations })
}

struct Demo {
    id: TenantId,
    slug: &'static str,
    name: &'static str,
    plan: &'static str,
    contract_type: &'static str,
    features: &'static [&'static str],
    max_users: i32,
}

impl Demo {
    async fn found(self, tx: &mut SystemTx) -> Result<SeededTenant, AuthorizationSeedError> {
        let slug: TenantSlug = self.slug.parse().map_err(|_| AuthorizationSeedError::Slug)?;
        let features: Vec<String> = self.features.iter().map(|feature| (*feature).into()).collect();
        let tenant = NewTenant {
            id: self.id,
            slug: &slug,
            name: self.name,
            plan: self.plan,
            contract_type: self.contract_type,
            features: &features,
            max_users: self.max_users,
            policy_template_version: TEMPLATES.current(),
        };
        let mut ids = DemoIds { tenant: self.id, policies: 0 };
        let (admin_role, member_role) = (ids.role(ADMIN), ids.role(MEMBER));
        let created = found(tx, &tenant, &mut ids).await?;
        Ok(SeededTenant { id: self.id, slug, admin_role, member_role, created })
    }
}

async fn membership(
    tx: &mut SystemTx,
    title: &'static str,
    tenant: &SeededTenant,
    user: UserId,
    role: RoleId,
) -> Result<SeededMembership, DbError> {
    let created = create_membership(tx, tenant.id, user, role).await?;
    Ok(SeededMembership { title, created })
}

async fn invitation(
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
