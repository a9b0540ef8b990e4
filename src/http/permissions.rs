//! The catalogue: every permission there is. The modules declare theirs beside their contracts; they are put together
//! here, once, and two of the same name don't compile.

use kernel::contracts::{
    BillingRead, MemberInvite, MemberRemove, MemberUpdate, Permission, PermissionInfo, PolicyManage, PolicyRead,
    RoleManage, RoleRead, TenantArchive, TenantRead, TenantUpdate, UserRead,
};

/// A permission that is in the catalogue: [`super::access::Access`] takes no other.
#[diagnostic::on_unimplemented(
    message = "the permission `{Self}` isn't in the catalogue",
    label = "takes a permission that no role can be given",
    note = "list it in `permissions!` in src/http/permissions.rs"
)]
pub(crate) trait RegisteredPermission: Permission {}

macro_rules! permissions {
    ($($permission:ty),* $(,)?) => {
        /// Every permission there is.
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

/// The permission of this name.
pub(super) fn find(name: &str) -> Option<&'static PermissionInfo> {
    PERMISSIONS.iter().find(|permission| permission.name == name)
}

const _: () = assert!(names_are_unique(PERMISSIONS), "two permissions in the catalogue have the same name");

const fn names_are_unique(permissions: &[PermissionInfo]) -> bool {
    let mut i = 0;
    while i < permissions.len() {
        let mut j = i + 1;
        while j < permissions.len() {
            if bytes_eq(permissions[i].name.as_bytes(), permissions[j].name.as_bytes()) {
                return false;
            }
            j += 1;
        }
        i += 1;
    }
    true
}

/// `==` on strings isn't const yet.
const fn bytes_eq(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut i = 0;
    while i < one.len() {
        if one[i] != other[i] {
            return false;
        }
        i += 1;
    }
    true
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
