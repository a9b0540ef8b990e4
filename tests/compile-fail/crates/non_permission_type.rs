//! A permit for a type that isn't a permission.

use std::sync::Arc;

use kernel::{Environment, Permit, TenantScope};

struct InvoiceRead;

fn permit(scope: &Arc<TenantScope>, environment: &Environment) {
    Permit::<InvoiceRead>::authorize(scope, None, environment).ok();
}

fn main() {}
