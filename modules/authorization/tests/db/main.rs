//! The module against a real server.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests look behind the queries, and provoke")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod admission;
mod invitations;
mod roles_policies_members;
mod templates;
mod tenants;
