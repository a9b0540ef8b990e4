//! What leads back from the archive: proofs of their own, so that nothing else can be done with them.
//!
//! A tenant that is archived answers nobody, so nobody gets a [`super::TenantScope`] in it, and whatever takes one can't
//! be reached. Restoring alone takes a [`RestorePermit`], and a permit opens neither a transaction nor a reader.

use std::fmt;

use super::{
    AccessRequest, Admission, Decision, PermissionDenied, Environment, Permission, TenantArchive, TenantId, TenantScope,
    TenantStatus,
};

/// What the kernel needs to make a [`RestoreScope`]: the person is an active member of this tenant, archived or not.
#[derive(Debug)]
pub struct RestoreAdmission {
    /// As to a tenant in use.
    pub admission: Admission,
    /// Whether the tenant is in use.
    pub status: TenantStatus,
}

/// Proof that the principal is an active member of this tenant, which may be archived. All that it is good for is to ask
/// for a [`RestorePermit`].
///
/// Made by [`crate::request::MembershipTenantResolver`] alone. It isn't a [`TenantScope`], and doesn't give its own away:
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
    /// Only the kernel can call this.
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

/// Why a tenant may not be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It is archived, and so not there for whoever may not restore it.
    #[error("no such tenant")]
    NotFound,
    /// It is in use, and the policies don't allow it.
    #[error(transparent)]
    Denied(#[from] PermissionDenied),
}

/// Proof that the tenant's policies allow the principal [`TenantArchive`] in this tenant, which may be archived: who may
/// archive may restore.
#[derive(Debug)]
pub struct RestorePermit {
    tenant: TenantId,
}

impl RestorePermit {
    /// Asks the tenant's policies. No particular resource is meant.
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

    /// Which tenant.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }
}
