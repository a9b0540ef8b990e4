//! The handlers and their registration, one file per part of the API.

mod auth;
mod authorization;
mod billing;
mod health;
mod invitations;
mod me;
mod members;
mod pagination;
mod policies;
mod roles;
mod tenants;

use kernel::contracts::TenancyMode;

use super::route::Routes;

const UNAVAILABLE: (u16, &str) = (503, "The database is unavailable");
const PRIVILEGE_ESCALATION: (u16, &str) =
    (403, "This would grant a permission that the caller does not hold under the same conditions");
const LAST_ADMIN: (u16, &str) = (409, "This would leave the tenant without an admin");

/// Registers all routes of the API. The tenancy mode changes their documentation, but not which routes exist.
pub(super) fn routes(tenancy: &TenancyMode) -> Routes {
    let mut routes = Routes::new(tenancy);
    auth::register(&mut routes, tenancy);
    me::register(&mut routes);
    tenants::register(&mut routes, tenancy);
    members::register(&mut routes);
    roles::register(&mut routes);
    policies::register(&mut routes);
    invitations::register(&mut routes, tenancy);
    authorization::register(&mut routes);
    billing::register(&mut routes);
    health::register(&mut routes);
    routes.page("/openapi.json", "This OpenAPI document");
    routes.page("/docs/", "Swagger UI for this document");
    routes.page("/join", "Page that an invitation link opens");
    routes
}
