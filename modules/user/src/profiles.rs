//! What people say of themselves.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{DisplayName, Identity, ProfileError, Profiles, User},
    db::{Database, SystemDatabase, SystemWork},
};
use shaku::Component;

use crate::postgres::{find_own, rename};

/// The use cases behind `/v1/me`.
///
/// `tenantry_app` only reads people. To let it write, a grant would have to be for all rows: people belong to no tenant,
/// so there is no row-level security on them that would bound it, and each statement of each tenant's work could rename
/// anybody. So the one statement that writes takes the system role, and its key from the proof of who is calling.
#[derive(Component)]
#[shaku(interface = Profiles)]
pub(crate) struct OwnProfiles {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    system: Arc<dyn SystemDatabase>,
}

#[async_trait]
impl Profiles for OwnProfiles {
    async fn get(&self, identity: &Identity) -> Result<User, ProfileError> {
        find_own(&self.database.reader(), identity).await?.ok_or(ProfileError::NotFound)
    }

    async fn rename(&self, identity: &Identity, name: &DisplayName) -> Result<User, ProfileError> {
        let mut tx = self.system.begin(SystemWork::ChangeProfile).await?;
        let renamed = rename(&mut tx, identity, name).await?;
        tx.commit().await?;
        renamed.ok_or(ProfileError::NotFound)
    }
}
