//! Whoever may read the roles makes one.

use kernel::contracts::{Permit, RoleName, RoleRead, Roles};

async fn create(roles: &dyn Roles, permit: &Permit<RoleRead>, name: &RoleName) {
    roles.create(permit, name).await.ok();
}

fn main() {}
