//! The second proof: this caller is an active member of this active tenant.

use std::sync::Arc;

use crate::{
    AccessRequest, Admission, AdmissionCheck, Caller, Decision, Explanation, IdentityError, PolicySet, PortError,
    Principal, RequestContext, RoleId, TenancyMode, TenantId,
};

/// Proof that the principal is an active member of this active tenant, with the tenant's policies at that moment.
///
/// The scope of a read becomes a proof when its [`AdmissionCheck`] is confirmed: each statement of a
/// `TenantReader` and each beginning of a tenant transaction confirms it or fails. A response is sent only after that.
///
/// Created only by [`crate::MembershipTenantResolver`]. Access to tenant data requires it, see
/// `Database::begin` in the crate `db`.
#[derive(Debug)]
pub struct TenantScope {
    policies: Arc<dyn PolicySet>,
    admission_check: Arc<AdmissionCheck>,
    caller: Caller,
}

impl TenantScope {
    /// Callable only inside the kernel, with an admission that has just been read.
    pub(crate) fn from_admission(admission: Admission, request: &Arc<dyn RequestContext>) -> Self {
        let check = AdmissionCheck::without_comparison(admission.facts);
        Self::new(admission, check, request)
    }

    /// Like [`Self::from_admission`], with an admission that the database confirms later.
    pub(crate) fn unconfirmed(admission: Admission, request: &Arc<dyn RequestContext>) -> Self {
        let check = AdmissionCheck::pending(admission.facts);
        Self::new(admission, check, request)
    }

    fn new(admission: Admission, check: AdmissionCheck, request: &Arc<dyn RequestContext>) -> Self {
        let Admission { facts, policies } = admission;
        Self { policies, admission_check: Arc::new(check), caller: Caller::of_request(facts.user, request) }
    }

    /// Returns who makes the request, for the audit log.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Returns what the scope depends on, and whether the database has confirmed it.
    pub fn admission_check(&self) -> &Arc<AdmissionCheck> {
        &self.admission_check
    }

    /// Returns the tenant.
    pub fn tenant(&self) -> TenantId {
        self.admission_check.facts().tenant
    }

    /// Returns the principal.
    pub fn principal(&self) -> Principal {
        Principal::User(self.admission_check.facts().user)
    }

    /// Returns the principal's role in the tenant.
    pub fn role(&self) -> RoleId {
        self.admission_check.facts().role
    }

    /// Decides a request of the principal under the tenant's policies.
    pub fn decide(&self, request: &AccessRequest<'_>) -> Decision {
        self.policies.decide(self.principal(), self.role(), request)
    }

    /// Like [`Self::decide`], with an explanation. Only for callers who may read the tenant's policies.
    pub fn explain(&self, request: &AccessRequest<'_>) -> Explanation {
        self.policies.explain(self.principal(), self.role(), request)
    }
}

/// Reasons why a request has no tenant scope.
#[derive(Debug, thiserror::Error)]
pub enum ScopeError {
    /// The caller isn't authenticated.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The request names no tenant in any of the configured sources.
    #[error("the request names no tenant")]
    TenantRequired(Arc<TenancyMode>),
    /// The request has the tenant header, but the header isn't a configured source.
    #[error("the tenant header is not allowed in this tenancy mode")]
    TenantHeaderNotAllowed(Arc<TenancyMode>),
    /// The tenant doesn't exist, is archived, or the caller isn't a member. Callers can't tell these apart.
    #[error("no such tenant")]
    NotFound,
    /// The caller has no personal tenant, or it is archived.
    #[error("no personal tenant")]
    NoPersonalTenant,
    /// The check failed.
    #[error(transparent)]
    Port(#[from] PortError),
}
