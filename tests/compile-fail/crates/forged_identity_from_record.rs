//! An identity created with the kernel's private function.

use kernel::contracts::{Identity, User};

fn identity(user: User) -> Identity {
    Identity::from_user(user)
}

fn main() {}
