//! Inviting, resending, revoking and accepting, against a real server.

mod grants;
mod house;
mod life;
mod races;
