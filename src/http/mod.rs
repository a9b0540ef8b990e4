//! The HTTP layer, built on actix-web. It contains no business logic.
//!
//! - `middleware.rs`: wraps every request: module, span, log line, response headers
//! - `context.rs`: the request's data that is known before its token is verified
//! - `requested_tenant.rs`: reads the tenant from the header or host
//! - `module.rs`: the request's module, and the services that handlers may inject
//! - `access.rs`: the access types: `Public`, `SignedIn`, `Member`, `Access<P>`, `AccessTo<P, Id>`, `RestoreAccess`
//! - `extract.rs`: the other handler arguments: services, bodies, queries, ids
//! - `validation.rs`: parses strings of request bodies
//! - `route.rs`: registers handlers and generates their OpenAPI operations
//! - `problem.rs`: every error response
//! - `permissions.rs`: the list of all permissions
//! - `public_url.rs`: invitation links; `join_page.rs`, `join_page.html`: the page that they open
//! - `handlers/`: the handlers, about five lines each
//!
//! A handler's first parameter is an access type; anything else doesn't compile.

mod access;
mod context;
mod extract;
mod handlers;
mod join_page;
mod middleware;
mod module;
mod permissions;
mod problem;
mod public_url;
mod requested_tenant;
mod route;
mod server;
mod validation;

pub use permissions::PERMISSIONS;
pub use problem::{PROBLEM_TYPES, ProblemType};
pub use route::RouteInfo;
pub use server::{BoundListener, bind, openapi, routes, start};
