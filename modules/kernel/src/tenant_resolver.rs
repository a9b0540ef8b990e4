//! Resolves the tenant of a request.

use std::sync::Arc;

use async_trait::async_trait;
use shaku::{Component, Interface};
use tokio::sync::OnceCell;

use crate::{
    AdmissionError, IdentityError, IdentityProvider, IdentitySource, RequestContext, RestoreScope, ScopeError,
    TenancyMode, TenantAdmission, TenantScope, TenantTarget, VerifiedClaims, tenant_selection::select_tenant,
};

/// Resolves the tenant of a request, at most once per request.
#[async_trait]
pub trait TenantResolver: Interface {
    /// Returns the proof. It is cached for the rest of the request.
    async fn scope(&self) -> Result<Arc<TenantScope>, ScopeError>;

    /// Like [`Self::scope`], but also accepts an archived tenant. Only for restoring.
    async fn restore_scope(&self) -> Result<RestoreScope, ScopeError>;
}

/// Creates the [`TenantScope`] or [`RestoreScope`] of a request.
///
/// The tenancy mode and the request select the tenant. The user must be a member of it in every mode.
#[derive(Component)]
#[shaku(interface = TenantResolver)]
pub struct MembershipTenantResolver {
    #[shaku(inject)]
    context: Arc<dyn RequestContext>,
    #[shaku(inject)]
    source: Arc<dyn IdentitySource>,
    #[shaku(inject)]
    identity: Arc<dyn IdentityProvider>,
    #[shaku(inject)]
    admission: Arc<dyn TenantAdmission>,
    #[shaku(inject)]
    tenancy: Arc<TenancyMode>,
    #[shaku(default)]
    scope: OnceCell<Arc<TenantScope>>,
}

#[async_trait]
impl TenantResolver for MembershipTenantResolver {
    async fn scope(&self) -> Result<Arc<TenantScope>, ScopeError> {
        self.scope.get_or_try_init(|| self.load_scope()).await.cloned()
    }

    async fn restore_scope(&self) -> Result<RestoreScope, ScopeError> {
        let claims = self.source.require_claims().await?;
        let tenant = self.select_tenant(&claims).await?;
        let admission = self.admission.admit_to_restore(&claims, tenant).await;
        admission.map(RestoreScope::from_admission).map_err(|error| scope_error(error, tenant))
    }
}

impl MembershipTenantResolver {
    /// Checks user and membership in one statement. Loading the identity first would take another round trip.
    async fn load_scope(&self) -> Result<Arc<TenantScope>, ScopeError> {
        let claims = self.source.require_claims().await?;
        let tenant = self.select_tenant(&claims).await?;
        let admission = self.admission.admit(&claims, tenant).await;
        admission
            .map(|admission| Arc::new(TenantScope::from_admission(admission)))
            .map_err(|error| scope_error(error, tenant))
    }

    async fn select_tenant<'a>(&'a self, claims: &'a VerifiedClaims) -> Result<TenantTarget<'a>, ScopeError> {
        match select_tenant(&self.tenancy, &*self.context, claims.tenant()) {
            Ok(tenant) => Ok(tenant),
            Err(error) => {
                // Authentication comes first: without it the response is 401, not an error about the tenant.
                self.identity.identity().await?;
                Err(error)
            }
        }
    }
}

fn scope_error(error: AdmissionError, tenant: TenantTarget<'_>) -> ScopeError {
    match (error, tenant) {
        (AdmissionError::UserNotFound, _) => IdentityError::Invalid.into(),
        (AdmissionError::TenantNotFound, TenantTarget::Personal) => ScopeError::NoPersonalTenant,
        (AdmissionError::TenantNotFound, TenantTarget::Id(_) | TenantTarget::Slug(_)) => ScopeError::NotFound,
        (AdmissionError::Port(error), _) => error.into(),
    }
}
