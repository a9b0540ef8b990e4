//! A summary of a route, for the CLI and the documentation.

use kernel::contracts::PermissionInfo;

use crate::http::access::AccessClass;

/// A summary of a route, as printed by `tenantry routes` and listed in the module documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteInfo {
    /// The method in upper case. `GET` includes `HEAD`.
    pub method: String,
    /// The path, with the placeholder `{id}`.
    pub path: &'static str,
    /// Who may call it: `public`, `signed-in`, `member` or `permission`.
    pub class: &'static str,
    /// The required permission, if any.
    pub permission: Option<&'static PermissionInfo>,
    /// One-line description.
    pub summary: String,
    /// The services that the handler injects, without `dyn`, for example `Members`.
    pub services: Vec<&'static str>,
}

impl RouteInfo {
    pub(super) fn new(
        verb: &str,
        path: &'static str,
        class: AccessClass,
        summary: &str,
        services: &[&'static str],
    ) -> Self {
        let (class, permission) = name_and_permission(class);
        let (method, summary) = (verb.to_ascii_uppercase(), summary.to_owned());
        let services = services.iter().map(|name| name.trim_start_matches("dyn ")).collect();
        Self { method, path, class, permission, summary, services }
    }
}

/// Returns the class's name and the required permission.
pub(super) fn name_and_permission(class: AccessClass) -> (&'static str, Option<&'static PermissionInfo>) {
    match class {
        AccessClass::Public => ("public", None),
        AccessClass::SignedIn => ("signed-in", None),
        AccessClass::Member => ("member", None),
        AccessClass::Permission(permission) => ("permission", Some(permission)),
    }
}
