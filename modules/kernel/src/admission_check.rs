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

/// State of [`AdmissionCheck`].
const PENDING: u8 = 0;
const CONFIRMED: u8 = 1;
const OUTDATED: u8 = 2;

/// The facts of a scope, and whether the database has confirmed them. The first statement or transaction of a scope does.
#[derive(Debug)]
pub struct AdmissionCheck {
    facts: AdmissionFacts,
    state: AtomicU8,
}

impl AdmissionCheck {
    pub(crate) fn pending(facts: AdmissionFacts) -> Self {
        Self { facts, state: AtomicU8::new(PENDING) }
    }

    pub(crate) fn confirmed(facts: AdmissionFacts) -> Self {
        Self { facts, state: AtomicU8::new(CONFIRMED) }
    }

    /// Returns the facts that the admission depends on.
    pub fn facts(&self) -> AdmissionFacts {
        self.facts
    }

    /// Whether a statement has confirmed the facts.
    pub fn is_confirmed(&self) -> bool {
        self.state.load(Ordering::Acquire) == CONFIRMED
    }

    /// Whether no statement has compared the facts yet.
    pub fn is_pending(&self) -> bool {
        self.state.load(Ordering::Acquire) == PENDING
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
