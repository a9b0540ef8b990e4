//! Creating, resending, revoking and accepting invitations.

mod concurrency;
mod escalation;
mod fixture;
mod lifecycle;
