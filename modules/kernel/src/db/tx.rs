//! Open transactions, each of its own type: a repository says in its signature which it needs.
//!
//! A transaction that isn't committed is rolled back when it goes out of scope.

use std::ops::{Deref, DerefMut};

use sqlx::{PgConnection, Postgres, Transaction};
use tokio::task::JoinError;

use super::{DbError, SystemReason};
use crate::contracts::{TenantId, UserId};

/// An open transaction, whatever it may see.
#[derive(Debug)]
pub struct Tx(Transaction<'static, Postgres>);

impl Tx {
    pub(super) fn new(tx: Transaction<'static, Postgres>) -> Self {
        Self(tx)
    }

    /// Makes the changes last. It runs to its end even where the caller is cancelled.
    ///
    /// # Errors
    /// [`DbError::Aborted`] where an earlier statement had failed: PostgreSQL answers such a COMMIT with a rollback,
    /// which would otherwise pass for success.
    pub async fn commit(mut self) -> Result<(), DbError> {
        let committed = tokio::spawn(async move {
            if let Err(error) = sqlx::raw_sql("SELECT 1").execute(&mut *self).await {
                let aborted = super::error::sqlstate(&error).is_some_and(|code| code == "25P02");
                return Err(if aborted { DbError::Aborted } else { error.into() });
            }
            self.0.commit().await.map_err(DbError::from)
        });
        join_task(committed.await)
    }
}

/// What a spawned task came to. It can't have been cancelled, for nobody else has its handle.
pub(super) fn join_task<T>(outcome: Result<Result<T, DbError>, JoinError>) -> Result<T, DbError> {
    outcome.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // The runtime is shutting down.
        Err(_) => Err(DbError::Unavailable(sqlx::Error::WorkerCrashed)),
    })
}

impl Deref for Tx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}

/// A transaction that knows why it sees more than a bare [`Tx`]. It can be lent where a `&mut Tx` is enough.
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
            ///
            /// # Errors
            /// As there.
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
    /// Tenant work: sees and changes the rows of one tenant.
    TenantTx, tenant: TenantId,
    /// The tenant: what every statement filters by, even though row-level security would.
}

transaction! {
    /// A person's own rows across tenants, read-only.
    UserTx, user: UserId,
    /// The person.
}

transaction! {
    /// Work that spans tenants.
    SystemTx, reason: SystemReason,
    /// What for.
}
