//! End to end: through a real server on a port of its own, or through the program itself.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests look behind the program, and provoke")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a panic fails the test")]

/// Compares with the golden file of the test's name. After an intended change: `INSTA_UPDATE=always cargo test`.
macro_rules! snapshot {
    ($text:expr) => {
        insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!($text)
        })
    };
}

mod authorization_matrix;
mod authorization_check;
mod db_commands;
mod client;
mod openapi;
mod http_errors;
mod fuzz_tenants;
mod invitations;
mod roles_and_policies;
mod docs_map;
mod permission_matrix;
mod members;
mod policy_upgrade;
mod production_build;
mod profile;
mod cli;
mod sqlx_metadata;
mod get_is_read_only;
mod sign_in;
mod tenancy;
mod tenants;
mod tokens;
mod users;
mod responses;
