//! The handlers, a file for each part of the API, in which they are registered, too.

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

const UNAVAILABLE: (u16, &str) = (503, "The database can't be reached");
const PRIVILEGE_ESCALATION: (u16, &str) = (403, "Somebody would get what I may not do myself under the same conditions");
const LAST_ADMIN: (u16, &str) = (409, "Nobody would be left who may do everything");

/// Every route of the API: each file registers its own. The tenancy mode changes what is said of them, and not what
/// there is.
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
    routes.page("/openapi.json", "This document");
    routes.page("/docs/", "This document as a page, to try things out");
    routes.page("/join", "The page that an invitation's link leads to");
    routes
}
