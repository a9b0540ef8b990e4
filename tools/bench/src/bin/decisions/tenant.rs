//! A tenant with so many policies, and one of its members.

use std::sync::Arc;

use cedar_oracle::{CedarOracle, StoredPolicy, PolicyCondition};
use kernel::contracts::{PolicyId, Principal, RoleId, TenantId, TenantScope, UserId};
use serde_json::Value;
use sqlx::PgConnection;
use test_support::SeededDb;
use uuid::Uuid;

use super::Outcome;

/// The member's proof, and the tenant's policies as they are stored.
pub(crate) struct Tenant {
    pub(crate) scope: Arc<TenantScope>,
    pub(crate) user: UserId,
    pub(crate) role: RoleId,
    pub(crate) policies: Vec<PolicyRow>,
    id: TenantId,
    attributes: (String, String, Vec<String>, i32),
}

/// A policy.
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
    /// One of the policies lets members read people, under this condition; the others speak of other things, half of them to
    /// every member and half to the member's own role, a tenth as denies, a quarter with a condition.
    pub(crate) async fn create(seeded: &SeededDb, policies: i64, condition: Option<&str>) -> Outcome<Self> {
        let (tenant, user) = (seeded.create_tenant().await, seeded.create_user().await);
        seeded.add_member(&tenant, user, tenant.member_role).await;
        let mut owner = seeded.superuser().await;
        sqlx::query("UPDATE policies SET condition = $1::text::jsonb WHERE role_id = $2")
            .bind(condition)
            .bind(tenant.member_role.as_uuid())
            .execute(&mut owner)
            .await?;
        // Two are there already: the system roles'.
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
        .execute(&mut owner)
        .await?;
        Ok(Self {
            scope: seeded.scope(user, &tenant.slug).await?,
            user,
            role: tenant.member_role,
            policies: stored(&mut owner, tenant.id).await?,
            id: tenant.id,
            attributes: sqlx::query_as(
                "SELECT plan, contract_type, features, seat_limit FROM tenant_attributes WHERE tenant_id = $1",
            )
            .bind(tenant.id.as_uuid())
            .fetch_one(&mut owner)
            .await?,
        })
    }

    pub(crate) fn principal(&self) -> Principal {
        Principal::User(self.user)
    }

    pub(crate) fn cedar_oracle(&self) -> Outcome<CedarOracle> {
        let stored: Vec<_> = self.policies.iter().map(PolicyRow::stored).collect();
        let (plan, contract_type, features, seat_limit) = &self.attributes;
        let (id, seat_limit) = (self.id, (*seat_limit).into());
        CedarOracle::new(&stored, &cedar_oracle::Tenant { id, plan, contract_type, features, seat_limit })
    }
}

impl PolicyRow {
    fn stored(&self) -> StoredPolicy<'_> {
        StoredPolicy {
            id: PolicyId::from_uuid(self.id),
            role: self.role_id.map(RoleId::from_uuid),
            denies: self.denies,
            resource: &self.resource,
            verbs: &self.verbs,
            when: self.condition.as_ref().map_or(PolicyCondition::Always, PolicyCondition::If),
        }
    }
}

async fn stored(owner: &mut PgConnection, tenant: TenantId) -> Outcome<Vec<PolicyRow>> {
    let rows = sqlx::query_as(
        "SELECT id, role_id, effect = 'deny' AS denies, resource, verbs, condition FROM policies WHERE tenant_id = $1",
    );
    Ok(rows.bind(tenant.as_uuid()).fetch_all(owner).await?)
}
