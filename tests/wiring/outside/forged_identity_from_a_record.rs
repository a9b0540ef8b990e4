//! The first proof, by the kernel's own function.

use kernel::contracts::{Identity, User};

fn identity(user: User) -> Identity {
    Identity::of(user)
}

fn main() {}
