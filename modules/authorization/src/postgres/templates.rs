//! What comes from the templates, for many tenants at once: each statement is one, however many they are.

use std::collections::BTreeMap;

use kernel::{
    contracts::{PolicyId, RoleId, TenantId, TenantSlug, TenantsAtVersion},
    db::{DbError, SystemTx},
};
use uuid::Uuid;

use crate::domain::{Additions, Effect, NamedRole};

/// A tenant as the templates see it.
#[derive(Debug)]
pub(crate) struct TemplatedTenant {
    pub(crate) id: TenantId,
    pub(crate) slug: TenantSlug,
    /// The version of the templates that it has.
    pub(crate) version: i32,
    /// Those of its roles that have one of the names asked for.
    pub(crate) roles: BTreeMap<String, NamedRole>,
}

/// How many tenants have which version, archived ones among them; the oldest version first.
pub(crate) async fn tenants_at_versions(tx: &mut SystemTx) -> Result<Vec<TenantsAtVersion>, DbError> {
    // system: the operator is told of all tenants.
    let rows = sqlx::query_as!(
        TenantsAtVersion,
        r#"SELECT policy_template_version AS version, count(*) AS "tenants!"
           FROM tenant_attributes
           GROUP BY policy_template_version
           ORDER BY policy_template_version"#,
    );
    Ok(rows.fetch_all(&mut ***tx).await?)
}

/// The tenants at older versions than this one, archived ones among them, by id.
pub(crate) async fn tenants_behind(tx: &mut SystemTx, version: i32) -> Result<Vec<TenantId>, DbError> {
    // system: an upgrade looks for the tenants that it is for.
    let ids = sqlx::query_scalar!(
        "SELECT tenant_id
         FROM tenant_attributes
         WHERE policy_template_version < $1
         ORDER BY tenant_id",
        version,
    );
    Ok(ids.fetch_all(&mut ***tx).await?)
}

/// Until the transaction ends, nobody else changes who may do what in these tenants. Waits for those who do.
pub(crate) async fn lock_tenants(tx: &mut SystemTx, tenants: &[TenantId]) -> Result<Vec<TenantId>, DbError> {
    let ids = sqlx::query_scalar!(
        "SELECT id
         FROM tenants
         WHERE id = ANY ($1)
         ORDER BY id
         FOR NO KEY UPDATE",
        &uuids(tenants),
    );
    Ok(ids.fetch_all(&mut ***tx).await?)
}

/// The same for those of the tenants that nobody is changing at the moment: waits for nobody.
pub(crate) async fn lock_tenants_nobody_changes(
    tx: &mut SystemTx,
    tenants: &[TenantId],
) -> Result<Vec<TenantId>, DbError> {
    let ids = sqlx::query_scalar!(
        "SELECT id
         FROM tenants
         WHERE id = ANY ($1)
         ORDER BY id
         FOR NO KEY UPDATE SKIP LOCKED",
        &uuids(tenants),
    );
    Ok(ids.fetch_all(&mut ***tx).await?)
}

/// The tenants, each with those of its roles that have one of these names.
pub(crate) async fn templated(
    tx: &mut SystemTx,
    tenants: &[TenantId],
    names: &[&str],
) -> Result<Vec<TemplatedTenant>, DbError> {
    let (ids, names) = (uuids(tenants), names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let rows = sqlx::query!(
        "SELECT t.id, t.slug, a.policy_template_version AS version
         FROM tenants AS t
         JOIN tenant_attributes AS a ON a.tenant_id = t.id
         WHERE t.id = ANY ($1)",
        &ids,
    );
    let mut found = BTreeMap::new();
    for row in rows.fetch_all(&mut ***tx).await? {
        let roles = BTreeMap::new();
        found.insert(row.id, TemplatedTenant { id: row.id, slug: row.slug, version: row.version, roles });
    }
    let roles = sqlx::query!(
        "SELECT tenant_id, id, name_key, is_system
         FROM roles
         WHERE tenant_id = ANY ($1) AND name_key = ANY ($2)",
        &ids,
        &names,
    );
    for row in roles.fetch_all(&mut ***tx).await? {
        if let Some(tenant) = found.get_mut(&row.tenant_id) {
            tenant.roles.insert(row.name_key, NamedRole { id: row.id, is_system: row.is_system });
        }
    }
    Ok(found.into_values().collect())
}

/// Adds system roles and template policies. A policy that says the same as one that is there is there already, whoever
/// made that.
pub(crate) async fn add(tx: &mut SystemTx, tenants: &[(TenantId, Additions)]) -> Result<(), DbError> {
    add_roles(tx, tenants).await?;
    add_policies(tx, tenants).await
}

async fn add_roles(tx: &mut SystemTx, tenants: &[(TenantId, Additions)]) -> Result<(), DbError> {
    let roles = tenants.iter().flat_map(|(tenant, added)| added.roles.iter().map(|role| (*tenant, *role)));
    let (mut of, mut ids, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for (tenant, (id, name)) in roles {
        of.push(tenant.as_uuid());
        ids.push(id.as_uuid());
        names.push(name.to_owned());
    }
    if ids.is_empty() {
        return Ok(());
    }
    let insert = sqlx::query!(
        "INSERT INTO roles (tenant_id, id, name, name_key, is_system)
         SELECT r.tenant_id, r.id, r.name, r.name, true
         FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS r (tenant_id, id, name)",
        &of,
        &ids,
        &names,
    );
    insert.execute(&mut ***tx).await?;
    Ok(())
}

async fn add_policies(tx: &mut SystemTx, tenants: &[(TenantId, Additions)]) -> Result<(), DbError> {
    let mut rows = PolicyRows::default();
    for (tenant, added) in tenants {
        for (id, policy) in &added.policies {
            let digest = policy.digest().map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
            rows.tenants.push(tenant.as_uuid());
            rows.ids.push(PolicyId::as_uuid(*id));
            rows.roles.push(policy.role_id().map(RoleId::as_uuid));
            rows.effects.push(policy.effect());
            rows.resources.push(policy.resource().to_owned());
            // Lists of different lengths make no array of arrays.
            rows.verbs.push(policy.verbs().join(" "));
            rows.digests.push(digest);
        }
    }
    if rows.ids.is_empty() {
        return Ok(());
    }
    let insert = sqlx::query!(
        "INSERT INTO policies (tenant_id, id, role_id, effect, resource, verbs, is_template, digest)
         SELECT p.tenant_id, p.id, p.role_id, p.effect, p.resource, string_to_array(p.verbs, ' '), true, p.digest
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::policy_effect[], $5::text[], $6::text[], $7::bytea[])
           AS p (tenant_id, id, role_id, effect, resource, verbs, digest)
         ON CONFLICT (tenant_id, digest) DO NOTHING",
        &rows.tenants,
        &rows.ids,
        &rows.roles as &[Option<Uuid>],
        &rows.effects as &[Effect],
        &rows.resources,
        &rows.verbs,
        &rows.digests,
    );
    insert.execute(&mut ***tx).await?;
    Ok(())
}

/// Policies to be, a list for each column.
#[derive(Debug, Default)]
struct PolicyRows {
    tenants: Vec<Uuid>,
    ids: Vec<Uuid>,
    roles: Vec<Option<Uuid>>,
    effects: Vec<Effect>,
    resources: Vec<String>,
    verbs: Vec<String>,
    digests: Vec<Vec<u8>>,
}

/// Notes that the tenants have this version now.
pub(crate) async fn set_version(tx: &mut SystemTx, tenants: &[TenantId], version: i32) -> Result<(), DbError> {
    let update = sqlx::query!(
        "UPDATE tenant_attributes
         SET policy_template_version = $2
         WHERE tenant_id = ANY ($1) AND policy_template_version < $2",
        &uuids(tenants),
        version,
    );
    update.execute(&mut ***tx).await?;
    Ok(())
}

fn uuids(tenants: &[TenantId]) -> Vec<Uuid> {
    tenants.iter().map(|tenant| tenant.as_uuid()).collect()
}
