//! The table `memberships`, and what a request asks of it together with roles, tenants and policies.

use async_trait::async_trait;
use kernel::{
    contracts::{MyTenant, RoleId, RoleSummary, TenantId, TenantRef, UserId},
    db::{DbError, OwnTx, SystemTx, TenantTx},
};
use shaku::{Component, Interface};
use sqlx::types::Json;
use time::OffsetDateTime;

use crate::domain::{Policy, TenantFacts};

/// What admits a member to a tenant.
#[derive(Debug)]
pub(crate) struct AdmissionRow {
    pub(crate) tenant: TenantId,
    pub(crate) role: RoleId,
    pub(crate) tenant_facts: TenantFacts,
    pub(crate) policies: Vec<Policy>,
}

/// A membership with its role.
#[derive(Debug)]
pub(crate) struct MembershipRow {
    pub(crate) user: UserId,
    pub(crate) role: RoleSummary,
    pub(crate) since: OffsetDateTime,
}

/// Memberships.
#[async_trait]
pub(crate) trait MembershipRepository: Interface {
    /// The person's membership in an active tenant, with all that decides what they may do, in one query.
    async fn admission(&self, tx: &mut OwnTx, tenant: &TenantRef) -> Result<Option<AdmissionRow>, DbError>;

    /// The active tenants of the person, by name.
    async fn of_person(&self, tx: &mut OwnTx) -> Result<Vec<MyTenant>, DbError>;

    /// Members by id, from the first one after `after`; at most `limit`.
    async fn page(&self, tx: &mut TenantTx, after: Option<UserId>, limit: u16) -> Result<Vec<MembershipRow>, DbError>;

    /// One member.
    async fn find(&self, tx: &mut TenantTx, user: UserId) -> Result<Option<MembershipRow>, DbError>;
}

/// [`MembershipRepository`] in SQL.
#[derive(Component)]
#[shaku(interface = MembershipRepository)]
pub(crate) struct PgMembershipRepository;

#[async_trait]
impl MembershipRepository for PgMembershipRepository {
    async fn admission(&self, tx: &mut OwnTx, tenant: &TenantRef) -> Result<Option<AdmissionRow>, DbError> {
        let (id, slug) = match tenant {
            TenantRef::Id(id) => (Some(id.as_uuid()), None),
            TenantRef::Slug(slug) => (None, Some(slug.as_str())),
        };
        let user = tx.user().as_uuid();
        let row = sqlx::query!(
            r#"SELECT m.tenant_id, m.role_id, a.plan, a.features,
                 (
                   SELECT coalesce(jsonb_agg(p), '[]')
                   FROM policies AS p
                   WHERE p.tenant_id = m.tenant_id AND (p.role_id IS NULL OR p.role_id = m.role_id)
                 ) AS "policies!: Json<Vec<Policy>>"
               FROM memberships AS m
               JOIN tenants AS t ON t.id = m.tenant_id
               JOIN tenant_attributes AS a ON a.tenant_id = m.tenant_id
               WHERE m.user_id = $1 AND t.status = 'active' AND (t.id = $2 OR t.slug = $3)"#,
            user,
            id,
            slug,
        )
        .fetch_optional(&mut ***tx)
        .await?;
        Ok(row.map(|row| AdmissionRow {
            tenant: row.tenant_id,
            role: row.role_id,
            tenant_facts: TenantFacts { plan: row.plan, features: row.features },
            policies: row.policies.0,
        }))
    }

    async fn of_person(&self, tx: &mut OwnTx) -> Result<Vec<MyTenant>, DbError> {
        let user = tx.user().as_uuid();
        let rows = sqlx::query!(
            "SELECT t.id, t.slug, t.name, m.role_id, r.name AS role_name
             FROM memberships AS m
             JOIN tenants AS t ON t.id = m.tenant_id
             JOIN roles AS r ON r.tenant_id = m.tenant_id AND r.id = m.role_id
             WHERE m.user_id = $1 AND t.status = 'active'
             ORDER BY t.name, t.id",
            user,
        )
        .fetch_all(&mut ***tx)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| MyTenant {
                id: row.id,
                slug: row.slug,
                name: row.name,
                role: RoleSummary { id: row.role_id, name: row.role_name },
            })
            .collect())
    }

    async fn page(&self, tx: &mut TenantTx, after: Option<UserId>, limit: u16) -> Result<Vec<MembershipRow>, DbError> {
        let tenant = tx.tenant().as_uuid();
        let rows = sqlx::query!(
            "SELECT m.user_id, m.role_id, r.name, m.created_at
             FROM memberships AS m
             JOIN roles AS r ON r.tenant_id = m.tenant_id AND r.id = m.role_id
             WHERE m.tenant_id = $1 AND m.user_id > coalesce($2, '00000000-0000-0000-0000-000000000000'::uuid)
             ORDER BY m.user_id
             LIMIT $3",
            tenant,
            after.map(UserId::as_uuid),
            i64::from(limit),
        )
        .fetch_all(&mut ***tx)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| MembershipRow {
                user: row.user_id,
                role: RoleSummary { id: row.role_id, name: row.name },
                since: row.created_at,
            })
            .collect())
    }

    async fn find(&self, tx: &mut TenantTx, user: UserId) -> Result<Option<MembershipRow>, DbError> {
        let tenant = tx.tenant().as_uuid();
        let row = sqlx::query!(
            "SELECT m.user_id, m.role_id, r.name, m.created_at
             FROM memberships AS m
             JOIN roles AS r ON r.tenant_id = m.tenant_id AND r.id = m.role_id
             WHERE m.tenant_id = $1 AND m.user_id = $2",
            tenant,
            user.as_uuid(),
        )
        .fetch_optional(&mut ***tx)
        .await?;
        Ok(row.map(|row| MembershipRow {
            user: row.user_id,
            role: RoleSummary { id: row.role_id, name: row.name },
            since: row.created_at,
        }))
    }
}

/// Makes a person a member. `false`: they are one already, and their role stays.
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
    Ok(created.execute(&mut ***tx).await?.rows_affected() == 1)
}
