//! A request service is resolved from the application module, which all requests share.

use std::sync::Arc;

use kernel::contracts::TenantResolver;
use shaku::HasComponent;

use crate::bootstrap::AppModule;

pub(super) fn resolver(app: &dyn AppModule) -> Arc<dyn TenantResolver> {
    HasComponent::<dyn TenantResolver>::resolve(app)
}
