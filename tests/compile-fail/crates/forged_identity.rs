//! An identity without verified credentials.

use kernel::contracts::{Email, Identity, UserId};

fn identity(user: UserId, email: Email) -> Identity {
    Identity { user, email }
}

fn main() {}
