//! The handlers and their registration, one file per part of the API.

mod audit;
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

use kernel::TenancyMode;

use super::{problem::types::NOT_FOUND, route::Routes};

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
    audit::register(&mut routes);
    health::register(&mut routes);
    routes.page("/openapi.json", "This OpenAPI document");
    routes.page("/docs/", "Swagger UI for this document, unless HTTP_DOCS is false").problems(&[NOT_FOUND]);
    routes.page("/join", "Page that an invitation link opens");
    routes
}
