//! Factories for users, tenants, roles and members with fresh ids. They insert rows directly, without the modules.
#![expect(clippy::disallowed_methods, reason = "test data bypasses the modules")]

use kernel::{RoleId, TenantId, UserId};
use sqlx::PgConnection;

use crate::{SeededDb, TestDb};

/// A tenant with the system roles and their policies.
#[derive(Debug, Clone)]
pub struct TestTenant {
    /// The tenant's id.
    pub id: TenantId,
    /// The tenant's slug, which is unique.
    pub slug: String,
    /// Allows everything.
    pub admin_role: RoleId,
    /// Allows `user:read`.
    pub member_role: RoleId,
}

impl TestDb {
    /// Creates an active user with a unique e-mail address.
    pub async fn create_user(&self) -> UserId {
        let id = UserId::new();
        sqlx::query("INSERT INTO users (id, email, display_name) VALUES ($1, $1::text || '@example.com', 'Made Up')")
            .bind(id.as_uuid())
            .execute(&mut self.superuser().await)
            .await
            .unwrap();
        id
    }

    /// Creates an active tenant on the plan `free`, without members, with a seat limit of 10 and version 1 of the
    /// policy templates.
    pub async fn create_tenant(&self) -> TestTenant {
        let id = TenantId::new();
        let tenant = TestTenant {
            id,
            slug: format!("t-{}", id.as_uuid().simple()),
            admin_role: RoleId::new(),
            member_role: RoleId::new(),
        };
        let mut superuser = self.superuser().await;
        sqlx::query("INSERT INTO tenants (id, slug, name) VALUES ($1, $2, 'Made Up')")
            .bind(id.as_uuid())
            .bind(&tenant.slug)
            .execute(&mut superuser)
            .await
            .unwrap();
        sqlx::query("INSERT INTO tenant_attributes VALUES ($1, 'free', 'standard', '{}', 10, 1)")
            .bind(id.as_uuid())
            .execute(&mut superuser)
            .await
            .unwrap();
        insert_role(&mut superuser, id, tenant.admin_role, Some("admin"), ["*", "*"]).await;
        insert_role(&mut superuser, id, tenant.member_role, Some("member"), ["user", "read"]).await;
        tenant
    }

    /// Creates a custom role with one policy that allows `resource:verb`.
    pub async fn create_role(&self, tenant: &TestTenant, [resource, verb]: [&str; 2]) -> RoleId {
        let id = RoleId::new();
        insert_role(&mut self.superuser().await, tenant.id, id, None, [resource, verb]).await;
        id
    }

    /// Makes the user a member of the tenant with this role of the tenant.
    pub async fn add_member(&self, tenant: &TestTenant, user: UserId, role: RoleId) {
        sqlx::query("INSERT INTO memberships (tenant_id, user_id, role_id) VALUES ($1, $2, $3)")
            .bind(tenant.id.as_uuid())
            .bind(user.as_uuid())
            .bind(role.as_uuid())
            .execute(&mut self.superuser().await)
            .await
            .unwrap();
    }

    /// Creates an active user who is a member of the tenant with this role of the tenant.
    pub async fn create_member(&self, tenant: &TestTenant, role: RoleId) -> UserId {
        let user = self.create_user().await;
        self.add_member(tenant, user, role).await;
        user
    }
}

impl SeededDb {
    /// Returns the demo tenant Acme.
    pub fn acme(&self) -> TestTenant {
        let acme = &self.seed.tenants.acme;
        TestTenant {
            id: acme.id,
            slug: acme.slug.to_string(),
            admin_role: acme.admin_role,
            member_role: acme.member_role,
        }
    }
}

/// Inserts a role and one policy that allows it `resource:verb`. The role is the system role with the name `system`, or
/// else a custom role with its id as its name.
async fn insert_role(
    superuser: &mut PgConnection,
    tenant: TenantId,
    role: RoleId,
    system: Option<&str>,
    [resource, verb]: [&str; 2],
) {
    sqlx::query(
        "INSERT INTO roles (tenant_id, id, name, name_key, is_system)
         VALUES ($1, $2, coalesce($3, $2::text), coalesce($3, $2::text), $3 IS NOT NULL)",
    )
    .bind(tenant.as_uuid())
    .bind(role.as_uuid())
    .bind(system)
    .execute(&mut *superuser)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO policies (tenant_id, id, role_id, effect, resource, verbs, is_template, digest)
         VALUES ($1, gen_random_uuid(), $2, 'allow', $3, ARRAY[$4], $5, sha256($2::text::bytea))",
    )
    .bind(tenant.as_uuid())
    .bind(role.as_uuid())
    .bind(resource)
    .bind(verb)
    .bind(system.is_some())
    .execute(superuser)
    .await
    .unwrap();
}
