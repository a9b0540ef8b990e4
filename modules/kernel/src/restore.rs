//! Proofs for restoring an archived tenant.
//!
//! No [`crate::TenantScope`] can be created for an archived tenant. Only restoring works without one: it takes a
//! [`RestorePermit`], which opens neither a transaction nor a reader.

use std::{marker::PhantomData, sync::Arc};

use crate::{
    AccessRequest, Caller, Decision, Environment, Permission, PermissionDenied, PolicySet, Principal, RequestContext,
    RestoreAdmission, RoleId, TenantId, TenantScope,
};

/// Proof that the principal is an active member of this tenant, which may be archived. Its only use is to obtain a
/// [`RestorePermit`].
///
/// Created only by [`crate::MembershipTenantResolver`]. It isn't a [`TenantScope`] and doesn't expose the one inside.
#[derive(Debug)]
pub struct RestoreScope {
    scope: TenantScope,
    archived: bool,
}

impl RestoreScope {
    /// Callable only inside the kernel.
    pub(crate) fn from_admission(admission: RestoreAdmission, request: &Arc<dyn RequestContext>) -> Self {
        let RestoreAdmission { admission, archived } = admission;
        Self { scope: TenantScope::from_admission(admission, request), archived }
    }

    /// Returns who makes the request, for the audit log.
    pub(crate) fn caller(&self) -> &Caller {
        self.scope.caller()
    }

    /// Returns the tenant.
    pub fn tenant(&self) -> TenantId {
        self.scope.tenant()
    }
}

/// Reasons why a tenant may not be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The tenant is archived. It is hidden from callers who may not restore it.
    #[error("no such tenant")]
    NotFound,
    /// The tenant is active, and the policies don't allow it.
    #[error(transparent)]
    Denied(#[from] PermissionDenied),
}

/// Proof that the tenant's policies grant the principal permission `P` in this tenant, which may be archived.
#[derive(Debug)]
pub struct RestorePermit<P> {
    tenant: TenantId,
    principal: Principal,
    caller: Caller,
    environment: Environment,
    permission: PhantomData<fn() -> P>,
}

impl<P: Permission> RestorePermit<P> {
    /// Evaluates permission `P` under the tenant's policies, without a resource.
    pub fn authorize(scope: &RestoreScope, environment: &Environment) -> Result<Self, RestoreError> {
        let permission = const { &P::INFO };
        let request = AccessRequest { permission, resource: None, environment };
        to_result::<P>(scope.scope.decide(&request), scope.archived)?;
        let (tenant, principal, caller) = (scope.tenant(), scope.scope.principal(), scope.scope.caller().clone());
        Ok(Self { tenant, principal, caller, environment: *environment, permission: PhantomData })
    }

    /// Evaluates the permission again for the same request, with the current role, policies and status. Called after
    /// waiting for a lock, during which they may have changed.
    pub fn reauthorize(&self, role: RoleId, policies: &dyn PolicySet, archived: bool) -> Result<(), RestoreError> {
        let permission = const { &P::INFO };
        let request = AccessRequest { permission, resource: None, environment: &self.environment };
        to_result::<P>(policies.decide(self.principal, role, &request), archived)
    }

    /// Returns the tenant.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Returns the principal.
    pub fn principal(&self) -> Principal {
        self.principal
    }

    /// Returns who makes the request, for the audit log.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
}

fn to_result<P: Permission>(decision: Decision, archived: bool) -> Result<(), RestoreError> {
    match decision {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(_) if archived => Err(RestoreError::NotFound),
        Decision::Deny(reason) => Err(PermissionDenied { permission: const { &P::INFO }, reason }.into()),
    }
}
