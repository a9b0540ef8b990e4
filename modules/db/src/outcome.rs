//! What an error of the database means, decided from its SQLSTATE in one place.
//!
//! No SQLSTATE is mapped to 409: callers recognize a constraint that a client can violate by its name
//! ([`super::DbError::violates`]). A conflict between transactions isn't the client's error, and the same request
//! succeeds later.

use std::io;

use super::sqlstate::sqlstate;

/// How to answer an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The connection is unusable, or the transaction was aborted because of a concurrent one. A read is repeated at
    /// once. Otherwise the answer is 503: the statements of a transaction can't be repeated here.
    Retry,
    /// The server can't do this now. The answer is 503, at start-up the program waits.
    Unavailable,
    /// The server rejected the login or has no such database. The answer is 503, at start-up the program ends.
    LoginRejected,
    /// A defect of the program or of the schema. The answer is 500.
    Internal,
}

impl Outcome {
    /// Classifies an error.
    pub(super) fn of(error: &sqlx::Error) -> Self {
        match error {
            // The connection is closed, so a retry would be safe, but it would wait as long again.
            sqlx::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => Self::Unavailable,
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
                Self::Retry
            }
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Self::Unavailable,
            sqlx::Error::Database(error) => error.code().map_or(Self::Internal, |code| Self::of_sqlstate(&code)),
            _ => Self::Internal,
        }
    }

    /// Classifies a SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
    fn of_sqlstate(code: &str) -> Self {
        match code {
            // serialization_failure, deadlock_detected
            "40001" | "40P01" => Self::Retry,
            // admin_shutdown, crash_shutdown, idle_session_timeout, idle_in_transaction_session_timeout,
            // transaction_timeout: the server has closed the connection.
            "57P01" | "57P02" | "57P05" | "25P03" | "25P04" => Self::Retry,
            // lock_not_available, query_canceled (statement_timeout), read_only_sql_transaction (a standby)
            "55P03" | "57014" | "25006" => Self::Unavailable,
            // invalid_authorization_specification, invalid_password, invalid_catalog_name
            "28000" | "28P01" | "3D000" => Self::LoginRejected,
            // connection_exception
            code if code.starts_with("08") => Self::Retry,
            // insufficient_resources (53300 too_many_connections), operator_intervention (57P03 cannot_connect_now)
            code if code.starts_with("53") || code.starts_with("57") => Self::Unavailable,
            _ => Self::Internal,
        }
    }

    /// Returns whether a later attempt may succeed without a change to the program.
    pub(super) fn is_temporary(self) -> bool {
        self != Self::Internal
    }
}

/// Whether a standby rejected a transaction or read: the scope function with `read_only_sql_transaction`, or `BEGIN
/// READ WRITE` with `feature_not_supported`, which no other BEGIN and no read of the program causes.
pub(super) fn is_standby_rejection(error: &sqlx::Error) -> bool {
    matches!(sqlstate(error).as_deref(), Some("25006" | "0A000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_sqlstate_has_its_outcome() {
        use Outcome::{Internal, LoginRejected, Retry, Unavailable};
        for (code, outcome) in [
            ("08000", Retry),
            ("08001", Retry),
            ("08003", Retry),
            ("08006", Retry),
            ("08P01", Retry),
            ("25006", Unavailable),
            ("25P03", Retry),
            ("25P04", Retry),
            ("28000", LoginRejected),
            ("28P01", LoginRejected),
            ("3D000", LoginRejected),
            ("40001", Retry),
            ("40P01", Retry),
            ("53000", Unavailable),
            ("53100", Unavailable),
            ("53200", Unavailable),
            ("53300", Unavailable),
            ("53400", Unavailable),
            ("55P03", Unavailable),
            ("57014", Unavailable),
            ("57P01", Retry),
            ("57P02", Retry),
            ("57P03", Unavailable),
            ("57P04", Unavailable),
            ("57P05", Retry),
            // A violated constraint, a missing privilege and a missing table are defects here.
            ("23505", Internal),
            ("42501", Internal),
            ("42P01", Internal),
            ("25P02", Internal),
        ] {
            assert_eq!(Outcome::of_sqlstate(code), outcome, "{code}");
            assert_eq!(outcome.is_temporary(), outcome != Internal, "{code}");
        }
    }

    #[test]
    fn io_and_pool_errors_are_classified() {
        let io = |kind: io::ErrorKind| Outcome::of(&sqlx::Error::Io(kind.into()));
        assert_eq!(io(io::ErrorKind::UnexpectedEof), Outcome::Retry);
        assert_eq!(Outcome::of(&sqlx::Error::WorkerCrashed), Outcome::Retry);
        assert_eq!(io(io::ErrorKind::TimedOut), Outcome::Unavailable);
        for error in [sqlx::Error::PoolTimedOut, sqlx::Error::PoolClosed] {
            assert_eq!(Outcome::of(&error), Outcome::Unavailable, "{error}");
        }
        assert_eq!(Outcome::of(&sqlx::Error::RowNotFound), Outcome::Internal);
    }
}
