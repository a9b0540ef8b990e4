//! Lookup of permissions by name. The list is in `src/services.rs`. A duplicate name is a compile error.

use kernel::PermissionInfo;

use crate::services::PERMISSIONS;

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
    use authorization_api::UserRead;
    use kernel::Permission;

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
