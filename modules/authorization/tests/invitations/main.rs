//! Inviting, resending, revoking and accepting, against a real server.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests look behind the queries, and provoke")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod grants;
mod house;
mod life;
mod races;
