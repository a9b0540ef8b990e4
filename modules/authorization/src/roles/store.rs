//! The table `roles`.

use async_trait::async_trait;
use authorization_api::{Effect, PolicyContent, Role, RoleName};
use db::{DbError, TenantReader, TenantTx};
use kernel::{PolicyId, RoleId};
use shaku::{Component, Interface};

use crate::guarded_change::tx::GuardedTx;

#[async_trait]
pub(crate) trait RoleRepository: Interface {
    /// Returns the tenant's roles: system roles first, then ordered by name.
    async fn list(&self, reader: &TenantReader) -> Result<Vec<Role>, DbError>;

    async fn find(&self, tx: &mut TenantTx, id: RoleId) -> Result<Option<Role>, DbError>;

    async fn count(&self, tx: &mut TenantTx) -> Result<i64, DbError>;

    /// Creates a custom role.
    async fn create(&self, tx: &mut GuardedTx, id: RoleId, name: &RoleName) -> Result<(), DbError>;

    /// Renames a custom role.
    async fn rename(&self, tx: &mut GuardedTx, id: RoleId, name: &RoleName) -> Result<(), DbError>;

    /// Deletes a custom role and its policies, which are returned.
    async fn delete(&self, tx: &mut GuardedTx, id: RoleId) -> Result<Vec<(PolicyId, PolicyContent)>, DbError>;
}

#[derive(Component)]
#[shaku(interface = RoleRepository)]
pub(crate) struct PgRoleRepository;

#[async_trait]
impl RoleRepository for PgRoleRepository {
    async fn list(&self, reader: &TenantReader) -> Result<Vec<Role>, DbError> {
        let scope = reader.scope_argument();
        let query = || {
            sqlx::query_as!(
                Role,
                r#"SELECT r.id AS "id!: RoleId", r.name AS "name!: RoleName", r.is_system AS "is_system!", r.members AS "members!"
                   FROM (SELECT admitted_scope($1) AS tenant_id OFFSET 0) AS s,
                     LATERAL (
                       SELECT r.id, r.name, r.name_key, r.is_system,
                         (SELECT count(*) FROM memberships AS m WHERE m.tenant_id = s.tenant_id AND m.role_id = r.id) AS members
                       FROM roles AS r
                       WHERE r.tenant_id = s.tenant_id
                       OFFSET 0
                     ) AS r
                   ORDER BY r.is_system DESC, r.name_key, r.id"#,
                scope,
            )
        };
        reader.fetch_all(query).await
    }

    async fn find(&self, tx: &mut TenantTx, id: RoleId) -> Result<Option<Role>, DbError> {
        let role = sqlx::query_as!(
            Role,
            r#"SELECT r.id, r.name AS "name: RoleName", r.is_system,
                 (SELECT count(*) FROM memberships AS m WHERE m.tenant_id = $1 AND m.role_id = r.id) AS "members!"
               FROM roles AS r
               WHERE r.tenant_id = $1 AND r.id = $2"#,
            tx.tenant().as_uuid(),
            id.as_uuid(),
        );
        Ok(role.fetch_optional(tx.conn()).await?)
    }

    async fn count(&self, tx: &mut TenantTx) -> Result<i64, DbError> {
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM roles WHERE tenant_id = $1"#,
            tx.tenant().as_uuid()
        );
        Ok(count.fetch_one(tx.conn()).await?)
    }

    async fn create(&self, tx: &mut GuardedTx, id: RoleId, name: &RoleName) -> Result<(), DbError> {
        let created = sqlx::query!(
            "INSERT INTO roles (tenant_id, id, name, name_key)
             VALUES ($1, $2, $3, $4)",
            tx.tenant().as_uuid(),
            id.as_uuid(),
            name.as_str(),
            name.key(),
        );
        created.execute(tx.conn()).await?;
        Ok(())
    }

    async fn rename(&self, tx: &mut GuardedTx, id: RoleId, name: &RoleName) -> Result<(), DbError> {
        let renamed = sqlx::query!(
            "UPDATE roles
             SET name = $3, name_key = $4
             WHERE tenant_id = $1 AND id = $2 AND NOT is_system",
            tx.tenant().as_uuid(),
            id.as_uuid(),
            name.as_str(),
            name.key(),
        );
        renamed.execute(tx.conn()).await?;
        Ok(())
    }

    async fn delete(&self, tx: &mut GuardedTx, id: RoleId) -> Result<Vec<(PolicyId, PolicyContent)>, DbError> {
        let (tenant, id) = (tx.tenant().as_uuid(), id.as_uuid());
        let policies = sqlx::query!(
            r#"DELETE FROM policies
               WHERE tenant_id = $1 AND role_id = $2 AND NOT is_template
               RETURNING id AS "id: PolicyId", role_id AS "role_id: RoleId", effect AS "effect: Effect", resource, verbs,
                 condition"#,
            tenant,
            id,
        )
        .map(|row| {
            let content = PolicyContent {
                role: row.role_id,
                effect: row.effect,
                resource: row.resource,
                verbs: row.verbs,
                condition: row.condition,
            };
            (row.id, content)
        });
        let policies = policies.fetch_all(tx.conn()).await?;
        sqlx::query!("DELETE FROM roles WHERE tenant_id = $1 AND id = $2 AND NOT is_system", tenant, id)
            .execute(tx.conn())
            .await?;
        Ok(policies)
    }
}
