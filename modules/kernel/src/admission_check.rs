//! Whether the database has confirmed a cached admission.

use std::sync::atomic::{AtomicU8, Ordering};

use uuid::Uuid;

use crate::{RoleId, TenantId, UserId};

/// What an admission depends on. The database compares it with the tables, in the snapshot in which it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmissionFacts {
    /// The tenant.
    pub tenant: TenantId,
    /// The active user.
    pub user: UserId,
    /// The member's role.
    pub role: RoleId,
    /// Changes with the tenant's policies, attributes and slug.
    pub policy_version: Uuid,
}

/// No statement has compared the facts yet.
const PENDING: u8 = 0;
/// At least one statement has confirmed the facts, and none has rejected them.
const CONFIRMED: u8 = 1;
/// A statement has rejected the facts.
const OUTDATED: u8 = 2;
/// The facts were read before the request was decided. No statement compares them.
const READ: u8 = 3;

/// The facts of a scope, and whether the database has confirmed them. Each statement of a scope from the cache does, and
/// so does the beginning of a transaction.
#[derive(Debug)]
pub struct AdmissionCheck {
    facts: AdmissionFacts,
    state: AtomicU8,
}

impl AdmissionCheck {
    pub(crate) fn pending(facts: AdmissionFacts) -> Self {
        Self { facts, state: AtomicU8::new(PENDING) }
    }

    pub(crate) fn read(facts: AdmissionFacts) -> Self {
        Self { facts, state: AtomicU8::new(READ) }
    }

    /// Returns the facts that the admission depends on.
    pub fn facts(&self) -> AdmissionFacts {
        self.facts
    }

    /// Whether statements compare the facts.
    pub fn is_compared(&self) -> bool {
        self.state() != READ
    }

    /// Whether a statement has confirmed the facts, and none has rejected them.
    pub fn is_confirmed(&self) -> bool {
        self.state() == CONFIRMED
    }

    /// Whether no statement has compared the facts yet.
    pub fn is_pending(&self) -> bool {
        self.state() == PENDING
    }

    fn state(&self) -> u8 {
        self.state.load(Ordering::Acquire)
    }

    /// Records that a statement which compared the facts has succeeded. `clippy.toml` disallows calling it outside of
    /// the crate `db`.
    pub fn confirm(&self) {
        let _outdated = self.state.compare_exchange(PENDING, CONFIRMED, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Records that the facts are outdated, which is final.
    pub fn reject(&self) {
        self.state.store(OUTDATED, Ordering::Release);
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests are about confirming")]
mod tests {
    use super::*;

    fn check() -> AdmissionCheck {
        let (tenant, user) = (TenantId::new(), UserId::new());
        AdmissionCheck::pending(AdmissionFacts { tenant, user, role: RoleId::new(), policy_version: Uuid::nil() })
    }

    #[test]
    fn outdated_admission_stays_unconfirmed() {
        let check = check();
        assert!(!check.is_confirmed());
        check.reject();
        check.confirm();
        assert!(!check.is_confirmed());
    }

    #[test]
    fn confirmed_admission_becomes_outdated_by_later_rejection() {
        let check = check();
        check.confirm();
        assert!(check.is_confirmed());
        check.reject();
        assert!(!check.is_confirmed());
    }
}
