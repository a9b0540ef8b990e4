//! `SystemDatabase`, which isn't limited to one tenant, is resolved from the application module.

use std::sync::Arc;

use db::SystemDatabase;
use shaku::HasComponent;

use crate::services::AppModule;

pub(super) fn every_tenant(app: &AppModule) -> Arc<dyn SystemDatabase> {
    HasComponent::<dyn SystemDatabase>::resolve(app)
}
