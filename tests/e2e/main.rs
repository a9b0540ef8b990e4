//! End-to-end tests, through an HTTP server on a free port or through the `tenantry` binary.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests inspect and break the database")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a panic fails the test")]

/// Compares with the snapshot named after the test. After an intended change, run `INSTA_UPDATE=always cargo test`.
macro_rules! snapshot {
    // With the rule that the file records, and what to do if it changes.
    ($rule:literal, $text:expr) => {
        insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false, description => $rule}, {
            insta::assert_snapshot!($text)
        })
    };
    ($text:expr) => {
        insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!($text)
        })
    };
}

mod admission_cache;
mod audit_log;
mod authorization_check;
mod authorization_matrix;
mod cli;
mod client;
mod client_addr;
mod database_failures;
mod db_commands;
mod doc_examples;
mod documented_responses;
mod fuzz_tenants;
mod get_is_read_only;
mod http_errors;
mod invitations;
mod logs;
mod members;
mod migration_checksums;
mod openapi;
mod permission_matrix;
mod policy_upgrade;
mod process;
mod production_build;
mod profile;
mod reference_docs;
mod response_snapshots;
mod roles_and_policies;
mod sample_requests;
mod sign_in;
mod sign_in_flood;
mod slow_clients;
mod source_files;
mod sqlx_metadata;
mod statement_plans;
mod strict_requests;
mod superuser_connection;
mod tenancy;
mod tenants;
mod text_identity;
mod tokens;
mod users;
