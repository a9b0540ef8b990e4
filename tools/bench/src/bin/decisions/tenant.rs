//! A tenant with a given number of policies, and one of its members.

use std::sync::Arc;

use bench::BoxResult;
use cedar_oracle::{CedarOracle, PolicyCondition, PolicyInput};
use kernel::{PolicyId, Principal, RoleId, TenantId, TenantScope, UserId};
use serde_json::Value;
use sqlx::PgConnection;
use test_support::SeededDb;
use uuid::Uuid;

/// The member's tenant scope, and the tenant's stored policies.
pub(crate) struct Tenant {
    pub(crate) scope: Arc<TenantScope>,
    pub(crate) user: UserId,
    pub(crate) role: RoleId,
    pub(crate) policies: Vec<PolicyRow>,
    id: TenantId,
    attributes: (String, String, Vec<String>, i32),
}

#[derive(sqlx::FromRow)]
pub(crate) struct PolicyRow {
    id: Uuid,
    pub(crate) role_id: Option<Uuid>,
    pub(crate) denies: bool,
    pub(crate) resource: String,
    pub(crate) verbs: Vec<String>,
    condition: Option<Value>,
}

impl Tenant {
    /// Creates the tenant. One policy allows members to read users, under `condition`. The others don't match that
    /// permission: half apply to every member and half to the member role, a tenth are denies, a quarter are conditional.
    pub(crate) async fn create(seeded: &SeededDb, policies: i64, condition: Option<&str>) -> BoxResult<Self> {
        let tenant = seeded.create_tenant().await;
        let user = seeded.create_member(&tenant, tenant.member_role).await;
        let mut superuser = seeded.superuser().await;
        sqlx::query("UPDATE policies SET condition = $1::text::jsonb WHERE role_id = $2")
            .bind(condition)
            .bind(tenant.member_role.as_uuid())
            .execute(&mut superuser)
            .await?;
        // The system roles already have two policies.
        sqlx::query(
            r#"INSERT INTO policies (tenant_id, id, role_id, effect, resource, verbs, condition, digest)
               SELECT $1, gen_random_uuid(), CASE WHEN i % 2 = 0 THEN $2 END,
                 CASE WHEN i % 10 = 0 THEN 'deny'::policy_effect ELSE 'allow' END,
                 CASE WHEN i % 3 = 0 THEN 'user' ELSE 'resource_' || i END, ARRAY['verb_' || i],
                 CASE WHEN i % 4 = 0 THEN '{"owner": {}}'::jsonb END, sha256(i::text::bytea)
               FROM generate_series(3, $3) AS i"#,
        )
        .bind(tenant.id.as_uuid())
        .bind(tenant.member_role.as_uuid())
        .bind(policies)
        .execute(&mut superuser)
        .await?;
        Ok(Self {
            scope: seeded.scope(user, &tenant.slug).await?,
            user,
            role: tenant.member_role,
            policies: stored_policies(&mut superuser, tenant.id).await?,
            id: tenant.id,
            attributes: sqlx::query_as(
                "SELECT plan, contract_type, features, seat_limit FROM tenant_attributes WHERE tenant_id = $1",
            )
            .bind(tenant.id.as_uuid())
            .fetch_one(&mut superuser)
            .await?,
        })
    }

    pub(crate) fn principal(&self) -> Principal {
        Principal::User(self.user)
    }

    pub(crate) fn cedar_oracle(&self) -> BoxResult<CedarOracle> {
        let stored: Vec<_> = self.policies.iter().map(PolicyRow::stored).collect();
        let (plan, contract_type, features, seat_limit) = &self.attributes;
        let (id, seat_limit) = (self.id, (*seat_limit).into());
        CedarOracle::new(&stored, &cedar_oracle::Tenant { id, plan, contract_type, features, seat_limit })
    }
}

impl PolicyRow {
    fn stored(&self) -> PolicyInput<'_> {
        PolicyInput {
            id: PolicyId::from_uuid(self.id),
            role: self.role_id.map(RoleId::from_uuid),
            denies: self.denies,
            resource: &self.resource,
            verbs: &self.verbs,
            condition: self.condition.as_ref().map_or(PolicyCondition::Always, PolicyCondition::If),
        }
    }
}

async fn stored_policies(connection: &mut PgConnection, tenant: TenantId) -> BoxResult<Vec<PolicyRow>> {
    let rows = sqlx::query_as(
        "SELECT id, role_id, effect = 'deny' AS denies, resource, verbs, condition FROM policies WHERE tenant_id = $1",
    );
    Ok(rows.bind(tenant.as_uuid()).fetch_all(connection).await?)
}
