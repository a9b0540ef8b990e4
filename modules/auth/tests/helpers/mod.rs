//! Helpers shared by the tests of this crate.

use std::{sync::Arc, time::Duration};

use auth::{AuthModule, AuthSettings, SigningKey};
use kernel::ValueModule;
use shaku::HasComponent;
use test_support::SeededDb;

/// Returns the module with a new signing key. Tokens are valid for 15 minutes.
pub(crate) fn module(seeded: &SeededDb) -> AuthModule {
    let settings = AuthSettings {
        issuer: "tenantry".into(),
        audience: "tenantry-api".into(),
        token_ttl: Duration::from_secs(900),
        signing_key: SigningKey::generate().unwrap().0,
    };
    let users = ValueModule::new(seeded.users.resolve());
    let recorder = ValueModule::new(seeded.audit_recorder());
    AuthModule::builder(seeded.db.module(), users, recorder, ValueModule::new(Arc::new(settings))).build()
}
