//! The permission to read roles doesn't permit creating one.

use kernel::contracts::{Permit, RoleName, RoleRead, Roles};

async fn create(roles: &dyn Roles, permit: &Permit<RoleRead>, name: &RoleName) {
    roles.create(permit, name).await.ok();
}

fn main() {}
