//! Helpers shared by the tests of this crate.

use std::{sync::Arc, time::Duration};

use auth::{AuthModuleImpl, AuthSettings, SigningKey};
use kernel::{contracts::AuthModule, shaku_value::ValueModule};
use test_support::SeededDb;

/// The module with a new signing key. Tokens are valid for 15 minutes.
pub(crate) fn module(seeded: &SeededDb) -> Arc<dyn AuthModule> {
    let settings = AuthSettings {
        issuer: "tenantry".into(),
        audience: "tenantry-api".into(),
        token_ttl: Duration::from_secs(900),
        signing_key: SigningKey::generate().unwrap().0,
    };
    Arc::new(AuthModuleImpl::builder(seeded.db.module(), seeded.users(), ValueModule::new(Arc::new(settings))).build())
}
