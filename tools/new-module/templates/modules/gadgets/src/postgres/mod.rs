//! The table `gadgets`.

use async_trait::async_trait;
use kernel::{
    contracts::{Gadget, GadgetId, GadgetName, TenantId},
    db::{DbError, SystemTx, TenantReader, TenantTx},
};
use shaku::{Component, Interface};
use uuid::Uuid;

/// Stores the gadgets of each tenant.
#[async_trait]
pub(crate) trait GadgetRepository: Interface {
    /// Returns at most `limit` gadgets with ids greater than `after`, ordered by id.
    async fn page(&self, reader: &TenantReader, after: Option<GadgetId>, limit: u16) -> Result<Vec<Gadget>, DbError>;

    /// Returns the gadget with this id.
    async fn find(&self, reader: &TenantReader, id: GadgetId) -> Result<Option<Gadget>, DbError>;

    /// Creates a gadget.
    async fn insert(&self, tx: &mut TenantTx, id: GadgetId, name: &GadgetName) -> Result<Gadget, DbError>;

    /// Renames a gadget. Returns `None` if the tenant has no gadget with this id.
    async fn rename(&self, tx: &mut TenantTx, id: GadgetId, name: &GadgetName) -> Result<Option<Gadget>, DbError>;

    /// Deletes a gadget. Returns `false` if the tenant has no gadget with this id.
    async fn delete(&self, tx: &mut TenantTx, id: GadgetId) -> Result<bool, DbError>;

    /// Creates a demo gadget. Returns `false` and changes nothing if the id already exists.
    async fn seed(&self, tx: &mut SystemTx, tenant: TenantId, id: GadgetId, name: &str) -> Result<bool, DbError>;
}

/// [`GadgetRepository`] for PostgreSQL.
#[derive(Component)]
#[shaku(interface = GadgetRepository)]
pub(crate) struct PgGadgetRepository;

#[async_trait]
impl GadgetRepository for PgGadgetRepository {
    async fn page(&self, reader: &TenantReader, after: Option<GadgetId>, limit: u16) -> Result<Vec<Gadget>, DbError> {
        let (tenant, after) = (reader.tenant().as_uuid(), after.map_or(Uuid::nil(), GadgetId::as_uuid));
        let query = || {
            sqlx::query_as!(
                Gadget,
                r#"SELECT @ALIAS@.id AS "id!: GadgetId", @ALIAS@.name AS "name!: GadgetName", @ALIAS@.created_at AS "created_at!",
                     @ALIAS@.updated_at AS "updated_at!"
                   FROM (SELECT tenant_scope($1) AS tenant_id OFFSET 0) AS s,
                     LATERAL (
                       SELECT @ALIAS@.id, @ALIAS@.name, @ALIAS@.created_at, @ALIAS@.updated_at
                       FROM gadgets AS @ALIAS@
                       WHERE @ALIAS@.tenant_id = s.tenant_id AND @ALIAS@.id > $2
                       ORDER BY @ALIAS@.id
                       LIMIT $3
                     ) AS @ALIAS@
                   ORDER BY @ALIAS@.id"#,
                tenant,
                after,
                i64::from(limit),
            )
        };
        reader.fetch_all(query).await
    }

    async fn find(&self, reader: &TenantReader, id: GadgetId) -> Result<Option<Gadget>, DbError> {
        let (tenant, id) = (reader.tenant().as_uuid(), id.as_uuid());
        let query = || {
            sqlx::query_as!(
                Gadget,
                r#"SELECT @ALIAS@.id AS "id!: GadgetId", @ALIAS@.name AS "name!: GadgetName", @ALIAS@.created_at AS "created_at!",
                     @ALIAS@.updated_at AS "updated_at!"
                   FROM (SELECT tenant_scope($1) AS tenant_id OFFSET 0) AS s,
                     LATERAL (
                       SELECT @ALIAS@.id, @ALIAS@.name, @ALIAS@.created_at, @ALIAS@.updated_at
                       FROM gadgets AS @ALIAS@
                       WHERE @ALIAS@.tenant_id = s.tenant_id AND @ALIAS@.id = $2
                       OFFSET 0
                     ) AS @ALIAS@"#,
                tenant,
                id,
            )
        };
        reader.fetch_optional(query).await
    }

    async fn insert(&self, tx: &mut TenantTx, id: GadgetId, name: &GadgetName) -> Result<Gadget, DbError> {
        let created = sqlx::query_as!(
            Gadget,
            "INSERT INTO gadgets (tenant_id, id, name)
             VALUES ($1, $2, $3)
             RETURNING id, name, created_at, updated_at",
            tx.tenant().as_uuid(),
            id.as_uuid(),
            name.as_str(),
        );
        Ok(created.fetch_one(&mut ***tx).await?)
    }

    async fn rename(&self, tx: &mut TenantTx, id: GadgetId, name: &GadgetName) -> Result<Option<Gadget>, DbError> {
        let renamed = sqlx::query_as!(
            Gadget,
            "UPDATE gadgets
             SET name = $3, updated_at = now()
             WHERE tenant_id = $1 AND id = $2
             RETURNING id, name, created_at, updated_at",
            tx.tenant().as_uuid(),
            id.as_uuid(),
            name.as_str(),
        );
        Ok(renamed.fetch_optional(&mut ***tx).await?)
    }

    async fn delete(&self, tx: &mut TenantTx, id: GadgetId) -> Result<bool, DbError> {
        let (tenant, id) = (tx.tenant().as_uuid(), id.as_uuid());
        let deleted = sqlx::query!("DELETE FROM gadgets WHERE tenant_id = $1 AND id = $2", tenant, id);
        Ok(deleted.execute(&mut ***tx).await?.rows_affected() == 1)
    }

    async fn seed(&self, tx: &mut SystemTx, tenant: TenantId, id: GadgetId, name: &str) -> Result<bool, DbError> {
        let created = sqlx::query!(
            "INSERT INTO gadgets (tenant_id, id, name)
             VALUES ($1, $2, $3)
             ON CONFLICT (tenant_id, id) DO NOTHING",
            tenant.as_uuid(),
            id.as_uuid(),
            name,
        );
        Ok(created.execute(&mut ***tx).await?.rows_affected() == 1)
    }
}
