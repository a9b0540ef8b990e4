//! An audit event for tests that commit a transaction.

use kernel::{RoleId, audit_events};

audit_events! {
    /// A test committed a transaction.
    pub struct FixtureCommitted: "fixture.committed", version 1 {
        fixture: RoleId,
    }
}

/// Returns an event with a new id.
pub fn fixture_event() -> FixtureCommitted {
    FixtureCommitted { fixture: RoleId::new() }
}
