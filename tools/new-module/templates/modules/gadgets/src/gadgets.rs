//! The gadgets of a tenant.

use std::sync::Arc;

use async_trait::async_trait;
use db::{Database, DbError, SystemTx, TenantTx};
use gadgets_api::{
    Gadget, GadgetCreated, GadgetDeleted, GadgetId, GadgetManage, GadgetName, GadgetRead, GadgetRenamed, Gadgets,
    GadgetsError,
};
use kernel::{Change, Permit, TenantId};
use shaku::Component;
use uuid::Uuid;

/// Implements `/v1/gadgets`.
#[derive(Component)]
#[shaku(interface = Gadgets)]
pub(crate) struct GadgetService {
    #[shaku(inject)]
    database: Arc<dyn Database>,
}

#[async_trait]
impl Gadgets for GadgetService {
    async fn list(
        &self,
        permit: &Permit<GadgetRead>,
        after: Option<GadgetId>,
        limit: u16,
    ) -> Result<Vec<Gadget>, GadgetsError> {
        let reader = self.database.tenant_reader(permit.scope());
        let (scope, after) = (reader.scope_argument(), after.map_or(Uuid::nil(), GadgetId::as_uuid));
        let query = || {
            sqlx::query_as!(
                Gadget,
                r#"SELECT r.id AS "id!: GadgetId", r.name AS "name!: GadgetName", r.created_at AS "created_at!",
                     r.updated_at AS "updated_at!"
                   FROM (SELECT admitted_scope($1) AS tenant_id OFFSET 0) AS s,
                     LATERAL (
                       SELECT r.id, r.name, r.created_at, r.updated_at
                       FROM gadgets AS r
                       WHERE r.tenant_id = s.tenant_id AND r.id > $2
                       ORDER BY r.id
                       LIMIT $3
                     ) AS r
                   ORDER BY r.id"#,
                scope,
                after,
                i64::from(limit),
            )
        };
        Ok(reader.fetch_all(query).await?)
    }

    async fn get(&self, permit: &Permit<GadgetRead>, id: GadgetId) -> Result<Gadget, GadgetsError> {
        let reader = self.database.tenant_reader(permit.scope());
        let (scope, id) = (reader.scope_argument(), id.as_uuid());
        let query = || {
            sqlx::query_as!(
                Gadget,
                r#"SELECT r.id AS "id!: GadgetId", r.name AS "name!: GadgetName", r.created_at AS "created_at!",
                     r.updated_at AS "updated_at!"
                   FROM (SELECT admitted_scope($1) AS tenant_id OFFSET 0) AS s,
                     LATERAL (
                       SELECT r.id, r.name, r.created_at, r.updated_at
                       FROM gadgets AS r
                       WHERE r.tenant_id = s.tenant_id AND r.id = $2
                       OFFSET 0
                     ) AS r"#,
                scope,
                id,
            )
        };
        reader.fetch_optional(query).await?.ok_or(GadgetsError::NotFound)
    }

    async fn create(&self, permit: &Permit<GadgetManage>, name: &GadgetName) -> Result<Gadget, GadgetsError> {
        let mut tx = self.database.begin(permit.scope()).await?;
        let created = sqlx::query_as!(
            Gadget,
            "INSERT INTO gadgets (tenant_id, id, name)
             VALUES ($1, $2, $3)
             RETURNING id, name, created_at, updated_at",
            tx.tenant().as_uuid(),
            GadgetId::new().as_uuid(),
            name.as_str(),
        );
        let created = created.fetch_one(tx.conn()).await.map_err(DbError::from)?;
        tx.commit(GadgetCreated { gadget: created.id, name: name.clone() }).await?;
        Ok(created)
    }

    async fn rename(
        &self,
        permit: &Permit<GadgetManage>,
        id: GadgetId,
        name: &GadgetName,
    ) -> Result<Gadget, GadgetsError> {
        let mut tx = self.database.begin(permit.scope()).await?;
        let before = lock(&mut tx, id).await?.ok_or(GadgetsError::NotFound)?;
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
        let renamed = renamed.fetch_one(tx.conn()).await.map_err(DbError::from)?;
        tx.commit(GadgetRenamed { gadget: id, name: Change { before: before.name, after: name.clone() } }).await?;
        Ok(renamed)
    }

    async fn delete(&self, permit: &Permit<GadgetManage>, id: GadgetId) -> Result<(), GadgetsError> {
        let mut tx = self.database.begin(permit.scope()).await?;
        let deleted = sqlx::query!(
            "DELETE FROM gadgets WHERE tenant_id = $1 AND id = $2",
            tx.tenant().as_uuid(),
            id.as_uuid(),
        );
        if deleted.execute(tx.conn()).await.map_err(DbError::from)?.rows_affected() == 0 {
            return Err(GadgetsError::NotFound);
        }
        Ok(tx.commit(GadgetDeleted { gadget: id }).await?)
    }
}

/// Returns the gadget, and locks it until the transaction ends.
async fn lock(tx: &mut TenantTx, id: GadgetId) -> Result<Option<Gadget>, DbError> {
    let gadget = sqlx::query_as!(
        Gadget,
        "SELECT id, name, created_at, updated_at
         FROM gadgets
         WHERE tenant_id = $1 AND id = $2
         FOR NO KEY UPDATE",
        tx.tenant().as_uuid(),
        id.as_uuid(),
    );
    Ok(gadget.fetch_optional(tx.conn()).await?)
}

/// Creates a gadget with this id. Returns `false` and changes nothing if there is one.
pub(crate) async fn create(tx: &mut SystemTx, tenant: TenantId, id: GadgetId, name: &str) -> Result<bool, DbError> {
    let created = sqlx::query!(
        "INSERT INTO gadgets (tenant_id, id, name)
         VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, id) DO NOTHING",
        tenant.as_uuid(),
        id.as_uuid(),
        name,
    );
    Ok(created.execute(tx.conn()).await?.rows_affected() == 1)
}
