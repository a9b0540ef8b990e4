//! The state that a [`crate::guarded_change::GuardedChange`] is checked against: a tenant's policies and roles, read
//! under a lock.

use db::{DbError, Tx};
use kernel::{RoleId, TenantId, UserId};
use serde::Deserialize;
use sqlx::types::Json;

use crate::{
    engine::{Policy, PolicyVersion, TenantAttributes},
    policies::store::TenantPolicies,
};

/// A tenant's policies and roles, with the role of one member.
#[derive(Debug)]
pub(crate) struct PolicyState {
    pub(crate) tenant: TenantPolicies,
    pub(crate) roles: Vec<RoleUsage>,
    /// The member's role; `None` if they aren't an active member.
    pub(crate) role: Option<RoleId>,
}

/// A role, and whether an active member has it.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct RoleUsage {
    pub(crate) id: RoleId,
    pub(crate) in_use: bool,
}

/// Reads the current state, including uncommitted changes of this transaction.
pub(crate) async fn read_policy_state(
    tx: &mut Tx,
    tenant: TenantId,
    member: UserId,
) -> Result<Option<PolicyState>, DbError> {
    let state = sqlx::query!(
        r#"SELECT t.policy_version AS "policy_version: PolicyVersion", a.plan, a.contract_type, a.features, a.seat_limit,
             (SELECT coalesce(jsonb_agg(p), '[]') FROM policies AS p WHERE p.tenant_id = t.id)
               AS "policies!: Json<Vec<Policy>>",
             (SELECT coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'in_use', EXISTS (
                SELECT FROM memberships AS m
                JOIN user_profiles AS p ON p.id = m.user_id
                WHERE m.tenant_id = r.tenant_id AND m.role_id = r.id AND p.active))), '[]')
              FROM roles AS r WHERE r.tenant_id = t.id)
               AS "roles!: Json<Vec<RoleUsage>>",
             (SELECT m.role_id
              FROM memberships AS m
              JOIN user_profiles AS p ON p.id = m.user_id
              WHERE m.tenant_id = t.id AND m.user_id = $2 AND p.active)
               AS "role: RoleId"
           FROM tenants AS t
           JOIN tenant_attributes AS a ON a.tenant_id = t.id
           WHERE t.id = $1"#,
        tenant.as_uuid(),
        member.as_uuid(),
    )
    .map(|row| PolicyState {
        tenant: TenantPolicies {
            version: row.policy_version,
            attributes: TenantAttributes {
                id: tenant,
                plan: row.plan,
                contract_type: row.contract_type,
                features: row.features,
                seat_limit: row.seat_limit,
            },
            policies: row.policies.0,
        },
        roles: row.roles.0,
        role: row.role,
    });
    Ok(state.fetch_optional(tx.conn()).await?)
}
