//! Inviting, resending, revoking and accepting, against a real server.

mod escalation;
mod fixture;
mod lifecycle;
mod concurrency;
