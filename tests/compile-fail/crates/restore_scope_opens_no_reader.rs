//! The scope for restoring a tenant isn't a tenant scope.

use db::{Database, TenantReader};
use kernel::RestoreScope;

fn reader(database: &dyn Database, scope: &RestoreScope) -> TenantReader {
    database.tenant_reader(scope)
}

fn main() {}
