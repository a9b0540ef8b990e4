//! The demo tenants.

use kernel::{
    contracts::{Email, InvitationId, PolicyId, RoleId, TenantId, TenantSlug, UserId},
    db::{DbError, SystemTx},
};
use uuid::{Uuid, uuid};

use crate::{
    founding::{SystemRole, SystemRoles, TEMPLATE_VERSION, found},
    postgres::{NewTenant, create_expired_invitation, create_membership},
};

/// Acme Corp.
pub const ACME: TenantId = TenantId::from_uuid(uuid!("019a0000-0000-7000-8000-00000000acee"));
/// Globex Inc.
pub const GLOBEX: TenantId = TenantId::from_uuid(uuid!("019a0000-0000-7000-8000-000000061b37"));

/// The invitation that Acme has.
pub const ACME_INVITATION: InvitationId = InvitationId::from_uuid(uuid!("019a0000-0000-7005-8000-00000000acee"));
const GLOBEX_INVITATION: InvitationId = InvitationId::from_uuid(uuid!("019a0000-0000-7005-8000-000000061b37"));

const ACME_ROLES: SystemRoles = SystemRoles {
    admin: system_role(uuid!("019a0000-0000-7001-8000-00000000acee"), uuid!("019a0000-0000-7003-8000-00000000acee")),
    member: system_role(uuid!("019a0000-0000-7002-8000-00000000acee"), uuid!("019a0000-0000-7004-8000-00000000acee")),
};
const GLOBEX_ROLES: SystemRoles = SystemRoles {
    admin: system_role(uuid!("019a0000-0000-7001-8000-000000061b37"), uuid!("019a0000-0000-7003-8000-000000061b37")),
    member: system_role(uuid!("019a0000-0000-7002-8000-000000061b37"), uuid!("019a0000-0000-7004-8000-000000061b37")),
};

const fn system_role(role: Uuid, policy: Uuid) -> SystemRole {
    SystemRole { role: RoleId::from_uuid(role), policy: PolicyId::from_uuid(policy) }
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
        roles: ACME_ROLES,
        slug: "acme",
        name: "Acme Corp",
        plan: "enterprise",
        contract_type: "enterprise",
        features: &["advanced-analytics", "sso", "audit-log"],
        max_users: 100,
    };
    let globex = Demo {
        id: GLOBEX,
        roles: GLOBEX_ROLES,
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
    roles: SystemRoles,
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
            policy_template_version: TEMPLATE_VERSION,
        };
        let created = found(tx, &tenant, self.roles).await?;
        let (admin_role, member_role) = (self.roles.admin.role, self.roles.member.role);
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
