//! The handlers, a file for each part of the API, and all of them registered here.

mod auth;
mod authorization;
mod billing;
mod health;
mod invitations;
mod me;
mod members;
mod page;
mod policies;
mod roles;
mod tenants;

use kernel::contracts::Tenancy;

use super::route::Routes;

const ADDRESS_OF_A_MEMBER: (u16, &str) = (409, "Somebody with this address is a member");
const GRANT_REFUSED: (u16, &str) = (403, "Somebody would get what I may not do myself under the same conditions");
const LAST_ADMIN: (u16, &str) = (409, "Nobody would be left who may do everything");
const NO_SEAT_LEFT: (u16, &str) = (409, "No seat is left");
const POLICY_EXISTS: (u16, &str) = (409, "Another policy says the same");
const TEMPLATE_POLICY: (u16, &str) = (409, "The policy came with the tenant");

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
    routes
        .patch("/v1/members/{id}", "Give a member another role, which may do no more than mine", members::change_role)
        .problems(&[GRANT_REFUSED, LAST_ADMIN]);
    routes
        .delete("/v1/members/{id}", "Remove a member from the tenant, from their next request on", members::remove)
        .problems(&[LAST_ADMIN]);
    routes.post("/v1/tenant/leave", "Leave the tenant", members::leave).problems(&[LAST_ADMIN]);
    routes.get("/v1/roles", "List the tenant's roles", roles::list);
    routes
        .post("/v1/roles", "Create a role that may do what every member may", roles::create)
        .problems(&[(409, "The name is taken"), (409, "The tenant has as many roles as it may have")]);
    routes
        .patch("/v1/roles/{id}", "Rename a role of the tenant's own", roles::rename)
        .problems(&[(409, "The name is taken"), (409, "The role came with the tenant")]);
    routes
        .delete("/v1/roles/{id}", "Delete a role that nobody has, and its policies with it", roles::delete)
        .problems(&[(409, "Somebody has the role, or is invited into it"), (409, "The role came with the tenant")]);
    routes.get("/v1/policies", "List the tenant's policies", policies::list);
    routes.get("/v1/policies/{id}", "Read a policy", policies::show);
    routes
        .post("/v1/policies", "Create a policy; it may let others do what I may do, and no more", policies::create)
        .problems(&[GRANT_REFUSED, LAST_ADMIN, POLICY_EXISTS, (409, "The tenant has as many policies as it may have")]);
    routes
        .patch("/v1/policies/{id}", "Change a policy; to narrow a deny is to allow what it denied", policies::update)
        .problems(&[GRANT_REFUSED, LAST_ADMIN, POLICY_EXISTS, TEMPLATE_POLICY]);
    routes
        .delete("/v1/policies/{id}", "Delete a policy; to delete a deny is to allow what it denied", policies::delete)
        .problems(&[GRANT_REFUSED, LAST_ADMIN, TEMPLATE_POLICY]);
    let personal: &[(u16, &str)] = match tenancy {
        Tenancy::Personal => &[(409, "Each person has a tenant of their own, and nobody else comes into it")],
        Tenancy::Organization(_) | Tenancy::Single(_) => &[],
    };
    let invite =
        routes.post("/v1/invitations", "Invite somebody into the tenant: a link to hand over", invitations::invite);
    invite.problems(&[
        GRANT_REFUSED,
        ADDRESS_OF_A_MEMBER,
        (409, "An invitation to this address is open"),
        NO_SEAT_LEFT,
    ]);
    invite.problems(personal);
    routes.get("/v1/invitations", "List the invitations that nobody has accepted", invitations::list);
    let resend = routes.post(
        "/v1/invitations/{id}/resend",
        "Send an invitation again: another link to hand over, and the one before opens nothing",
        invitations::resend,
    );
    resend.problems(&[GRANT_REFUSED, ADDRESS_OF_A_MEMBER, NO_SEAT_LEFT]);
    resend.problems(personal);
    routes.delete("/v1/invitations/{id}", "Revoke an invitation", invitations::revoke);
    routes.post("/v1/invitations/accept", "Accept an invitation: I am a member then", invitations::accept).problems(&[
        (404, "The invitation is unknown, used, revoked or expired, or somebody else's"),
        (409, "I am a member already"),
        NO_SEAT_LEFT,
    ]);
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
    routes.page("/join", "The page that an invitation's link leads to");
    routes
}
