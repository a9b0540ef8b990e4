//! The permission to read roles doesn't permit creating one.

use authorization_api::{RoleName, RoleRead, Roles};
use kernel::Permit;

async fn create(roles: &dyn Roles, permit: &Permit<RoleRead>, name: &RoleName) {
    roles.create(permit, name).await.ok();
}

fn main() {}
