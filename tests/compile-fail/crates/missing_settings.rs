//! The module `auth` without its settings. With shaku's parameters this would compile, and panic.

use std::sync::Arc;

use auth::AuthModule;
use db::DbModule;
use kernel::ValueModule;
use user_api::UserRepository;

fn auth(db: Arc<DbModule>, users: Arc<ValueModule<dyn UserRepository>>) -> AuthModule {
    AuthModule::builder(db, users).build()
}

fn main() {}
