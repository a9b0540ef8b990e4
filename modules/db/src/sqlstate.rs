//! SQLSTATEs of the server's errors: <https://www.postgresql.org/docs/current/errcodes-appendix.html>

/// The login or role lacks a privilege.
pub(super) const INSUFFICIENT_PRIVILEGE: &str = "42501";
/// The table doesn't exist.
pub(super) const UNDEFINED_TABLE: &str = "42P01";

/// `admitted_scope` found that the admission is outdated. A code of this program: no class of PostgreSQL or of the
/// SQL standard begins with a T.
const ADMISSION_OUTDATED: &str = "TN001";

/// The SQLSTATE of an error reported by the server.
pub(super) fn sqlstate(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(Into::into)
}

/// Whether `admitted_scope` found that the admission is outdated.
pub(super) fn is_outdated(error: &sqlx::Error) -> bool {
    sqlstate(error).is_some_and(|code| code == ADMISSION_OUTDATED)
}
