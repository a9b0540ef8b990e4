//! Tests of the authorization module with a PostgreSQL server.
#![expect(clippy::disallowed_methods, reason = "tests run unchecked SQL")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod admission;
mod change_load;
mod helpers;
mod invitations;
mod roles_policies_members;
mod templates;
mod tenants;
