//! Account administration by the operator.

use std::sync::Arc;

use async_trait::async_trait;
use auth_api::{AccountError, NewPassword, OperatorAccounts};
use db::{DbError, SystemAuditEvents, SystemDatabase, SystemReason};
use kernel::{Caller, Email, OperatorCommand, UserId};
use shaku::Component;
use user_api::{DisplayName, NewUser, UserCreated, UserRepository};

use crate::{credentials, password::PasswordHasher};

/// Implements `tenantry users create`.
#[derive(Component)]
#[shaku(interface = OperatorAccounts)]
pub(crate) struct AccountService {
    #[shaku(inject)]
    system: Arc<dyn SystemDatabase>,
    #[shaku(inject)]
    users: Arc<dyn UserRepository>,
    #[shaku(default)]
    hasher: PasswordHasher,
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
        credentials::create(&mut tx, user.id, &hash).await?;
        let event = UserCreated { user: user.id, email: user.email, name: name.clone() };
        let caller = Caller::operator(OperatorCommand::CreateUser);
        tx.commit(&caller, SystemAuditEvents::of_deployment(event)).await?;
        Ok(user.id)
    }
}

fn account_error(error: DbError) -> AccountError {
    if error.violates("users_email_key") { AccountError::EmailTaken } else { error.into() }
}
