//! The first proof, by whoever likes to be somebody.

use kernel::contracts::{Email, Identity, UserId};

fn identity(user: UserId, email: Email) -> Identity {
    Identity { user, email }
}

fn main() {}
