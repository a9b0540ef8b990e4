//! The tenants of a person.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{AuthorizationError, Identity, MyTenant, MyTenants},
    db::Database,
};
use shaku::Component;

use crate::postgres::MembershipRepository;

/// A use case behind `GET /v1/me`.
#[derive(Component)]
#[shaku(interface = MyTenants)]
pub(crate) struct TenantsOfPerson {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    memberships: Arc<dyn MembershipRepository>,
}

#[async_trait]
impl MyTenants for TenantsOfPerson {
    async fn list(&self, identity: &Identity) -> Result<Vec<MyTenant>, AuthorizationError> {
        let mut tx = self.database.begin_as(identity).await?;
        Ok(self.memberships.of_person(&mut tx).await?)
    }
}
