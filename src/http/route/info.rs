//! A route in short, for people.

use kernel::contracts::PermissionInfo;

use crate::http::guard::Class;

/// A route: what `tenantry routes` prints, and `docs/map.md` says of it.
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
    pub(super) fn new(verb: &str, path: &'static str, class: Class, summary: &str, services: &[&'static str]) -> Self {
        let (class, permission) = of(class);
        let (method, summary) = (verb.to_ascii_uppercase(), summary.to_owned());
        let services = services.iter().map(|name| name.trim_start_matches("dyn ")).collect();
        Self { method, path, class, permission, summary, services }
    }
}

/// The class's name, and the permission that it takes.
pub(super) fn of(class: Class) -> (&'static str, Option<&'static PermissionInfo>) {
    match class {
        Class::Public => ("public", None),
        Class::SignedIn => ("signed-in", None),
        Class::Member => ("member", None),
        Class::Permission(permission) => ("permission", Some(permission)),
    }
}
