//! A change that is committed without an audit event.

use db::{DbError, TenantTx};

async fn commit(tx: TenantTx) -> Result<(), DbError> {
    tx.commit().await
}

fn main() {}
