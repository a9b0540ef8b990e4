//! An identity created with the kernel's private function; any code can construct an active user.

use kernel::{ActiveUser, Identity};

fn identity(user: ActiveUser) -> Identity {
    Identity::from_user(user)
}

fn main() {}
