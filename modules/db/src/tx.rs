//! Open transactions, one type per kind, so that a repository's signature shows which one it needs.
//!
//! Dropping a transaction without committing rolls it back.

use std::ops::{Deref, DerefMut};

use kernel::{TenantId, UserId};
use sqlx::{PgConnection, Postgres, Transaction};
use tokio::task::JoinError;

use super::DbError;

/// An open transaction of any kind.
#[derive(Debug)]
pub struct Tx(Transaction<'static, Postgres>);

impl Tx {
    pub(super) fn new(tx: Transaction<'static, Postgres>) -> Self {
        Self(tx)
    }

    /// The connection, for executing statements.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.0
    }

    /// Commits the transaction. Runs to completion even if the caller is cancelled.
    ///
    /// # Errors
    /// [`DbError::Aborted`] if an earlier statement had failed. PostgreSQL answers such a COMMIT with a rollback, which
    /// would otherwise look like success.
    pub async fn commit(mut self) -> Result<(), DbError> {
        let committed = tokio::spawn(async move {
            if let Err(error) = sqlx::raw_sql("SELECT 1").execute(self.conn()).await {
                let aborted = super::error::sqlstate(&error).is_some_and(|code| code == "25P02");
                return Err(if aborted { DbError::Aborted } else { error.into() });
            }
            self.0.commit().await.map_err(DbError::from)
        });
        join_task(committed.await)
    }
}

/// Returns the outcome of a spawned task and propagates panics. The task isn't cancelled by others, since only the
/// caller has its handle.
pub(super) fn join_task<T>(outcome: Result<Result<T, DbError>, JoinError>) -> Result<T, DbError> {
    outcome.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // The runtime is shutting down.
        Err(_) => Err(DbError::Unavailable(sqlx::Error::WorkerCrashed)),
    })
}

/// Declares a transaction type that carries what determines its visibility. Dereferences to [`Tx`].
macro_rules! transaction {
    ($(#[$doc:meta])* $name:ident, $field:ident: $type:ty, $(#[$getter_doc:meta])*) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            tx: Tx,
            $field: $type,
        }

        impl $name {
            pub(super) fn new(tx: Tx, $field: $type) -> Self {
                Self { tx, $field }
            }

            $(#[$getter_doc])*
            pub fn $field(&self) -> $type {
                self.$field
            }

            /// See [`Tx::commit`].
            pub async fn commit(self) -> Result<(), DbError> {
                self.tx.commit().await
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
    /// A transaction on the rows of one tenant.
    TenantTx, tenant: TenantId,
    /// The tenant. Every statement filters by it, in addition to row-level security.
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

/// Why a transaction needs access to all tenants. A closed list, for auditing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Update a user's own profile. The application's role can't write users.
    ChangeProfile,
}
