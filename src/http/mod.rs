//! The HTTP layer, built on actix-web. It contains no business logic.
//!
//! - `server.rs`: binds the port and starts the server
//! - `middleware.rs`: wraps every request: module, span, log line, response headers
//! - `connection_limit.rs`, `connection_deadline.rs`: how many connections are open, and for how long
//! - `request_head.rs`: checks of a request's head that apply to every path
//! - `context.rs`: the request's data that is known before its token is verified
//! - `client_addr.rs`: the client's address, also behind proxies
//! - `requested_tenant.rs`: reads the tenant from the header or host
//! - `access.rs`: the access types: `Public`, `SignedIn`, `Member`, `Access<P>`, `AccessTo<P, Id>`, `RestoreAccess`
//! - `extract.rs`: the other handler arguments: services, bodies, queries, ids
//! - `json.rs`, `query.rs`: read JSON bodies and query strings strictly; `validation.rs`: parses strings of bodies
//! - `response.rs`: what handlers return
//! - `problem.rs`: every error response; `problem/types.rs`: the catalog of problem types; `problem/shared.rs`:
//!   conversions of errors that several handler files return
//! - `api_docs.rs`: the OpenAPI document
//! - `route.rs`: registers handlers and documents them
//! - `permissions.rs`: lookup of permissions by name
//! - `public_url.rs`: invitation links; `join_page.rs`, `join_page.html`: the page that they open
//! - `handlers/`: the handlers, about five lines each, and the problems of their errors
//!
//! A handler's first parameter is an access type; anything else doesn't compile.

mod access;
mod api_docs;
mod client_addr;
mod connection_deadline;
mod connection_limit;
mod context;
mod denials;
mod extract;
mod handlers;
mod join_page;
mod json;
mod middleware;
mod permissions;
mod problem;
pub(crate) mod public_url;
mod query;
mod request_head;
mod requested_tenant;
mod response;
mod route;
mod server;
mod validation;

pub use connection_limit::ConnectionLimit;
pub use problem::{PROBLEM_TYPES, ProblemType};
pub use public_url::listen_url;
pub use route::RouteInfo;
pub use server::{BindError, BoundListener, bind, openapi, routes, start};
