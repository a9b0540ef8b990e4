//! `SystemDatabase`, which isn't limited to one tenant, is resolved from the application module.

use std::sync::Arc;

use kernel::db::SystemDatabase;
use shaku::HasComponent;

use crate::bootstrap::AppModule;

pub(super) fn every_tenant(app: &dyn AppModule) -> Arc<dyn SystemDatabase> {
    HasComponent::<dyn SystemDatabase>::resolve(app)
}
