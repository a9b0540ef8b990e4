//! The handlers, a file for each part of the API, and all of them registered here.

mod auth;
mod authorization;
mod billing;
mod health;
mod me;
mod members;
mod tenants;

use kernel::contracts::Tenancy;

use super::route::Routes;

/// Every route of the API. The tenancy mode changes what is said of them, and not what there is.
pub(super) fn routes(tenancy: &Tenancy) -> Routes {
    let mut routes = Routes::new(tenancy);
    let unavailable = (503, "The database can't be reached");
    let login = routes.post("/v1/auth/login", "Sign in with e-mail and password", auth::login);
    login.problems(&[(401, "The e-mail address or the password is wrong"), unavailable]);
    if !tenancy.reads_claim() {
        login.without::<auth::LoginRequest>("tenant");
    }
    routes.get("/v1/me", "Who am I, and which tenants am I a member of", me::show);
    routes.patch("/v1/me", "Change what others see of me, in every tenant", me::update);
    routes.post("/v1/tenants", "Found a tenant, on the free plan and with me as its admin", tenants::found).problems(
        match tenancy {
            Tenancy::Organization(_) => {
                &[(409, "The slug is taken"), (409, "I am admin of too many tenants to found another")]
            }
            Tenancy::Personal => &[(409, "The slug is taken"), (409, "I have my tenant already")],
            Tenancy::Single(_) => &[(409, "There is one tenant, which the operator founds")],
        },
    );
    routes.get("/v1/tenant", "Read the tenant", tenants::show);
    routes
        .patch("/v1/tenant", "Change the tenant's name or slug", tenants::update)
        .problems(&[(409, "The slug is taken")]);
    routes.post(
        "/v1/tenant/archive",
        "Archive the tenant: from now on it answers like one that isn't there",
        tenants::archive,
    );
    routes.post("/v1/tenant/restore", "Restore the tenant, which may be archived", tenants::restore);
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
