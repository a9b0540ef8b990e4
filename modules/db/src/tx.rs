//! Open transactions, one type per kind, so that a repository's signature shows which one it needs.
//!
//! Dropping a transaction without committing rolls it back.

use std::ops::{Deref, DerefMut};

use kernel::{Caller, IntoAuditEvents, TenantId, UserId};
use sqlx::{AssertSqlSafe, Executor, PgConnection, Postgres};
use tokio::{task::JoinError, time::timeout};

use super::{
    DbError,
    audit_records::{AuditRecords, SystemAuditEvents, UnauditedReason},
    deadlines::{BEGIN_DEADLINE, COMMIT_DEADLINE, no_response},
    sqlstate::{is_outdated, sqlstate},
    tx_connection::TxConnection,
};

/// An open transaction of any kind.
#[derive(Debug)]
pub struct Tx {
    connection: TxConnection,
}

impl Tx {
    /// Begins a transaction. After an error, the connection is closed, unless the admission is outdated: nothing else in
    /// `begin_sql` can fail on a usable one.
    pub(super) async fn begin(mut connection: TxConnection, begin_sql: &str) -> Result<Self, sqlx::Error> {
        // Safe from SQL injection: callers build `begin_sql` from constants and UUIDs.
        let begin = sqlx::raw_sql(AssertSqlSafe(begin_sql)).execute(connection.without_deadline());
        let begun = timeout(BEGIN_DEADLINE, begin).await.unwrap_or_else(|_| Err(no_response(BEGIN_DEADLINE)));
        match begun {
            Ok(_) => Ok(Self { connection }),
            Err(error) => {
                if !is_outdated(&error) {
                    connection.set_broken();
                }
                Err(error)
            }
        }
    }

    /// The connection, for executing statements. A statement that exceeds the deadline is an error, and the transaction
    /// can't continue.
    pub fn conn(&mut self) -> impl Executor<'_, Database = Postgres> {
        self.connection.executor()
    }

    /// The connection without a deadline for its statements.
    pub(super) fn without_deadline(&mut self) -> &mut PgConnection {
        self.connection.without_deadline()
    }

    /// Closes the connection instead of returning it to the pool.
    pub(super) fn discard(mut self) {
        self.connection.set_broken();
    }

    /// See [`TenantTx::commit`].
    async fn commit(mut self, records: AuditRecords) -> Result<(), DbError> {
        let committed = tokio::spawn(async move {
            let committed = timeout(COMMIT_DEADLINE, self.try_commit(records)).await;
            committed.unwrap_or_else(|_| {
                self.connection.set_broken();
                Err(no_response(COMMIT_DEADLINE).into())
            })
        });
        task_result(committed.await)
    }

    async fn try_commit(&mut self, records: AuditRecords) -> Result<(), DbError> {
        if let Err(error) = records.insert(self.without_deadline()).await {
            let aborted = sqlstate(&error).is_some_and(|code| code == "25P02");
            return Err(if aborted { DbError::Aborted } else { error.into() });
        }
        sqlx::raw_sql("COMMIT").execute(self.without_deadline()).await?;
        self.connection.set_finished();
        Ok(())
    }
}

/// Returns the outcome of a spawned task and propagates panics. The task isn't cancelled by others, since only the
/// caller has its handle.
pub fn task_result<T, E: From<DbError>>(outcome: Result<Result<T, E>, JoinError>) -> Result<T, E> {
    outcome.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // The runtime is shutting down.
        Err(_) => Err(DbError::Unavailable(sqlx::Error::WorkerCrashed).into()),
    })
}

/// Declares a transaction type that carries what determines its visibility. Dereferences to [`Tx`].
macro_rules! transaction {
    ($(#[$doc:meta])* $name:ident, $field:ident: $type:ty, $($private:ident: $private_type:ty,)? $(#[$getter_doc:meta])*) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            tx: Tx,
            $field: $type,
            $($private: $private_type,)?
        }

        impl $name {
            pub(super) fn new(tx: Tx, $field: $type $(, $private: $private_type)?) -> Self {
                Self { tx, $field $(, $private)? }
            }

            $(#[$getter_doc])*
            pub fn $field(&self) -> $type {
                self.$field
            }
        }

        impl Deref for $name {
            type Target = Tx;

            fn deref(&self) -> &Tx {
                &self.tx
            }
        }

        impl DerefMut for $name {
            fn deref_mut(&mut self) -> &mut Tx {
                &mut self.tx
            }
        }
    };
}

transaction! {
    /// A transaction on the rows of one tenant, on behalf of the caller.
    TenantTx, tenant: TenantId, caller: Caller,
    /// The tenant. Every statement filters by it, in addition to row-level security.
}

impl TenantTx {
    /// Records what the caller did in the tenant's audit log, and commits the transaction. Runs to completion even if
    /// the future is dropped.
    ///
    /// # Errors
    /// [`DbError::Aborted`] if an earlier statement had failed. PostgreSQL answers such a COMMIT with a rollback, which
    /// would otherwise look like success. [`DbError::Unavailable`] if the connection was lost or the server didn't
    /// respond: then the transaction may have been committed.
    pub async fn commit(self, events: impl IntoAuditEvents) -> Result<(), DbError> {
        let records = events.into_events().to_records(Some(self.tenant), &self.caller);
        self.tx.commit(AuditRecords::Tenants(records)).await
    }
}

transaction! {
    /// A read-only transaction on a user's rows in all tenants.
    UserTx, user: UserId,
    /// The user.
}

transaction! {
    /// A transaction on the rows of all tenants.
    SystemTx, reason: SystemReason,
    /// The reason for access to all tenants.
}

impl SystemTx {
    /// Records what the caller did, and commits the transaction. Runs to completion even if the future is dropped.
    ///
    /// # Errors
    /// Like [`TenantTx::commit`].
    pub async fn commit(self, caller: &Caller, events: SystemAuditEvents) -> Result<(), DbError> {
        let records = events.to_records(caller);
        self.tx.commit(records).await
    }

    /// Commits without an audit event.
    ///
    /// # Errors
    /// Like [`TenantTx::commit`].
    pub async fn commit_unaudited(self, _reason: UnauditedReason) -> Result<(), DbError> {
        self.tx.commit(AuditRecords::None).await
    }
}

/// Why a transaction needs access to all tenants. A closed list, for auditing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SystemReason {
    /// Read credentials. The caller isn't authenticated yet.
    SignIn,
    /// Create an account on behalf of the operator. No other role may write users and credentials.
    CreateAccount,
    /// Create the demo tenants, or check whether they exist.
    Seed,
    /// Create a tenant. It has no members yet who could have a scope in it.
    CreateTenant,
    /// Restore a tenant. There is no scope in an archived tenant.
    RestoreTenant,
    /// Accept an invitation. The invitee has no scope in the tenant yet.
    AcceptInvitation,
    /// Upgrade the policy templates of all tenants, including archived ones.
    UpgradePolicies,
    /// Record denials and failed sign-ins of all tenants, which no transaction of a request records.
    RecordAuditEvents,
    /// Update a user's own profile. The application's role can't write users.
    ChangeProfile,
}
