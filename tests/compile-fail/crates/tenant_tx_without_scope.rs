//! A tenant transaction with only an identity, without a tenant scope.

use db::Database;
use kernel::Identity;

async fn rows(database: &dyn Database, identity: &Identity) {
    database.begin(identity).await.ok();
}

fn main() {}
