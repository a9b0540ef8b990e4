//! People and tenants with fresh ids, made behind the modules' backs: as many as a test wants.
#![expect(clippy::disallowed_methods, reason = "test data is made whatever the modules allow")]

use kernel::contracts::{RoleId, TenantId, UserId};
use sqlx::PgConnection;

use crate::TestDb;

/// A tenant that a factory made, with the system roles and their policies.
#[derive(Debug, Clone)]
pub struct MadeTenant {
    /// Fresh.
    pub id: TenantId,
    /// Unique.
    pub slug: String,
    /// May do everything.
    pub admin_role: RoleId,
    /// May read who else is there.
    pub member_role: RoleId,
}

impl TestDb {
    /// An active person with an address of their own.
    pub async fn make_user(&self) -> UserId {
        let id = UserId::new();
        sqlx::query("INSERT INTO users (id, email, display_name) VALUES ($1, $1::text || '@example.com', 'Made Up')")
            .bind(id.as_uuid())
            .execute(&mut self.owner().await)
            .await
            .unwrap();
        id
    }

    /// An active tenant on the plan `free`, with 10 seats and nobody in it. It is at version 1 of the policy templates.
    pub async fn make_tenant(&self) -> MadeTenant {
        let id = TenantId::new();
        let tenant = MadeTenant {
            id,
            slug: format!("t-{}", id.as_uuid().simple()),
            admin_role: RoleId::new(),
            member_role: RoleId::new(),
        };
        let mut owner = self.owner().await;
        sqlx::query("INSERT INTO tenants (id, slug, name) VALUES ($1, $2, 'Made Up')")
            .bind(id.as_uuid())
            .bind(&tenant.slug)
            .execute(&mut owner)
            .await
            .unwrap();
        sqlx::query("INSERT INTO tenant_attributes VALUES ($1, 'free', 'standard', '{}', 10, 1)")
            .bind(id.as_uuid())
            .execute(&mut owner)
            .await
            .unwrap();
        role(&mut owner, id, tenant.admin_role, Some("admin"), ["*", "*"]).await;
        role(&mut owner, id, tenant.member_role, Some("member"), ["user", "read"]).await;
        tenant
    }

    /// A custom role of the tenant's whose one policy allows this verb on this resource.
    pub async fn make_role(&self, tenant: &MadeTenant, [resource, verb]: [&str; 2]) -> RoleId {
        let id = RoleId::new();
        role(&mut self.owner().await, tenant.id, id, None, [resource, verb]).await;
        id
    }

    /// Puts the person into the tenant, in this role of the tenant's.
    pub async fn make_member(&self, tenant: &MadeTenant, user: UserId, role: RoleId) {
        sqlx::query("INSERT INTO memberships (tenant_id, user_id, role_id) VALUES ($1, $2, $3)")
            .bind(tenant.id.as_uuid())
            .bind(user.as_uuid())
            .bind(role.as_uuid())
            .execute(&mut self.owner().await)
            .await
            .unwrap();
    }
}

/// With a name it is a system role; a custom one is named by its id.
async fn role(
    owner: &mut PgConnection,
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
    .execute(&mut *owner)
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
    .execute(owner)
    .await
    .unwrap();
}
