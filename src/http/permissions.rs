//! The list of all permissions. Each module declares its own in its api crate; this file collects them. A duplicate name
//! is a compile error.

use authorization_api::{
    MemberInvite, MemberRemove, MemberUpdate, PolicyManage, PolicyRead, RoleManage, RoleRead, TenantArchive,
    TenantRead, TenantUpdate, UserRead,
};
use billing_api::BillingRead;
use kernel::{Permission, PermissionInfo};

/// A permission in [`PERMISSIONS`]. `Access` accepts no other.
#[diagnostic::on_unimplemented(
    message = "the permission `{Self}` is not registered",
    label = "no policy can grant this permission",
    note = "add it to `permissions!` in src/http/permissions.rs"
)]
pub(crate) trait RegisteredPermission: Permission {}

macro_rules! permissions {
    ($($permission:ty),* $(,)?) => {
        /// All permissions.
        pub const PERMISSIONS: &[PermissionInfo] = &[$(<$permission as Permission>::INFO),*];

        $(impl RegisteredPermission for $permission {})*
    };
}

permissions! {
    BillingRead,
    MemberInvite,
    MemberRemove,
    MemberUpdate,
    PolicyManage,
    PolicyRead,
    RoleManage,
    RoleRead,
    TenantArchive,
    TenantRead,
    TenantUpdate,
    UserRead,
}

/// Finds a permission by its full name.
pub(super) fn find(name: &str) -> Option<&'static PermissionInfo> {
    PERMISSIONS.iter().find(|permission| permission.name == name)
}

const _: () = assert!(names_are_unique(PERMISSIONS), "two permissions have the same name");

const fn names_are_unique(mut permissions: &[PermissionInfo]) -> bool {
    while let [permission, rest @ ..] = permissions {
        let mut others = rest;
        while let [other, rest @ ..] = others {
            if bytes_eq(permission.name.as_bytes(), other.name.as_bytes()) {
                return false;
            }
            others = rest;
        }
        permissions = rest;
    }
    true
}

/// Compares byte strings. `==` on strings isn't const yet.
const fn bytes_eq(mut a: &[u8], mut b: &[u8]) -> bool {
    while let ([x, rest_of_a @ ..], [y, rest_of_b @ ..]) = (a, b) {
        if *x != *y {
            return false;
        }
        (a, b) = (rest_of_a, rest_of_b);
    }
    a.is_empty() && b.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_permission_is_detected() {
        let named = |name| PermissionInfo { name, resource: "", verb: "", about: "" };
        assert!(names_are_unique(&[named("user:read"), named("user:reads"), named("user:lead")]));
        assert!(!names_are_unique(&[named("user:read"), named("a:b"), named("user:read")]));
    }

    #[test]
    fn permission_lookup_is_exact() {
        assert_eq!(find("user:read"), Some(&UserRead::INFO));
        for name in ["", "user", "user:", "user:read ", "USER:READ", "user:write"] {
            assert_eq!(find(name), None, "{name}");
        }
    }
}
