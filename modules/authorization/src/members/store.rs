//! The table `memberships`, joined with roles, tenants and users.

use async_trait::async_trait;
use authorization_api::{Member, RoleSummary, TenantStatus, UserTenant};
use db::{DbError, Reader, SystemTx, TenantReader, TenantTx, UserTx};
use kernel::{Email, RoleId, TenantId, TenantTarget, UserId};
use shaku::{Component, Interface};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{engine::PolicyVersion, guarded_change::tx::GuardedTx};

/// An active user, with their membership in the tenant if there is one.
#[derive(Debug)]
pub(crate) struct AdmissionRow {
    pub(crate) membership: Option<MembershipSummary>,
}

/// A membership with the status and policy version of its tenant.
#[derive(Debug)]
pub(crate) struct MembershipSummary {
    pub(crate) tenant: TenantId,
    pub(crate) role: RoleId,
    pub(crate) status: TenantStatus,
    pub(crate) policy_version: PolicyVersion,
}

/// A membership with its role and user.
#[derive(Debug)]
struct MemberRow {
    user_id: UserId,
    email: Email,
    display_name: String,
    active: bool,
    role_id: RoleId,
    role_name: String,
    since: OffsetDateTime,
}

impl From<MemberRow> for Member {
    fn from(row: MemberRow) -> Self {
        Self {
            id: row.user_id,
            email: row.email,
            display_name: row.display_name,
            role: RoleSummary { id: row.role_id, name: row.role_name },
            member_since: row.since,
            active: row.active,
        }
    }
}

#[async_trait]
pub(crate) trait MembershipRepository: Interface {
    /// Returns the user and their membership in the tenant, archived or not. `None` if the user is unknown or
    /// deactivated.
    async fn find_for_admission(
        &self,
        reader: &Reader,
        user: UserId,
        tenant: TenantTarget<'_>,
    ) -> Result<Option<AdmissionRow>, DbError>;

    /// Returns the user's active tenants, ordered by name.
    async fn list_for_user(&self, tx: &mut UserTx) -> Result<Vec<UserTenant>, DbError>;

    /// Returns at most `limit` members with ids greater than `after`, ordered by id.
    async fn list(&self, reader: &TenantReader, after: Option<UserId>, limit: u16) -> Result<Vec<Member>, DbError>;

    async fn find(&self, reader: &TenantReader, user: UserId) -> Result<Option<Member>, DbError>;

    /// Returns the member's role, or `None` if the user isn't a member.
    async fn find_role(&self, tx: &mut TenantTx, user: UserId) -> Result<Option<RoleId>, DbError>;

    async fn update_role(&self, tx: &mut GuardedTx, user: UserId, role: RoleId) -> Result<(), DbError>;

    /// Deletes the membership. Returns its role, or `None` if there was none.
    async fn remove(&self, tx: &mut GuardedTx, user: UserId) -> Result<Option<RoleId>, DbError>;
}

#[derive(Component)]
#[shaku(interface = MembershipRepository)]
pub(crate) struct PgMembershipRepository;

#[async_trait]
impl MembershipRepository for PgMembershipRepository {
    async fn find_for_admission(
        &self,
        reader: &Reader,
        user: UserId,
        tenant: TenantTarget<'_>,
    ) -> Result<Option<AdmissionRow>, DbError> {
        let (id, slug, owner) = match tenant {
            TenantTarget::Id(id) => (Some(id.as_uuid()), None, None),
            TenantTarget::Slug(slug) => (None, Some(slug.as_str()), None),
            TenantTarget::Personal => (None, None, Some(user.as_uuid())),
        };
        let query = || {
            // user rows: membership is checked before there is a tenant scope.
            sqlx::query!(
                r#"SELECT a.tenant_id AS "tenant_id?: TenantId", a.role_id AS "role_id?: RoleId",
                     a.status AS "status?: TenantStatus", a.policy_version AS "policy_version?: PolicyVersion"
                   FROM (SELECT user_scope($1) AS user_id OFFSET 0) AS s,
                     LATERAL (
                       SELECT m.tenant_id, m.role_id, m.status, m.policy_version
                       FROM user_profiles AS p
                       LEFT JOIN (
                         SELECT m.user_id, m.tenant_id, m.role_id, t.status, t.policy_version
                         FROM memberships AS m
                         JOIN tenants AS t ON t.id = m.tenant_id
                         WHERE t.id = $2 OR t.slug = $3 OR t.personal_user_id = $4
                       ) AS m ON m.user_id = p.id
                       WHERE p.id = s.user_id AND p.active
                       OFFSET 0
                     ) AS a"#,
                user.as_uuid(),
                id,
                slug,
                owner,
            )
        };
        let row = reader.fetch_optional(query).await?;
        Ok(row.map(|row| AdmissionRow {
            membership: match (row.tenant_id, row.role_id, row.status, row.policy_version) {
                (Some(tenant), Some(role), Some(status), Some(policy_version)) => {
                    Some(MembershipSummary { tenant, role, status, policy_version })
                }
                _ => None,
            },
        }))
    }

    async fn list_for_user(&self, tx: &mut UserTx) -> Result<Vec<UserTenant>, DbError> {
        let user = tx.user().as_uuid();
        // user rows: the tenants of one user.
        let tenants = sqlx::query!(
            "SELECT t.id, t.slug, t.name, m.role_id, r.name AS role_name
             FROM memberships AS m
             JOIN tenants AS t ON t.id = m.tenant_id
             JOIN roles AS r ON r.tenant_id = m.tenant_id AND r.id = m.role_id
             WHERE m.user_id = $1 AND t.status = 'active'
             ORDER BY t.name, t.id",
            user,
        )
        .map(|row| UserTenant {
            id: row.id,
            slug: row.slug,
            name: row.name,
            role: RoleSummary { id: row.role_id, name: row.role_name },
        });
        Ok(tenants.fetch_all(tx.conn()).await?)
    }

    async fn list(&self, reader: &TenantReader, after: Option<UserId>, limit: u16) -> Result<Vec<Member>, DbError> {
        let (scope, after) = (reader.scope_argument(), after.map_or(Uuid::nil(), UserId::as_uuid));
        let query = || {
            sqlx::query_as!(
                MemberRow,
                r#"SELECT m.user_id AS "user_id!: UserId", m.email AS "email!: Email", m.display_name AS "display_name!",
                     m.active AS "active!", m.role_id AS "role_id!: RoleId", m.role_name AS "role_name!", m.since AS "since!"
                   FROM (SELECT admitted_scope($1) AS tenant_id OFFSET 0) AS s,
                     LATERAL (
                       SELECT m.user_id, p.email, p.display_name, p.active, m.role_id, r.name AS role_name,
                         m.created_at AS since
                       FROM (
                         SELECT m.user_id, m.role_id, m.created_at
                         FROM memberships AS m
                         WHERE m.tenant_id = s.tenant_id AND m.user_id > $2
                         ORDER BY m.user_id
                         LIMIT $3
                       ) AS m
                       JOIN roles AS r ON r.tenant_id = s.tenant_id AND r.id = m.role_id
                       JOIN user_profiles AS p ON p.id = m.user_id
                       OFFSET 0
                     ) AS m
                   ORDER BY m.user_id"#,
                scope,
                after,
                i64::from(limit),
            )
        };
        Ok(reader.fetch_all(query).await?.into_iter().map(Into::into).collect())
    }

    async fn find(&self, reader: &TenantReader, user: UserId) -> Result<Option<Member>, DbError> {
        let (scope, user) = (reader.scope_argument(), user.as_uuid());
        let query = || {
            sqlx::query_as!(
                MemberRow,
                r#"SELECT m.user_id AS "user_id!: UserId", m.email AS "email!: Email", m.display_name AS "display_name!",
                     m.active AS "active!", m.role_id AS "role_id!: RoleId", m.role_name AS "role_name!", m.since AS "since!"
                   FROM (SELECT admitted_scope($1) AS tenant_id OFFSET 0) AS s,
                     LATERAL (
                       SELECT m.user_id, p.email, p.display_name, p.active, m.role_id, r.name AS role_name,
                         m.created_at AS since
                       FROM memberships AS m
                       JOIN roles AS r ON r.tenant_id = m.tenant_id AND r.id = m.role_id
                       JOIN user_profiles AS p ON p.id = m.user_id
                       WHERE m.tenant_id = s.tenant_id AND m.user_id = $2
                       OFFSET 0
                     ) AS m"#,
                scope,
                user,
            )
        };
        Ok(reader.fetch_optional(query).await?.map(Into::into))
    }

    async fn find_role(&self, tx: &mut TenantTx, user: UserId) -> Result<Option<RoleId>, DbError> {
        let role = sqlx::query_scalar!(
            "SELECT role_id FROM memberships WHERE tenant_id = $1 AND user_id = $2",
            tx.tenant().as_uuid(),
            user.as_uuid(),
        );
        Ok(role.fetch_optional(tx.conn()).await?)
    }

    async fn update_role(&self, tx: &mut GuardedTx, user: UserId, role: RoleId) -> Result<(), DbError> {
        let changed = sqlx::query!(
            "UPDATE memberships
             SET role_id = $3
             WHERE tenant_id = $1 AND user_id = $2",
            tx.tenant().as_uuid(),
            user.as_uuid(),
            role.as_uuid(),
        );
        changed.execute(tx.conn()).await?;
        Ok(())
    }

    async fn remove(&self, tx: &mut GuardedTx, user: UserId) -> Result<Option<RoleId>, DbError> {
        let removed = sqlx::query_scalar!(
            "DELETE FROM memberships
             WHERE tenant_id = $1 AND user_id = $2
             RETURNING role_id",
            tx.tenant().as_uuid(),
            user.as_uuid(),
        );
        Ok(removed.fetch_optional(tx.conn()).await?)
    }
}

/// Makes the user a member. Returns `false` and keeps the role if they are a member already.
pub(crate) async fn create_membership(
    tx: &mut SystemTx,
    tenant: TenantId,
    user: UserId,
    role: RoleId,
) -> Result<bool, DbError> {
    let created = sqlx::query!(
        "INSERT INTO memberships (tenant_id, user_id, role_id)
         VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, user_id) DO NOTHING",
        tenant.as_uuid(),
        user.as_uuid(),
        role.as_uuid(),
    );
    Ok(created.execute(tx.conn()).await?.rows_affected() == 1)
}
