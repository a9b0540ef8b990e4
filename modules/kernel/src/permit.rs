//! The third proof: a permission, granted by the tenant's policies.

use std::{marker::PhantomData, sync::Arc};

use crate::{
    AccessRequest, Decision, Environment, Permission, PermissionDenied, PolicySet, ResourceAttributes, RoleId,
    TenantScope,
};

/// Proof that the tenant's policies grant permission `P` in this scope.
///
/// A service method that requires a permission takes the permit of exactly that one. A handler that calls it without
/// authorization, or with the wrong permission, doesn't compile.
#[derive(Debug)]
pub struct Permit<P> {
    scope: Arc<TenantScope>,
    resource: Option<ResourceAttributes>,
    environment: Environment,
    permission: PhantomData<fn() -> P>,
}

impl<P: Permission> Permit<P> {
    /// Evaluates permission `P` under the policies of the scope.
    ///
    /// It can be public: a [`TenantScope`] can't be forged, and it carries the policies.
    pub fn authorize(
        scope: &Arc<TenantScope>,
        resource: Option<&ResourceAttributes>,
        environment: &Environment,
    ) -> Result<Self, PermissionDenied> {
        let permission = const { &P::INFO };
        match scope.decide(&AccessRequest { permission, resource, environment }) {
            Decision::Allow(_) => Ok(Self {
                scope: Arc::clone(scope),
                resource: resource.copied(),
                environment: *environment,
                permission: PhantomData,
            }),
            Decision::Deny(reason) => Err(PermissionDenied { permission, reason }),
        }
    }

    /// Evaluates the permission again for the same request, with the current role and policies. Called after waiting
    /// for a lock, during which both may have changed.
    pub fn reauthorize(&self, role: RoleId, policies: &dyn PolicySet) -> Result<(), PermissionDenied> {
        let permission = const { &P::INFO };
        let request = AccessRequest { permission, resource: self.resource.as_ref(), environment: &self.environment };
        match policies.decide(self.scope.principal(), role, &request) {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(reason) => Err(PermissionDenied { permission, reason }),
        }
    }

    /// Returns the scope in which the permission is granted.
    pub fn scope(&self) -> &TenantScope {
        &self.scope
    }
}
