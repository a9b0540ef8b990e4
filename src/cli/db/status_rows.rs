//! Rows of `tenantry db status`.

use db::{MigrationState, MigrationStatus};

use super::super::output::print;

pub(super) fn print_row(name: &str, value: String) {
    print(format_args!("{name:<11} {value}"));
}

pub(super) fn migration_counts(all: &[MigrationStatus]) -> String {
    let count = |state| all.iter().filter(|migration| migration.state == state).count();
    let (applied, pending) = (count(MigrationState::Applied), count(MigrationState::Pending));
    match all.len() - applied - pending {
        0 => format!("{applied} applied, {pending} pending"),
        others => format!("{applied} applied, {pending} pending, {others} changed or unknown to this program"),
    }
}
