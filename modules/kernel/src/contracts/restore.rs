//! Proofs for restoring an archived tenant.
//!
//! No [`super::TenantScope`] can be created for an archived tenant. Only restoring works without one: it takes a
//! [`RestorePermit`], which opens neither a transaction nor a reader.

use std::fmt;

use super::{
    AccessRequest, Admission, Decision, Environment, Permission, PermissionDenied, TenantArchive, TenantId,
    TenantScope, TenantStatus,
};

/// Input for a [`RestoreScope`]: the user is an active member of this tenant, archived or not.
#[derive(Debug)]
pub struct RestoreAdmission {
    /// The member and the tenant's policies.
    pub admission: Admission,
    /// Whether the tenant is archived.
    pub status: TenantStatus,
}

/// Proof that the principal is an active member of this tenant, which may be archived. Its only use is to obtain a
/// [`RestorePermit`].
///
/// Created only by [`crate::request::MembershipTenantResolver`]. It isn't a [`TenantScope`] and doesn't expose the one
/// inside:
///
/// ```compile_fail,E0308
/// # use kernel::{contracts::RestoreScope, db::{Database, TenantReader}};
/// fn reader(database: &dyn Database, scope: &RestoreScope) -> TenantReader {
///     database.tenant_reader(scope)
/// }
/// ```
pub struct RestoreScope {
    scope: TenantScope,
    status: TenantStatus,
}

impl RestoreScope {
    /// Callable only inside the kernel.
    pub(crate) fn from_admission(RestoreAdmission { admission, status }: RestoreAdmission) -> Self {
        Self { scope: TenantScope::from_admission(admission), status }
    }

    /// The tenant.
    pub fn tenant(&self) -> TenantId {
        self.scope.tenant()
    }
}

impl fmt::Debug for RestoreScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestoreScope").field("tenant", &self.tenant()).field("status", &self.status).finish()
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

/// Proof that the tenant's policies grant the principal [`TenantArchive`] in this tenant, which may be archived. The
/// same permission covers archiving and restoring.
#[derive(Debug)]
pub struct RestorePermit {
    tenant: TenantId,
}

impl RestorePermit {
    /// Evaluates [`TenantArchive`] under the tenant's policies, without a resource.
    ///
    /// # Errors
    /// [`RestoreError`]
    pub fn authorize(scope: &RestoreScope, environment: &Environment) -> Result<Self, RestoreError> {
        let permission = const { &TenantArchive::INFO };
        let request = AccessRequest { permission, resource: None, environment };
        match (scope.scope.decide(&request), scope.status) {
            (Decision::Allow(_), _) => Ok(Self { tenant: scope.tenant() }),
            (Decision::Deny(_), TenantStatus::Archived) => Err(RestoreError::NotFound),
            (Decision::Deny(reason), TenantStatus::Active) => Err(PermissionDenied { permission, reason }.into()),
        }
    }

    /// The tenant.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }
}
