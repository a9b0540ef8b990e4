//! The catalogue: every permission there is. The modules declare theirs beside their contracts; they are put together
//! here, once, and two of the same name don't compile.

use kernel::contracts::{
    BillingRead, MemberInvite, MemberRemove, MemberUpdate, Permission, PermissionInfo, PolicyManage, PolicyRead,
    RoleManage, RoleRead, TenantArchive, TenantRead, TenantUpdate, UserRead,
};

/// A permission that is in the catalogue: [`super::guard::Access`] takes no other.
#[diagnostic::on_unimplemented(
    message = "the permission `{Self}` isn't in the catalogue",
    label = "takes a permission that no role can be given",
    note = "list it in `permissions!` in src/http/permissions.rs"
)]
pub(crate) trait Catalogued: Permission {}

macro_rules! permissions {
    ($($permission:ty),* $(,)?) => {
        /// Every permission there is.
        pub const CATALOGUE: &[PermissionInfo] = &[$(<$permission as Permission>::INFO),*];

        $(impl Catalogued for $permission {})*
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
    CATALOGUE.iter().find(|permission| permission.name == name)
}

const _: () = assert!(all_differ(CATALOGUE), "two permissions in the catalogue have the same name");

const fn all_differ(permissions: &[PermissionInfo]) -> bool {
    let mut i = 0;
    while i < permissions.len() {
        let mut j = i + 1;
        while j < permissions.len() {
            if same(permissions[i].name.as_bytes(), permissions[j].name.as_bytes()) {
                return false;
            }
            j += 1;
        }
        i += 1;
    }
    true
}

/// `==` on strings isn't const yet.
const fn same(one: &[u8], other: &[u8]) -> bool {
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
    fn two_of_the_same_name_are_found() {
        let named = |name| PermissionInfo { name, resource: "", verb: "", about: "" };
        assert!(all_differ(&[named("user:read"), named("user:reads"), named("user:lead")]));
        assert!(!all_differ(&[named("user:read"), named("a:b"), named("user:read")]));
    }

    #[test]
    fn a_permission_is_found_by_its_whole_name() {
        assert_eq!(find("user:read"), Some(&UserRead::INFO));
        for name in ["", "user", "user:", "user:read ", "USER:READ", "user:write"] {
            assert_eq!(find(name), None, "{name}");
        }
    }
}
