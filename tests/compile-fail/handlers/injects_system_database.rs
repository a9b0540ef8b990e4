//! The database that spans tenants, asked of the application: it isn't among what a request could ever see.

use std::sync::Arc;

use kernel::db::SystemDatabase;
use shaku::HasComponent;

use crate::bootstrap::AppModule;

pub(super) fn every_tenant(app: &dyn AppModule) -> Arc<dyn SystemDatabase> {
    HasComponent::<dyn SystemDatabase>::resolve(app)
}
