//! What a change to who may do what is held against: all of a tenant's rules, as they are while nobody else changes them.

use async_trait::async_trait;
use kernel::{
    contracts::{RoleId, TenantId, UserId},
    db::{DbError, Tx},
};
use serde::Deserialize;
use shaku::{Component, Interface};
use sqlx::types::Json;

use super::policies::TenantPolicies;
use crate::domain::{Policy, TenantFacts};

/// A tenant's rules, and one member's place in them.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) policies: TenantPolicies,
    pub(crate) roles: Vec<RoleInUse>,
    /// The active member's; `None` where there is no such member.
    pub(crate) role: Option<RoleId>,
}

/// A role, and whether any active person has it.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct RoleInUse {
    pub(crate) id: RoleId,
    pub(crate) in_use: bool,
}

/// The rules.
#[async_trait]
pub(crate) trait RuleRepository: Interface {
    /// Waits until nobody else changes the tenant's rules, and lets nobody until the transaction ends. `false`: there is no
    /// such active tenant. Whatever changes rules, members or invitations begins with it.
    async fn lock(&self, tx: &mut Tx, tenant: TenantId) -> Result<bool, DbError>;

    /// The rules as they are now, in this transaction's eyes.
    async fn read(&self, tx: &mut Tx, tenant: TenantId, member: UserId) -> Result<Option<Rules>, DbError>;
}

/// [`RuleRepository`] in SQL.
#[derive(Component)]
#[shaku(interface = RuleRepository)]
pub(crate) struct PgRuleRepository;

#[async_trait]
impl RuleRepository for PgRuleRepository {
    async fn lock(&self, tx: &mut Tx, tenant: TenantId) -> Result<bool, DbError> {
        let lock = sqlx::query!(
            "SELECT id
             FROM tenants
             WHERE id = $1 AND status = 'active'
             FOR NO KEY UPDATE",
            tenant.as_uuid(),
        );
        Ok(lock.fetch_optional(&mut **tx).await?.is_some())
    }

    async fn read(&self, tx: &mut Tx, tenant: TenantId, member: UserId) -> Result<Option<Rules>, DbError> {
        let rules = sqlx::query!(
            r#"SELECT t.policy_version, a.plan, a.contract_type, a.features, a.max_users,
                 (SELECT coalesce(jsonb_agg(p), '[]') FROM policies AS p WHERE p.tenant_id = t.id)
                   AS "policies!: Json<Vec<Policy>>",
                 (SELECT coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'in_use', EXISTS (
                    SELECT FROM memberships AS m
                    JOIN people AS p ON p.id = m.user_id
                    WHERE m.tenant_id = r.tenant_id AND m.role_id = r.id AND p.active))), '[]')
                  FROM roles AS r WHERE r.tenant_id = t.id)
                   AS "roles!: Json<Vec<RoleInUse>>",
                 (SELECT m.role_id
                  FROM memberships AS m
                  JOIN people AS p ON p.id = m.user_id
                  WHERE m.tenant_id = t.id AND m.user_id = $2 AND p.active)
                   AS "role: RoleId"
               FROM tenants AS t
               JOIN tenant_attributes AS a ON a.tenant_id = t.id
               WHERE t.id = $1"#,
            tenant.as_uuid(),
            member.as_uuid(),
        );
        let row = rules.fetch_optional(&mut **tx).await?;
        Ok(row.map(|row| Rules {
            policies: TenantPolicies {
                version: row.policy_version,
                facts: TenantFacts {
                    id: tenant,
                    plan: row.plan,
                    contract_type: row.contract_type,
                    features: row.features,
                    max_users: row.max_users,
                },
                policies: row.policies.0,
            },
            roles: row.roles.0,
            role: row.role,
        }))
    }
}
