//! The service for a user's own profile.

use std::sync::Arc;

use async_trait::async_trait;
use db::{Database, SystemAuditEvents, SystemDatabase, SystemReason};
use kernel::{Change, Identity};
use shaku::Component;
use user_api::{DisplayName, ProfileError, Profiles, User, UserRenamed};

use crate::users::{find_active, rename};

/// Implements `/v1/me`.
///
/// The database role `tenantry_app` can only read users: the user in scope and the members of the tenant in scope. The
/// one statement that writes runs in a system transaction, and takes the user's id from the [`Identity`].
#[derive(Component)]
#[shaku(interface = Profiles)]
pub(crate) struct ProfileService {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    system: Arc<dyn SystemDatabase>,
}

#[async_trait]
impl Profiles for ProfileService {
    async fn get(&self, identity: &Identity) -> Result<User, ProfileError> {
        find_active(&self.database.reader(), identity.user()).await?.ok_or(ProfileError::NotFound)
    }

    async fn rename(&self, identity: &Identity, name: &DisplayName) -> Result<User, ProfileError> {
        let mut tx = self.system.begin(SystemReason::ChangeProfile).await?;
        let renamed = rename(&mut tx, identity, name).await?.ok_or(ProfileError::NotFound)?;
        let name = Change { before: renamed.former_name, after: name.clone() };
        let event = UserRenamed { user: renamed.user.id, name };
        tx.commit(identity.caller(), SystemAuditEvents::of_deployment(event)).await?;
        Ok(renamed.user)
    }
}
