//! Account administration by the operator.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{AccountError, DisplayName, Email, NewPassword, NewUser, OperatorAccounts, UserId, UserRepository},
    db::{DbError, SystemDatabase, SystemReason},
};
use shaku::Component;

use crate::{domain::PasswordHasher, postgres::CredentialRepository};

/// Implements `tenantry users create`.
#[derive(Component)]
#[shaku(interface = OperatorAccounts)]
pub(crate) struct AccountService {
    #[shaku(inject)]
    system: Arc<dyn SystemDatabase>,
    #[shaku(inject)]
    users: Arc<dyn UserRepository>,
    #[shaku(inject)]
    credentials: Arc<dyn CredentialRepository>,
    #[shaku(inject)]
    hasher: Arc<dyn PasswordHasher>,
}

#[async_trait]
impl OperatorAccounts for AccountService {
    async fn create(&self, email: &Email, name: &DisplayName, password: &NewPassword) -> Result<UserId, AccountError> {
        // Hash before opening the transaction, because hashing is slow.
        let hash = self.hasher.hash(password.password()).await.map_err(|error| AccountError::Internal(error.into()))?;
        // The id is new, so neither insert can conflict on it.
        let user = NewUser { id: UserId::new(), email: email.clone(), display_name: name.as_str().into() };
        let mut tx = self.system.begin(SystemReason::CreateAccount).await?;
        self.users.create(&mut tx, &user).await.map_err(account_error)?;
        self.credentials.create(&mut tx, user.id, &hash).await?;
        tx.commit().await?;
        Ok(user.id)
    }
}

fn account_error(error: DbError) -> AccountError {
    if error.violates("users_email_key") { AccountError::EmailTaken } else { error.into() }
}
