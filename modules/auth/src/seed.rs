//! The demo passwords.

use std::error::Error;

use auth_api::Password;
use db::SystemTx;
use kernel::UserId;

use crate::{credentials, password::PasswordHasher};

/// The password of every demo account. It is public: printed at startup and in the README.
pub const PASSWORD: &str = "tenantry-demo";

/// Sets the demo password of every user that has no password. Returns for each user whether it was set.
pub async fn seed<const N: usize>(
    tx: &mut SystemTx,
    users: [UserId; N],
) -> Result<[bool; N], Box<dyn Error + Send + Sync>> {
    let hasher = PasswordHasher::default();
    let mut created = [false; N];
    for (user, created) in users.into_iter().zip(&mut created) {
        if credentials::password_hash(tx, user).await?.is_some() {
            continue;
        }
        let hash = hasher.hash(&Password::new(PASSWORD.into())).await?;
        *created = credentials::create(tx, user, &hash).await?;
    }
    Ok(created)
}
