//! Generates tenants in large numbers, to see how statements behave in a large database.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "test data bypasses the modules")]

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::TestDb;

/// How many rows to generate.
#[derive(Debug, Clone, Copy)]
pub struct RowCounts {
    /// Tenants with their policies, attributes, a subscription, an invitation and the roles admin and member.
    pub tenants: u32,
    /// Members of each tenant. One of them is an admin.
    pub members: u32,
    /// Users, at least as many as `members`. The memberships are spread evenly over them.
    pub users: u32,
}

/// The admin of a generated tenant.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct GeneratedAdmin {
    /// The tenant's id.
    pub tenant: Uuid,
    /// The admin's user id.
    pub user: Uuid,
    /// The admin's e-mail address.
    pub email: String,
}

impl TestDb {
    /// Inserts generated tenants and updates the planner's statistics. Returns the admin of each tenant, ordered by
    /// tenant id. Works once for each database.
    pub async fn insert_generated_tenants(&self, counts: RowCounts) -> Vec<GeneratedAdmin> {
        let mut superuser = self.superuser().await;
        sqlx::raw_sql(AssertSqlSafe(insert_sql(counts))).execute(&mut superuser).await.unwrap();
        // VACUUM can't run in a transaction, and several statements in one string run in a single transaction.
        sqlx::raw_sql("VACUUM ANALYZE").execute(&mut superuser).await.unwrap();
        sqlx::query_as(
            "SELECT m.tenant_id AS tenant, u.id AS \"user\", u.email
             FROM memberships AS m
             JOIN roles AS r ON r.tenant_id = m.tenant_id AND r.id = m.role_id
             JOIN users AS u ON u.id = m.user_id
             JOIN tenants AS t ON t.id = m.tenant_id
             WHERE r.name = 'admin' AND t.slug LIKE 'generated-%'
             ORDER BY m.tenant_id",
        )
        .fetch_all(&mut superuser)
        .await
        .unwrap()
    }
}

/// Returns the statements. They skip foreign-key checks and triggers, which would take most of the time.
fn insert_sql(RowCounts { tenants, members, users }: RowCounts) -> String {
    format!(
        "SET LOCAL session_replication_role = replica;
         -- Ids increase like UUIDv7, so indexes are filled as in production.
         CREATE FUNCTION pg_temp.id(kind text, number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
           SELECT (lpad(to_hex(number), 12, '0') || '7' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid
           FROM md5(kind || number) AS hash
         $$;
         INSERT INTO users (id, email, display_name)
         SELECT pg_temp.id('user', n), format('user-%s@example.com', n), format('User %s', n)
         FROM generate_series(0, {users} - 1) AS n;
         INSERT INTO tenants (id, slug, name)
         SELECT pg_temp.id('tenant', n), format('generated-%s', n), format('Tenant %s', n)
         FROM generate_series(1, {tenants}) AS n;
         INSERT INTO tenant_attributes (tenant_id, plan, contract_type, seat_limit, policy_template_version)
         SELECT pg_temp.id('tenant', n), 'free', 'standard', {members} + 10, 1
         FROM generate_series(1, {tenants}) AS n;
         INSERT INTO roles (tenant_id, id, name, name_key, is_system)
         SELECT pg_temp.id('tenant', n), pg_temp.id(name, n), name, name, true
         FROM generate_series(1, {tenants}) AS n, (VALUES ('admin'), ('member')) AS role (name);
         INSERT INTO policies (tenant_id, id, role_id, effect, resource, verbs, is_template, digest)
         SELECT pg_temp.id('tenant', n), pg_temp.id(name || '-policy', n), pg_temp.id(name, n), 'allow', resource,
           ARRAY[verb], true, sha256(name::bytea)
         FROM generate_series(1, {tenants}) AS n,
           (VALUES ('admin', '*', '*'), ('member', 'user', 'read')) AS role (name, resource, verb);
         INSERT INTO memberships (tenant_id, user_id, role_id)
         SELECT pg_temp.id('tenant', n), pg_temp.id('user', (n * {members}::bigint + m) % {users}),
           pg_temp.id(CASE m WHEN 0 THEN 'admin' ELSE 'member' END, n)
         FROM generate_series(1, {tenants}) AS n, generate_series(0, {members} - 1) AS m;
         INSERT INTO invitations (tenant_id, id, email, role_id, invited_by, token_hash, expires_at)
         SELECT pg_temp.id('tenant', n), pg_temp.id('invitation', n), format('invited-%s@example.com', n),
           pg_temp.id('member', n), pg_temp.id('user', (n * {members}::bigint) % {users}), sha256(n::text::bytea),
           now() + interval '7 days'
         FROM generate_series(1, {tenants}) AS n;
         INSERT INTO subscriptions (tenant_id, id, provider, status, plan, current_period_end)
         SELECT pg_temp.id('tenant', n), pg_temp.id('subscription', n), 'provider', 'active', 'free',
           now() + interval '30 days'
         FROM generate_series(1, {tenants}) AS n;
         INSERT INTO auth_credentials (user_id, password_hash)
         SELECT pg_temp.id('user', n), '$argon2id$' FROM generate_series(0, {users} - 1) AS n"
    )
}
