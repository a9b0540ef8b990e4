//! The table `policies`, and what is read together with it to decide.

use async_trait::async_trait;
use kernel::{
    contracts::TenantId,
    db::{DbError, Reader},
};
use shaku::{Component, Interface};
use sqlx::types::Json;

use crate::domain::{Policy, TenantFacts};

/// All that a tenant's decisions follow from, at one moment.
#[derive(Debug)]
pub(crate) struct TenantPolicies {
    pub(crate) version: i64,
    pub(crate) facts: TenantFacts,
    pub(crate) policies: Vec<Policy>,
}

/// Policies.
#[async_trait]
pub(crate) trait PolicyRepository: Interface {
    /// The tenant's, for all its roles. For the gate, which has just read that somebody is a member.
    async fn of_tenant(&self, reader: &Reader, tenant: TenantId) -> Result<Option<TenantPolicies>, DbError>;
}

/// [`PolicyRepository`] in SQL.
#[derive(Component)]
#[shaku(interface = PolicyRepository)]
pub(crate) struct PgPolicyRepository;

#[async_trait]
impl PolicyRepository for PgPolicyRepository {
    async fn of_tenant(&self, reader: &Reader, tenant: TenantId) -> Result<Option<TenantPolicies>, DbError> {
        let id = tenant.as_uuid();
        let query = || {
            sqlx::query!(
                r#"SELECT a.policy_version AS "policy_version!", a.plan AS "plan!",
                     a.contract_type AS "contract_type!", a.features AS "features!", a.max_users AS "max_users!",
                     a.policies AS "policies!: Json<Vec<Policy>>"
                   FROM (SELECT tenant_scope($1) AS tenant_id OFFSET 0) AS s,
                     LATERAL (
                       SELECT t.policy_version, a.plan, a.contract_type, a.features, a.max_users,
                         (SELECT coalesce(jsonb_agg(p), '[]') FROM policies AS p WHERE p.tenant_id = s.tenant_id) AS policies
                       FROM tenants AS t
                       JOIN tenant_attributes AS a ON a.tenant_id = t.id
                       WHERE t.id = s.tenant_id
                       OFFSET 0
                     ) AS a"#,
                id,
            )
        };
        let row = reader.fetch_optional(query).await?;
        Ok(row.map(|row| TenantPolicies {
            version: row.policy_version,
            facts: TenantFacts {
                id: tenant,
                plan: row.plan,
                contract_type: row.contract_type,
                features: row.features,
                max_users: row.max_users,
            },
            policies: row.policies.0,
        }))
    }
}
