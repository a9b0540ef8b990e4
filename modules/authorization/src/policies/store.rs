//! The table `policies`, and the tenant attributes that decisions depend on.

use async_trait::async_trait;
use authorization_api::{Effect, PolicyContent, PolicyDetails, RoleSummary};
use db::{DbError, Reader, TenantReader, TenantTx};
use kernel::{PolicyId, RoleId, TenantId};
use serde_json::Value;
use shaku::{Component, Interface};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    engine::{NewPolicy, Policy, PolicyVersion, TenantAttributes},
    guarded_change::tx::GuardedTx,
};

/// Everything that a tenant's decisions depend on, from one snapshot.
#[derive(Debug)]
pub(crate) struct TenantPolicies {
    pub(crate) version: PolicyVersion,
    pub(crate) attributes: TenantAttributes,
    pub(crate) policies: Vec<Policy>,
}

#[async_trait]
pub(crate) trait PolicyRepository: Interface {
    /// Returns all policies of the tenant. Only for admission, which has checked the membership.
    async fn find_for_tenant(&self, reader: &Reader, tenant: TenantId) -> Result<Option<TenantPolicies>, DbError>;

    /// Returns at most `limit` policies with ids greater than `after`, ordered by id.
    async fn list(
        &self,
        reader: &TenantReader,
        after: Option<PolicyId>,
        limit: u16,
    ) -> Result<Vec<PolicyDetails>, DbError>;

    async fn find(&self, reader: &TenantReader, id: PolicyId) -> Result<Option<PolicyDetails>, DbError>;

    /// Returns the policy's row within a change.
    async fn find_stored(&self, tx: &mut TenantTx, id: PolicyId) -> Result<Option<StoredPolicy>, DbError>;

    /// Creates a custom policy.
    async fn create(&self, tx: &mut GuardedTx, id: PolicyId, new: &NewPolicy) -> Result<PolicyDetails, DbError>;

    /// Replaces a custom policy, except for its role.
    async fn update(&self, tx: &mut GuardedTx, id: PolicyId, new: &NewPolicy) -> Result<PolicyDetails, DbError>;

    /// Deletes a custom policy.
    async fn delete(&self, tx: &mut GuardedTx, id: PolicyId) -> Result<(), DbError>;
}

/// A row of `policies`.
#[derive(Debug)]
pub(crate) struct StoredPolicy {
    pub(crate) content: PolicyContent,
    pub(crate) is_template: bool,
}

/// A policy with its role's name.
#[derive(Debug)]
struct PolicyRow {
    id: PolicyId,
    role_id: Option<RoleId>,
    role_name: Option<String>,
    effect: Effect,
    resource: String,
    verbs: Vec<String>,
    condition: Option<Value>,
    is_template: bool,
    created_at: OffsetDateTime,
}

impl From<PolicyRow> for PolicyDetails {
    fn from(row: PolicyRow) -> Self {
        let PolicyRow { id, role_id, role_name, effect, resource, verbs, condition, is_template, created_at } = row;
        let role = role_id.zip(role_name).map(|(id, name)| RoleSummary { id, name });
        Self { id, role, effect, resource, verbs, condition, is_template, created_at }
    }
}

#[derive(Component)]
#[shaku(interface = PolicyRepository)]
pub(crate) struct PgPolicyRepository;

#[async_trait]
impl PolicyRepository for PgPolicyRepository {
    async fn find_for_tenant(&self, reader: &Reader, tenant: TenantId) -> Result<Option<TenantPolicies>, DbError> {
        let id = tenant.as_uuid();
        let query = || {
            sqlx::query!(
                r#"SELECT a.policy_version AS "policy_version!: PolicyVersion", a.plan AS "plan!",
                     a.contract_type AS "contract_type!", a.features AS "features!", a.seat_limit AS "seat_limit!",
                     a.policies AS "policies!: Json<Vec<Policy>>"
                   FROM (SELECT tenant_scope($1) AS tenant_id OFFSET 0) AS s,
                     LATERAL (
                       SELECT t.policy_version, a.plan, a.contract_type, a.features, a.seat_limit,
                         (SELECT coalesce(jsonb_agg(p), '[]') FROM policies AS p WHERE p.tenant_id = s.tenant_id) AS policies
                       FROM tenants AS t
                       JOIN tenant_attributes AS a ON a.tenant_id = t.id
                       WHERE t.id = s.tenant_id
                       OFFSET 0
                     ) AS a"#,
                id,
            )
            .map(move |row| TenantPolicies {
                version: row.policy_version,
                attributes: TenantAttributes {
                    id: tenant,
                    plan: row.plan,
                    contract_type: row.contract_type,
                    features: row.features,
                    seat_limit: row.seat_limit,
                },
                policies: row.policies.0,
            })
        };
        reader.fetch_optional(query).await
    }

    async fn list(
        &self,
        reader: &TenantReader,
        after: Option<PolicyId>,
        limit: u16,
    ) -> Result<Vec<PolicyDetails>, DbError> {
        let (scope, after) = (reader.scope_argument(), after.map_or(Uuid::nil(), PolicyId::as_uuid));
        let query = || {
            sqlx::query_as!(
                PolicyRow,
                r#"SELECT p.id AS "id!: PolicyId", p.role_id AS "role_id?: RoleId", p.role_name AS "role_name?",
                     p.effect AS "effect!: Effect", p.resource AS "resource!", p.verbs AS "verbs!", p.condition,
                     p.is_template AS "is_template!", p.created_at AS "created_at!"
                   FROM (SELECT admitted_scope($1) AS tenant_id OFFSET 0) AS s,
                     LATERAL (
                       SELECT p.id, p.role_id, r.name AS role_name, p.effect, p.resource, p.verbs, p.condition,
                         p.is_template, p.created_at
                       FROM policies AS p
                       LEFT JOIN roles AS r ON r.tenant_id = p.tenant_id AND r.id = p.role_id
                       WHERE p.tenant_id = s.tenant_id AND p.id > $2
                       ORDER BY p.id
                       LIMIT $3
                     ) AS p
                   ORDER BY p.id"#,
                scope,
                after,
                i64::from(limit),
            )
        };
        Ok(reader.fetch_all(query).await?.into_iter().map(Into::into).collect())
    }

    async fn find(&self, reader: &TenantReader, id: PolicyId) -> Result<Option<PolicyDetails>, DbError> {
        let (scope, id) = (reader.scope_argument(), id.as_uuid());
        let query = || {
            sqlx::query_as!(
                PolicyRow,
                r#"SELECT p.id AS "id!: PolicyId", p.role_id AS "role_id?: RoleId", p.role_name AS "role_name?",
                     p.effect AS "effect!: Effect", p.resource AS "resource!", p.verbs AS "verbs!", p.condition,
                     p.is_template AS "is_template!", p.created_at AS "created_at!"
                   FROM (SELECT admitted_scope($1) AS tenant_id OFFSET 0) AS s,
                     LATERAL (
                       SELECT p.id, p.role_id, r.name AS role_name, p.effect, p.resource, p.verbs, p.condition,
                         p.is_template, p.created_at
                       FROM policies AS p
                       LEFT JOIN roles AS r ON r.tenant_id = p.tenant_id AND r.id = p.role_id
                       WHERE p.tenant_id = s.tenant_id AND p.id = $2
                       OFFSET 0
                     ) AS p"#,
                scope,
                id,
            )
        };
        Ok(reader.fetch_optional(query).await?.map(Into::into))
    }

    async fn find_stored(&self, tx: &mut TenantTx, id: PolicyId) -> Result<Option<StoredPolicy>, DbError> {
        let stored = sqlx::query!(
            r#"SELECT role_id AS "role_id: RoleId", effect AS "effect: Effect", resource, verbs, condition, is_template
               FROM policies
               WHERE tenant_id = $1 AND id = $2"#,
            tx.tenant().as_uuid(),
            id.as_uuid(),
        )
        .map(|row| StoredPolicy {
            content: PolicyContent {
                role: row.role_id,
                effect: row.effect,
                resource: row.resource,
                verbs: row.verbs,
                condition: row.condition,
            },
            is_template: row.is_template,
        });
        Ok(stored.fetch_optional(tx.conn()).await?)
    }

    async fn create(&self, tx: &mut GuardedTx, id: PolicyId, new: &NewPolicy) -> Result<PolicyDetails, DbError> {
        let created = sqlx::query_as!(
            PolicyRow,
            r#"INSERT INTO policies AS p (tenant_id, id, role_id, effect, resource, verbs, condition, digest)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
               RETURNING id, role_id, (SELECT r.name FROM roles AS r WHERE r.tenant_id = $1 AND r.id = $3) AS role_name,
                 effect, resource, verbs, condition, is_template, created_at"#,
            tx.tenant().as_uuid(),
            id.as_uuid(),
            new.role_id().map(RoleId::as_uuid),
            new.effect() as Effect,
            new.resource(),
            new.verbs(),
            new.condition(),
            digest(new)?,
        );
        Ok(created.fetch_one(tx.conn()).await?.into())
    }

    async fn update(&self, tx: &mut GuardedTx, id: PolicyId, new: &NewPolicy) -> Result<PolicyDetails, DbError> {
        let updated = sqlx::query_as!(
            PolicyRow,
            r#"UPDATE policies AS p
               SET effect = $3, resource = $4, verbs = $5, condition = $6, digest = $7
               WHERE p.tenant_id = $1 AND p.id = $2 AND NOT p.is_template
               RETURNING id, role_id,
                 (SELECT r.name FROM roles AS r WHERE r.tenant_id = p.tenant_id AND r.id = p.role_id) AS role_name,
                 effect, resource, verbs, condition, is_template, created_at"#,
            tx.tenant().as_uuid(),
            id.as_uuid(),
            new.effect() as Effect,
            new.resource(),
            new.verbs(),
            new.condition(),
            digest(new)?,
        );
        Ok(updated.fetch_one(tx.conn()).await?.into())
    }

    async fn delete(&self, tx: &mut GuardedTx, id: PolicyId) -> Result<(), DbError> {
        let (tenant, id) = (tx.tenant().as_uuid(), id.as_uuid());
        sqlx::query!("DELETE FROM policies WHERE tenant_id = $1 AND id = $2 AND NOT is_template", tenant, id)
            .execute(tx.conn())
            .await?;
        Ok(())
    }
}

/// Returns the digest by which the database rejects identical policies.
pub(crate) fn digest(policy: &NewPolicy) -> Result<Vec<u8>, DbError> {
    Ok(policy.digest().map_err(|error| sqlx::Error::Encode(Box::new(error)))?)
}
