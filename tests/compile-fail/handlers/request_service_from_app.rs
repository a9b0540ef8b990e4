//! A request service is resolved from the application module, which all requests share.

use std::sync::Arc;

use kernel::TenantResolver;
use shaku::HasComponent;

use crate::services::AppModule;

pub(super) fn resolver(app: &AppModule) -> Arc<dyn TenantResolver> {
    HasComponent::<dyn TenantResolver>::resolve(app)
}
