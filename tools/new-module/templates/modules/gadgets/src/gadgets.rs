//! The gadgets of a tenant.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{Gadget, GadgetId, GadgetManage, GadgetName, GadgetRead, Gadgets, GadgetsError, Permit},
    db::Database,
};
use shaku::Component;

use crate::postgres::GadgetRepository;

/// The use cases behind `/v1/gadgets`.
#[derive(Component)]
#[shaku(interface = Gadgets)]
pub(crate) struct GadgetService {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    gadgets: Arc<dyn GadgetRepository>,
}

#[async_trait]
impl Gadgets for GadgetService {
    async fn list(
        &self,
        permit: &Permit<GadgetRead>,
        after: Option<GadgetId>,
        limit: u16,
    ) -> Result<Vec<Gadget>, GadgetsError> {
        Ok(self.gadgets.page(&self.database.tenant_reader(permit.scope()), after, limit).await?)
    }

    async fn get(&self, permit: &Permit<GadgetRead>, id: GadgetId) -> Result<Gadget, GadgetsError> {
        let found = self.gadgets.find(&self.database.tenant_reader(permit.scope()), id).await?;
        found.ok_or(GadgetsError::NotFound)
    }

    async fn create(&self, permit: &Permit<GadgetManage>, name: &GadgetName) -> Result<Gadget, GadgetsError> {
        let mut tx = self.database.begin(permit.scope()).await?;
        let created = self.gadgets.insert(&mut tx, GadgetId::new(), name).await?;
        tx.commit().await?;
        Ok(created)
    }

    async fn rename(
        &self,
        permit: &Permit<GadgetManage>,
        id: GadgetId,
        name: &GadgetName,
    ) -> Result<Gadget, GadgetsError> {
        let mut tx = self.database.begin(permit.scope()).await?;
        let renamed = self.gadgets.rename(&mut tx, id, name).await?.ok_or(GadgetsError::NotFound)?;
        tx.commit().await?;
        Ok(renamed)
    }

    async fn delete(&self, permit: &Permit<GadgetManage>, id: GadgetId) -> Result<(), GadgetsError> {
        let mut tx = self.database.begin(permit.scope()).await?;
        if !self.gadgets.delete(&mut tx, id).await? {
            return Err(GadgetsError::NotFound);
        }
        Ok(tx.commit().await?)
    }
}
