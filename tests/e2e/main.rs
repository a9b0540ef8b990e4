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

mod access;
mod authorization_check;
mod care;
mod client;
mod documentation;
mod framework;
mod fuzz_tenants;
mod invitations;
mod managing;
mod map;
mod matrix;
mod members;
mod policies;
mod production_build;
mod profile;
mod program;
mod queries;
mod reading;
mod sign_in;
mod tenancy;
mod tenants;
mod tokens;
mod users;
mod views;
