//! An identity without verified credentials.

use kernel::{Email, Identity, UserId};

fn identity(user: UserId, email: Email) -> Identity {
    Identity { user, email }
}

fn main() {}
