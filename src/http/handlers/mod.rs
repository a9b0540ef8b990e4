//! The handlers, a file for each part of the API, and all of them registered here.

mod auth;
mod authorization;
mod billing;
mod health;
mod me;
mod members;

use super::route::Routes;

/// Every route of the API.
pub(super) fn routes() -> Routes {
    let mut routes = Routes::default();
    let unavailable = (503, "The database can't be reached");
    routes
        .post("/v1/auth/login", "Sign in with e-mail and password", auth::login)
        .problems(&[(401, "The e-mail address or the password is wrong"), unavailable]);
    routes.get("/v1/me", "Who am I, and which tenants am I a member of", me::show);
    routes.get("/v1/members", "List the members of the tenant", members::list);
    routes.get("/v1/users/{id}", "Read a member of the tenant", members::show);
    routes.post("/v1/authorization/check", "Ask what I may do in the tenant", authorization::check);
    routes
        .get("/v1/subscription", "Read the tenant's subscription", billing::show)
        .problems(&[(404, "The tenant has no subscription")]);
    routes.get("/health/live", "Does the program run", health::live);
    routes
        .get("/health/ready", "Can it serve: the database answers, its schema is current", health::ready)
        .problems(&[unavailable]);
    routes.page("/openapi.json", "This document");
    routes.page("/docs/", "This document as a page, to try things out");
    routes
}
