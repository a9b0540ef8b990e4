//! A text instead of an audit event.

use db::{DbError, TenantTx};

async fn commit(tx: TenantTx) -> Result<(), DbError> {
    tx.commit("renamed").await
}

fn main() {}
