//! The HTTP delivery: actix-web, and nothing that decides anything.
//!
//! - `scope.rs`: what happens around every request
//! - `context.rs`: the facts that a request brings
//! - `wanted.rs`: how a request names its tenant
//! - `module.rs`: the request's module, and what of it a handler may have
//! - `guard.rs`: who may call a handler: `Public`, `SignedIn`, `Member`, `Access<P>`, and the like
//! - `extract.rs`: what a handler is given beside: services, bodies, queries, ids
//! - `fields.rs`: a body's texts, parsed
//! - `route.rs`: registering a handler, which documents it
//! - `problem.rs`: every error that leaves the program
//! - `permissions.rs`: the catalogue
//! - `links.rs`, `join.rs`, `join.html`: an invitation's link, and the page that it leads to
//! - `handlers/`: five lines each
//!
//! A handler's first parameter says who may call it, or it doesn't compile.

mod context;
mod extract;
mod fields;
mod guard;
mod handlers;
mod join;
mod links;
mod module;
mod permissions;
mod problem;
mod route;
mod scope;
mod server;
mod wanted;

pub use permissions::CATALOGUE;
pub use route::RouteInfo;
pub use server::{Bound, bind, openapi, routes, start};
