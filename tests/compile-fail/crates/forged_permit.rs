//! A permit without evaluating the policies.

use std::{marker::PhantomData, sync::Arc};

use kernel::contracts::{Environment, Permit, RoleManage, TenantScope};

fn permit(scope: Arc<TenantScope>, environment: Environment) -> Permit<RoleManage> {
    Permit { scope, resource: None, environment, permission: PhantomData }
}

fn main() {}
