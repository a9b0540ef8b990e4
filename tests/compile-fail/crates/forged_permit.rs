//! A permit without evaluating the policies.

use std::{marker::PhantomData, sync::Arc};

use authorization_api::RoleManage;
use kernel::{Environment, Permit, TenantScope};

fn permit(scope: Arc<TenantScope>, environment: Environment) -> Permit<RoleManage> {
    Permit { scope, resource: None, environment, permission: PhantomData }
}

fn main() {}
