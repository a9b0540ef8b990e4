//! Whether the database has confirmed the admission of a request.

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
    /// Renewed by every change to the tenant's policies, attributes or slug, or to the owner of a personal tenant.
    pub policy_version: Uuid,
}

/// No statement has compared the facts yet.
const PENDING: u8 = 0;
/// At least one statement has confirmed the facts, and none has rejected them.
const CONFIRMED: u8 = 1;
/// A statement has rejected the facts.
const OUTDATED: u8 = 2;
/// The request isn't a read, so no statement compares the facts.
const NOT_COMPARED: u8 = 3;

/// The facts of a scope, and whether the database has confirmed them.
///
/// In a read, each statement of a `TenantReader` and each beginning of a transaction confirms them, or fails with
/// `DbError::AdmissionOutdated`. Both types are in the crate `db`.
#[derive(Debug)]
pub struct AdmissionCheck {
    facts: AdmissionFacts,
    state: AtomicU8,
}

impl AdmissionCheck {
    pub(crate) fn pending(facts: AdmissionFacts) -> Self {
        Self { facts, state: AtomicU8::new(PENDING) }
    }

    pub(crate) fn without_comparison(facts: AdmissionFacts) -> Self {
        Self { facts, state: AtomicU8::new(NOT_COMPARED) }
    }

    /// Returns the facts that the admission depends on.
    pub fn facts(&self) -> AdmissionFacts {
        self.facts
    }

    /// Returns whether statements must compare the facts.
    pub fn needs_comparison(&self) -> bool {
        self.state() != NOT_COMPARED
    }

    /// Returns whether a statement has confirmed the facts, and none has rejected them.
    pub fn is_confirmed(&self) -> bool {
        self.state() == CONFIRMED
    }

    /// Returns whether no statement has compared the facts yet.
    pub fn is_pending(&self) -> bool {
        self.state() == PENDING
    }

    fn state(&self) -> u8 {
        self.state.load(Ordering::Acquire)
    }

    /// Records that a statement which compared the facts has succeeded. `clippy.toml` disallows calling it outside of
    /// the crate `db`.
    pub fn confirm(&self) {
        // Other states don't change; an outdated admission stays outdated.
        let _unchanged = self.state.compare_exchange(PENDING, CONFIRMED, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Records that the facts are outdated, which is final.
    pub fn mark_outdated(&self) {
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
        check.mark_outdated();
        check.confirm();
        assert!(!check.is_confirmed());
    }

    #[test]
    fn confirmed_admission_becomes_outdated_by_later_rejection() {
        let check = check();
        check.confirm();
        assert!(check.is_confirmed());
        check.mark_outdated();
        assert!(!check.is_confirmed());
    }
}
