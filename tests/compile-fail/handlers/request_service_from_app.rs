//! The tenant that a request acts in is asked of the application, which serves everybody.

use std::sync::Arc;

use kernel::contracts::TenantResolver;
use shaku::HasComponent;

use crate::bootstrap::AppModule;

pub(super) fn resolver(app: &dyn AppModule) -> Arc<dyn TenantResolver> {
    HasComponent::<dyn TenantResolver>::resolve(app)
}
