//! Statements for policy templates. Each handles many tenants at once.

use std::collections::BTreeMap;

use authorization_api::{Effect, TenantsAtVersion};
use db::{DbError, SystemTx};
use kernel::{RoleId, TenantId, TenantSlug};
use uuid::Uuid;

use crate::{
    policies::store::digest,
    templates::{ExistingRole, TemplateAdditions},
};

/// A tenant with its template version, and with the roles that are named like a system role.
#[derive(Debug)]
pub(crate) struct TenantTemplateState {
    pub(crate) id: TenantId,
    pub(crate) slug: TenantSlug,
    pub(crate) version: i32,
    /// The roles with one of the requested names, by name.
    pub(crate) roles: BTreeMap<String, ExistingRole>,
}

/// Counts tenants by template version, archived ones included, oldest version first.
pub(crate) async fn count_tenants_by_version(tx: &mut SystemTx) -> Result<Vec<TenantsAtVersion>, DbError> {
    // system: the operator sees the versions of all tenants.
    let rows = sqlx::query_as!(
        TenantsAtVersion,
        r#"SELECT policy_template_version AS version, count(*) AS "tenants!"
           FROM tenant_attributes
           GROUP BY policy_template_version
           ORDER BY policy_template_version"#,
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// Returns the tenants at versions older than `version`, archived ones included, ordered by id.
pub(crate) async fn outdated_tenants(tx: &mut SystemTx, version: i32) -> Result<Vec<TenantId>, DbError> {
    // system: an upgrade searches all tenants for outdated ones.
    let ids = sqlx::query_scalar!(
        "SELECT tenant_id
         FROM tenant_attributes
         WHERE policy_template_version < $1
         ORDER BY tenant_id",
        version,
    );
    Ok(ids.fetch_all(tx.conn()).await?)
}

/// Locks the tenants against changes to their roles, policies and members until the transaction ends. Skips those that
/// another transaction has locked. Returns the locked ones.
pub(crate) async fn lock_tenants(tx: &mut SystemTx, tenants: &[TenantId]) -> Result<Vec<TenantId>, DbError> {
    let ids = sqlx::query_scalar!(
        "SELECT id
         FROM tenants
         WHERE id = ANY ($1)
         ORDER BY id
         FOR NO KEY UPDATE SKIP LOCKED",
        &uuids(tenants),
    );
    Ok(ids.fetch_all(tx.conn()).await?)
}

/// Returns the tenants, each with those of its roles that have one of these names.
pub(crate) async fn find_template_states(
    tx: &mut SystemTx,
    tenants: &[TenantId],
    names: &[&str],
) -> Result<Vec<TenantTemplateState>, DbError> {
    let (ids, names) = (uuids(tenants), names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let rows = sqlx::query!(
        "SELECT t.id, t.slug, a.policy_template_version AS version
         FROM tenants AS t
         JOIN tenant_attributes AS a ON a.tenant_id = t.id
         WHERE t.id = ANY ($1)",
        &ids,
    );
    let mut states = BTreeMap::new();
    for row in rows.fetch_all(tx.conn()).await? {
        let roles = BTreeMap::new();
        states.insert(row.id, TenantTemplateState { id: row.id, slug: row.slug, version: row.version, roles });
    }
    let roles = sqlx::query!(
        "SELECT tenant_id, id, name_key, is_system
         FROM roles
         WHERE tenant_id = ANY ($1) AND name_key = ANY ($2)",
        &ids,
        &names,
    );
    for row in roles.fetch_all(tx.conn()).await? {
        if let Some(tenant) = states.get_mut(&row.tenant_id) {
            tenant.roles.insert(row.name_key, ExistingRole { id: row.id, is_system: row.is_system });
        }
    }
    Ok(states.into_values().collect())
}

/// Inserts system roles and template policies. Skips a policy if the tenant has an identical one, even a custom one.
pub(crate) async fn insert_additions(
    tx: &mut SystemTx,
    tenants: &[(TenantId, TemplateAdditions)],
) -> Result<(), DbError> {
    insert_roles(tx, tenants).await?;
    insert_policies(tx, tenants).await
}

async fn insert_roles(tx: &mut SystemTx, tenants: &[(TenantId, TemplateAdditions)]) -> Result<(), DbError> {
    let (mut tenant_ids, mut ids, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for (tenant, additions) in tenants {
        for (id, name) in &additions.roles {
            tenant_ids.push(tenant.as_uuid());
            ids.push(id.as_uuid());
            names.push((*name).to_owned());
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    let insert = sqlx::query!(
        "INSERT INTO roles (tenant_id, id, name, name_key, is_system)
         SELECT r.tenant_id, r.id, r.name, r.name, true
         FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS r (tenant_id, id, name)",
        &tenant_ids,
        &ids,
        &names,
    );
    insert.execute(tx.conn()).await?;
    Ok(())
}

async fn insert_policies(tx: &mut SystemTx, tenants: &[(TenantId, TemplateAdditions)]) -> Result<(), DbError> {
    let (mut tenant_ids, mut ids, mut role_ids, mut effects) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut resources, mut verbs, mut digests) = (Vec::new(), Vec::new(), Vec::new());
    for (tenant, additions) in tenants {
        for (id, policy) in &additions.policies {
            tenant_ids.push(tenant.as_uuid());
            ids.push(id.as_uuid());
            role_ids.push(policy.role_id().map(RoleId::as_uuid));
            effects.push(policy.effect());
            resources.push(policy.resource().to_owned());
            // PostgreSQL arrays can't hold arrays of different lengths.
            verbs.push(policy.verbs().join(" "));
            digests.push(digest(policy)?);
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    let insert = sqlx::query!(
        "INSERT INTO policies (tenant_id, id, role_id, effect, resource, verbs, is_template, digest)
         SELECT p.tenant_id, p.id, p.role_id, p.effect, p.resource, string_to_array(p.verbs, ' '), true, p.digest
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::policy_effect[], $5::text[], $6::text[], $7::bytea[])
           AS p (tenant_id, id, role_id, effect, resource, verbs, digest)
         ON CONFLICT (tenant_id, digest) DO NOTHING",
        &tenant_ids,
        &ids,
        &role_ids as &[Option<Uuid>],
        &effects as &[Effect],
        &resources,
        &verbs,
        &digests,
    );
    insert.execute(tx.conn()).await?;
    Ok(())
}

/// Sets the template version of the tenants that are at an older one.
pub(crate) async fn set_template_version(tx: &mut SystemTx, tenants: &[TenantId], version: i32) -> Result<(), DbError> {
    let update = sqlx::query!(
        "UPDATE tenant_attributes
         SET policy_template_version = $2
         WHERE tenant_id = ANY ($1) AND policy_template_version < $2",
        &uuids(tenants),
        version,
    );
    update.execute(tx.conn()).await?;
    Ok(())
}

fn uuids(tenants: &[TenantId]) -> Vec<Uuid> {
    tenants.iter().map(|tenant| tenant.as_uuid()).collect()
}
