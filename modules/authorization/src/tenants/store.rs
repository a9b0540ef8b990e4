//! The tables `tenants` and `tenant_attributes`.

use async_trait::async_trait;
use authorization_api::{Tenant, TenantChange, TenantName, TenantStatus};
use db::{DbError, SystemTx, TenantReader, TenantTx};
use kernel::{TenantId, TenantSlug, UserId};
use shaku::{Component, Interface};

/// The constraint that rejects a duplicate slug.
pub(crate) const UNIQUE_SLUG: &str = "tenants_slug_key";

/// The constraint that rejects a user's second personal tenant.
pub(crate) const UNIQUE_PERSONAL_TENANT: &str = "tenants_personal_user_id_key";

/// Reads and writes tenants.
#[async_trait]
pub(crate) trait TenantRepository: Interface {
    /// Returns the tenant if it is active.
    async fn find(&self, reader: &TenantReader) -> Result<Option<Tenant>, DbError>;

    /// Returns the tenant that was created in this transaction.
    async fn find_created(&self, tx: &mut SystemTx, id: TenantId) -> Result<Option<Tenant>, DbError>;

    /// Returns whether a tenant, archived or not, has the slug.
    async fn has_slug(&self, tx: &mut SystemTx, slug: &TenantSlug) -> Result<bool, DbError>;

    /// Returns whether the user has a personal tenant, archived or not.
    async fn has_personal_tenant(&self, tx: &mut SystemTx, user: UserId) -> Result<bool, DbError>;

    /// Makes the tenant the user's personal tenant.
    async fn set_personal_owner(&self, tx: &mut SystemTx, id: TenantId, user: UserId) -> Result<(), DbError>;

    /// Updates the tenant if it is active.
    async fn update(&self, tx: &mut TenantTx, change: &TenantChange) -> Result<Option<Tenant>, DbError>;

    /// Archives the tenant. Does nothing if it is archived already.
    async fn archive(&self, tx: &mut TenantTx) -> Result<(), DbError>;

    /// Restores the tenant. Does nothing if it is active.
    async fn restore(&self, tx: &mut SystemTx, id: TenantId) -> Result<(), DbError>;
}

/// [`TenantRepository`] in SQL.
#[derive(Component)]
#[shaku(interface = TenantRepository)]
pub(crate) struct PgTenantRepository;

#[async_trait]
impl TenantRepository for PgTenantRepository {
    async fn find(&self, reader: &TenantReader) -> Result<Option<Tenant>, DbError> {
        let tenant = reader.tenant().as_uuid();
        let query = || {
            sqlx::query_as!(
                Tenant,
                r#"SELECT t.id AS "id!: TenantId", t.slug AS "slug!: TenantSlug", t.name AS "name!: TenantName",
                     t.status AS "status!: TenantStatus", t.plan AS "plan!", t.features AS "features!",
                     t.seat_limit AS "seat_limit!", t.created_at AS "created_at!"
                   FROM (SELECT tenant_scope($1) AS tenant_id OFFSET 0) AS s,
                     LATERAL (
                       SELECT t.id, t.slug, t.name, t.status, a.plan, a.features, a.seat_limit, t.created_at
                       FROM tenants AS t
                       JOIN tenant_attributes AS a ON a.tenant_id = t.id
                       WHERE t.id = s.tenant_id AND t.status = 'active'
                       OFFSET 0
                     ) AS t"#,
                tenant,
            )
        };
        reader.fetch_optional(query).await
    }

    async fn find_created(&self, tx: &mut SystemTx, id: TenantId) -> Result<Option<Tenant>, DbError> {
        let tenant = sqlx::query_as!(
            Tenant,
            r#"SELECT t.id, t.slug, t.name AS "name: TenantName", t.status AS "status: TenantStatus", a.plan, a.features,
                 a.seat_limit, t.created_at
               FROM tenants AS t
               JOIN tenant_attributes AS a ON a.tenant_id = t.id
               WHERE t.id = $1"#,
            id.as_uuid(),
        );
        Ok(tenant.fetch_optional(tx.conn()).await?)
    }

    async fn has_slug(&self, tx: &mut SystemTx, slug: &TenantSlug) -> Result<bool, DbError> {
        // system: slugs are unique across tenants.
        let has =
            sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM tenants WHERE slug = $1) AS "has!""#, slug.as_str(),);
        Ok(has.fetch_one(tx.conn()).await?)
    }

    async fn has_personal_tenant(&self, tx: &mut SystemTx, user: UserId) -> Result<bool, DbError> {
        // system: a user has at most one personal tenant, which is checked before one is created.
        let has = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM tenants WHERE personal_user_id = $1) AS "has!""#,
            user.as_uuid(),
        );
        Ok(has.fetch_one(tx.conn()).await?)
    }

    async fn set_personal_owner(&self, tx: &mut SystemTx, id: TenantId, user: UserId) -> Result<(), DbError> {
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

    async fn update(&self, tx: &mut TenantTx, change: &TenantChange) -> Result<Option<Tenant>, DbError> {
        let updated = sqlx::query_as!(
            Tenant,
            r#"UPDATE tenants AS t
               SET name = coalesce($2, t.name), slug = coalesce($3, t.slug), updated_at = now()
               FROM tenant_attributes AS a
               WHERE t.id = $1 AND a.tenant_id = t.id AND t.status = 'active'
               RETURNING t.id, t.slug, t.name AS "name: TenantName", t.status AS "status: TenantStatus", a.plan,
                 a.features, a.seat_limit, t.created_at"#,
            tx.tenant().as_uuid(),
            change.name.as_ref().map(TenantName::as_str),
            change.slug.as_ref().map(TenantSlug::as_str),
        );
        Ok(updated.fetch_optional(tx.conn()).await?)
    }

    async fn archive(&self, tx: &mut TenantTx) -> Result<(), DbError> {
        let archived = sqlx::query!(
            "UPDATE tenants
             SET status = 'archived', updated_at = now()
             WHERE id = $1 AND status = 'active'",
            tx.tenant().as_uuid(),
        );
        archived.execute(tx.conn()).await?;
        Ok(())
    }

    async fn restore(&self, tx: &mut SystemTx, id: TenantId) -> Result<(), DbError> {
        let restored = sqlx::query!(
            "UPDATE tenants
             SET status = 'active', updated_at = now()
             WHERE id = $1 AND status = 'archived'",
            id.as_uuid(),
        );
        restored.execute(tx.conn()).await?;
        Ok(())
    }
}

/// The data of a new tenant, with its attributes.
#[derive(Debug)]
pub(crate) struct NewTenant<'a> {
    pub(crate) id: TenantId,
    pub(crate) slug: &'a TenantSlug,
    pub(crate) name: &'a str,
    pub(crate) plan: &'a str,
    pub(crate) contract_type: &'a str,
    pub(crate) features: &'a [String],
    /// Maximum number of members.
    pub(crate) seat_limit: i32,
    pub(crate) policy_template_version: i32,
}

/// Creates the tenant and its attributes. Returns `false` and changes nothing if there is one with this id.
pub(crate) async fn create_tenant(tx: &mut SystemTx, new: &NewTenant<'_>) -> Result<bool, DbError> {
    let created = sqlx::query!(
        "INSERT INTO tenants (id, slug, name)
         VALUES ($1, $2, $3)
         ON CONFLICT (id) DO NOTHING",
        new.id.as_uuid(),
        new.slug.as_str(),
        new.name,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "INSERT INTO tenant_attributes (tenant_id, plan, contract_type, features, seat_limit, policy_template_version)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (tenant_id) DO NOTHING",
        new.id.as_uuid(),
        new.plan,
        new.contract_type,
        new.features,
        new.seat_limit,
        new.policy_template_version,
    )
    .execute(tx.conn())
    .await?;
    Ok(created.rows_affected() == 1)
}
