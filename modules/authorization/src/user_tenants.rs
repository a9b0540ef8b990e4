//! The service that lists a user's tenants.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{AuthorizationError, Identity, UserTenant, UserTenants},
    db::Database,
};
use shaku::Component;

use crate::postgres::MembershipRepository;

/// Implements the tenant list of `GET /v1/me`.
#[derive(Component)]
#[shaku(interface = UserTenants)]
pub(crate) struct UserTenantService {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    memberships: Arc<dyn MembershipRepository>,
}

#[async_trait]
impl UserTenants for UserTenantService {
    async fn list(&self, identity: &Identity) -> Result<Vec<UserTenant>, AuthorizationError> {
        let mut tx = self.database.begin_for_user(identity).await?;
        Ok(self.memberships.list_for_user(&mut tx).await?)
    }
}
