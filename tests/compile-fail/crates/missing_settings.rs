//! The module `auth` without its settings. With shaku's parameters this would compile, and panic.

use std::sync::Arc;

use auth::AuthModuleImpl;
use kernel::contracts::{AuthModule, DbModule, UserModule};

fn auth(db: Arc<dyn DbModule>, users: Arc<dyn UserModule>) -> impl AuthModule {
    AuthModuleImpl::builder(db, users).build()
}

fn main() {}
