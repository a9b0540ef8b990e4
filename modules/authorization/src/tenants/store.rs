//! The tables `tenants` and `tenant_attributes`. Reads are single-statement reads, see `db::single_statement`.

use async_trait::async_trait;
use authorization_api::{Tenant, TenantChange, TenantName, TenantStatus};
use db::{DbError, SystemTx, TenantReader};
use kernel::{TenantId, TenantSlug};
use shaku::{Component, Interface};

use crate::guarded_change::tx::GuardedTx;

#[async_trait]
pub(crate) trait TenantRepository: Interface {
    /// Returns the tenant if it is active.
    async fn find(&self, reader: &TenantReader) -> Result<Option<Tenant>, DbError>;

    async fn update(&self, tx: &mut GuardedTx, change: &TenantChange) -> Result<Tenant, DbError>;

    /// Returns the tenant's name and slug.
    async fn names(&self, tx: &mut GuardedTx) -> Result<(TenantName, TenantSlug), DbError>;

    async fn archive(&self, tx: &mut GuardedTx) -> Result<(), DbError>;

    /// Restores the tenant. Returns `false` and does nothing if it is active.
    async fn restore(&self, tx: &mut SystemTx, id: TenantId) -> Result<bool, DbError>;
}

#[derive(Component)]
#[shaku(interface = TenantRepository)]
pub(crate) struct PgTenantRepository;

#[async_trait]
impl TenantRepository for PgTenantRepository {
    async fn find(&self, reader: &TenantReader) -> Result<Option<Tenant>, DbError> {
        let scope = reader.scope_argument();
        let query = || {
            sqlx::query_as!(
                Tenant,
                r#"SELECT r.id AS "id!: TenantId", r.slug AS "slug!: TenantSlug", r.name AS "name!: TenantName",
                     r.status AS "status!: TenantStatus", r.plan AS "plan!", r.features AS "features!",
                     r.seat_limit AS "seat_limit!", r.created_at AS "created_at!"
                   FROM (SELECT admitted_scope($1) AS tenant_id OFFSET 0) AS s,
                     LATERAL (
                       SELECT t.id, t.slug, t.name, t.status, a.plan, a.features, a.seat_limit, t.created_at
                       FROM tenants AS t
                       JOIN tenant_attributes AS a ON a.tenant_id = t.id
                       WHERE t.id = s.tenant_id AND t.status = 'active'
                       OFFSET 0
                     ) AS r"#,
                scope,
            )
        };
        reader.fetch_optional(query).await
    }

    async fn update(&self, tx: &mut GuardedTx, change: &TenantChange) -> Result<Tenant, DbError> {
        let statement = sqlx::query_as!(
            Tenant,
            r#"UPDATE tenants AS t
               SET name = coalesce($2, t.name), slug = coalesce($3, t.slug), updated_at = now()
               FROM tenant_attributes AS a
               WHERE t.id = $1 AND a.tenant_id = t.id
               RETURNING t.id, t.slug, t.name AS "name: TenantName", t.status AS "status: TenantStatus", a.plan,
                 a.features, a.seat_limit, t.created_at"#,
            tx.tenant().as_uuid(),
            change.name.as_ref().map(TenantName::as_str),
            change.slug.as_ref().map(TenantSlug::as_str),
        );
        Ok(statement.fetch_one(tx.conn()).await?)
    }

    async fn names(&self, tx: &mut GuardedTx) -> Result<(TenantName, TenantSlug), DbError> {
        let names = sqlx::query!(
            r#"SELECT name AS "name: TenantName", slug AS "slug: TenantSlug"
               FROM tenants
               WHERE id = $1"#,
            tx.tenant().as_uuid(),
        )
        .map(|row| (row.name, row.slug));
        Ok(names.fetch_one(tx.conn()).await?)
    }

    async fn archive(&self, tx: &mut GuardedTx) -> Result<(), DbError> {
        let statement = sqlx::query!(
            "UPDATE tenants
             SET status = 'archived', updated_at = now()
             WHERE id = $1",
            tx.tenant().as_uuid(),
        );
        statement.execute(tx.conn()).await?;
        Ok(())
    }

    async fn restore(&self, tx: &mut SystemTx, id: TenantId) -> Result<bool, DbError> {
        let statement = sqlx::query!(
            "UPDATE tenants
             SET status = 'active', updated_at = now()
             WHERE id = $1 AND status = 'archived'",
            id.as_uuid(),
        );
        Ok(statement.execute(tx.conn()).await?.rows_affected() == 1)
    }
}
