//! The first proof, by the kernel's own function.

use kernel::contracts::{Identity, User};

fn identity(user: User) -> Identity {
    Identity::from_user(user)
}

fn main() {}
