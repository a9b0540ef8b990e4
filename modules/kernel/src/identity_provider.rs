//! Looks up the caller of a request.

use std::sync::Arc;

use async_trait::async_trait;
use shaku::{Component, Interface};
use tokio::sync::OnceCell;

use crate::{ActiveUsers, Identity, IdentityError, IdentitySource, RequestContext};

/// Looks up the caller, at most once per request.
#[async_trait]
pub trait IdentityProvider: Interface {
    /// Returns the proof. It is cached for the rest of the request.
    async fn identity(&self) -> Result<Arc<Identity>, IdentityError>;
}

/// Creates the [`Identity`] from verified claims, if the user exists and isn't deactivated.
#[derive(Component)]
#[shaku(interface = IdentityProvider)]
pub struct VerifiedIdentityProvider {
    #[shaku(inject)]
    context: Arc<dyn RequestContext>,
    #[shaku(inject)]
    source: Arc<dyn IdentitySource>,
    #[shaku(inject)]
    users: Arc<dyn ActiveUsers>,
    #[shaku(default)]
    identity: OnceCell<Arc<Identity>>,
}

#[async_trait]
impl IdentityProvider for VerifiedIdentityProvider {
    async fn identity(&self) -> Result<Arc<Identity>, IdentityError> {
        self.identity.get_or_try_init(|| self.load_identity()).await.cloned()
    }
}

impl VerifiedIdentityProvider {
    async fn load_identity(&self) -> Result<Arc<Identity>, IdentityError> {
        let claims = self.source.require_claims().await?;
        let user = self.users.find_active(claims.user()).await?.ok_or(IdentityError::Invalid)?;
        Ok(Arc::new(Identity::from_user(user, &self.context)))
    }
}
