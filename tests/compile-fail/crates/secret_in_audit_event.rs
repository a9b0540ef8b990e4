//! An audit event with a secret.

use kernel::{UserId, audit_events};
use secrecy::SecretString;

audit_events! {
    /// A password was changed.
    pub struct PasswordChanged: "password.changed", version 1 {
        user: UserId,
        password: SecretString,
    }
}

fn main() {}
