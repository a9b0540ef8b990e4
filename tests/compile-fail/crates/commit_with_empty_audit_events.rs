//! An empty list instead of audit events.

use authorization_api::RoleCreated;
use db::{DbError, TenantTx};

async fn commit(tx: TenantTx) -> Result<(), DbError> {
    tx.commit(Vec::<RoleCreated>::new()).await
}

fn main() {}
