//! A route in short, for people.

use kernel::contracts::PermissionInfo;

use crate::http::access::AccessClass;

/// A route: what `tenantry routes` prints, and `docs/reference/modules.md` says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteInfo {
    /// In capitals. `GET` answers `HEAD` as well.
    pub method: String,
    /// With `{id}` where the id goes.
    pub path: &'static str,
    /// Who may call it: `public`, `signed-in`, `member` or `permission`.
    pub class: &'static str,
    /// The permission that it takes, where it takes one.
    pub permission: Option<&'static PermissionInfo>,
    /// What it is for, in a few words.
    pub summary: String,
    /// What its handler is given beside the proof, by the names that `handler_services!` has: `Members`.
    pub services: Vec<&'static str>,
}

impl RouteInfo {
    pub(super) fn new(verb: &str, path: &'static str, class: AccessClass, summary: &str, services: &[&'static str]) -> Self {
        let (class, permission) = name_and_permission(class);
        let (method, summary) = (verb.to_ascii_uppercase(), summary.to_owned());
        let services = services.iter().map(|name| name.trim_start_matches("dyn ")).collect();
        Self { method, path, class, permission, summary, services }
    }
}

/// The class's name, and the permission that it takes.
pub(super) fn name_and_permission(class: AccessClass) -> (&'static str, Option<&'static PermissionInfo>) {
    match class {
        AccessClass::Public => ("public", None),
        AccessClass::SignedIn => ("signed-in", None),
        AccessClass::Member => ("member", None),
        AccessClass::Permission(permission) => ("permission", Some(permission)),
    }
}
