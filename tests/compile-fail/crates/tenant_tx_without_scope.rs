//! A transaction on a tenant's rows, for somebody of whom it is known only who they are.

use kernel::{contracts::Identity, db::Database};

async fn rows(database: &dyn Database, identity: &Identity) {
    database.begin(identity).await.ok();
}

fn main() {}
