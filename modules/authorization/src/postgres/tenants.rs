//! The tables `tenants` and `tenant_attributes`.

use async_trait::async_trait;
use kernel::{
    contracts::{Tenant, TenantChange, TenantId, TenantName, TenantSlug, TenantStatus, UserId},
    db::{DbError, SystemTx, TenantReader, TenantTx},
};
use shaku::{Component, Interface};

/// What a slug that another tenant has breaks.
pub(crate) const SLUG_TAKEN: &str = "tenants_slug_key";

/// What a second tenant of one's own breaks.
pub(crate) const HAS_OWN: &str = "tenants_personal_user_id_key";

/// Tenants.
#[async_trait]
pub(crate) trait TenantRepository: Interface {
    /// The tenant, if active.
    async fn find(&self, reader: &TenantReader) -> Result<Option<Tenant>, DbError>;

    /// The tenant that was founded in this transaction.
    async fn find_founded(&self, tx: &mut SystemTx, id: TenantId) -> Result<Option<Tenant>, DbError>;

    /// Whether a tenant has the slug, archived or not.
    async fn has_slug(&self, tx: &mut SystemTx, slug: &TenantSlug) -> Result<bool, DbError>;

    /// Whether the person has a tenant of their own, archived or not.
    async fn has_own(&self, tx: &mut SystemTx, user: UserId) -> Result<bool, DbError>;

    /// Makes the tenant the person's own.
    async fn make_own(&self, tx: &mut SystemTx, id: TenantId, user: UserId) -> Result<(), DbError>;

    /// Changes the tenant, if active.
    async fn update(&self, tx: &mut TenantTx, change: &TenantChange) -> Result<Option<Tenant>, DbError>;

    /// Archives the tenant, unless it is archived.
    async fn archive(&self, tx: &mut TenantTx) -> Result<(), DbError>;

    /// Restores the tenant, unless it is active.
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
                     t.max_users AS "seats!", t.created_at AS "created_at!"
                   FROM (SELECT tenant_scope($1) AS tenant_id OFFSET 0) AS s,
                     LATERAL (
                       SELECT t.id, t.slug, t.name, t.status, a.plan, a.features, a.max_users, t.created_at
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

    async fn find_founded(&self, tx: &mut SystemTx, id: TenantId) -> Result<Option<Tenant>, DbError> {
        let tenant = sqlx::query_as!(
            Tenant,
            r#"SELECT t.id, t.slug, t.name AS "name: TenantName", t.status AS "status: TenantStatus", a.plan, a.features,
                 a.max_users AS seats, t.created_at
               FROM tenants AS t
               JOIN tenant_attributes AS a ON a.tenant_id = t.id
               WHERE t.id = $1"#,
            id.as_uuid(),
        );
        Ok(tenant.fetch_optional(&mut ***tx).await?)
    }

    async fn has_slug(&self, tx: &mut SystemTx, slug: &TenantSlug) -> Result<bool, DbError> {
        // system: a slug is taken by whichever tenant has it.
        let has =
            sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM tenants WHERE slug = $1) AS "has!""#, slug.as_str(),);
        Ok(has.fetch_one(&mut ***tx).await?)
    }

    async fn has_own(&self, tx: &mut SystemTx, user: UserId) -> Result<bool, DbError> {
        // system: whether the person has a tenant of their own is asked before one is founded.
        let has = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM tenants WHERE personal_user_id = $1) AS "has!""#,
            user.as_uuid(),
        );
        Ok(has.fetch_one(&mut ***tx).await?)
    }

    async fn make_own(&self, tx: &mut SystemTx, id: TenantId, user: UserId) -> Result<(), DbError> {
        let made = sqlx::query!(
            "UPDATE tenants
             SET personal_user_id = $2
             WHERE id = $1",
            id.as_uuid(),
            user.as_uuid(),
        );
        made.execute(&mut ***tx).await?;
        Ok(())
    }

    async fn update(&self, tx: &mut TenantTx, change: &TenantChange) -> Result<Option<Tenant>, DbError> {
        let changed = sqlx::query_as!(
            Tenant,
            r#"UPDATE tenants AS t
               SET name = coalesce($2, t.name), slug = coalesce($3, t.slug), updated_at = now()
               FROM tenant_attributes AS a
               WHERE t.id = $1 AND a.tenant_id = t.id AND t.status = 'active'
               RETURNING t.id, t.slug, t.name AS "name: TenantName", t.status AS "status: TenantStatus", a.plan,
                 a.features, a.max_users AS seats, t.created_at"#,
            tx.tenant().as_uuid(),
            change.name.as_ref().map(TenantName::as_str),
            change.slug.as_ref().map(TenantSlug::as_str),
        );
        Ok(changed.fetch_optional(&mut ***tx).await?)
    }

    async fn archive(&self, tx: &mut TenantTx) -> Result<(), DbError> {
        let archived = sqlx::query!(
            "UPDATE tenants
             SET status = 'archived', updated_at = now()
             WHERE id = $1 AND status = 'active'",
            tx.tenant().as_uuid(),
        );
        archived.execute(&mut ***tx).await?;
        Ok(())
    }

    async fn restore(&self, tx: &mut SystemTx, id: TenantId) -> Result<(), DbError> {
        let restored = sqlx::query!(
            "UPDATE tenants
             SET status = 'active', updated_at = now()
             WHERE id = $1 AND status = 'archived'",
            id.as_uuid(),
        );
        restored.execute(&mut ***tx).await?;
        Ok(())
    }
}

/// A tenant to be, with its attributes.
#[derive(Debug)]
pub(crate) struct NewTenant<'a> {
    pub(crate) id: TenantId,
    pub(crate) slug: &'a TenantSlug,
    pub(crate) name: &'a str,
    pub(crate) plan: &'a str,
    pub(crate) contract_type: &'a str,
    pub(crate) features: &'a [String],
    /// Seats.
    pub(crate) max_users: i32,
    pub(crate) policy_template_version: i32,
}

/// Makes the tenant and its attributes. `false`: there is one with this id already, and it stays as it is.
pub(crate) async fn create_tenant(tx: &mut SystemTx, new: &NewTenant<'_>) -> Result<bool, DbError> {
    let created = sqlx::query!(
        "INSERT INTO tenants (id, slug, name)
         VALUES ($1, $2, $3)
         ON CONFLICT (id) DO NOTHING",
        new.id.as_uuid(),
        new.slug.as_str(),
        new.name,
    )
    .execute(&mut ***tx)
    .await?;
    sqlx::query!(
        "INSERT INTO tenant_attributes (tenant_id, plan, contract_type, features, max_users, policy_template_version)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (tenant_id) DO NOTHING",
        new.id.as_uuid(),
        new.plan,
        new.contract_type,
        new.features,
        new.max_users,
        new.policy_template_version,
    )
    .execute(&mut ***tx)
    .await?;
    Ok(created.rows_affected() == 1)
}
