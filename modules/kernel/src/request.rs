//! The two components that make the first two proofs, once a request. `clippy.toml` keeps them out of every module
//! but the request's own.
#![expect(clippy::disallowed_types, reason = "this is where they are")]
#![expect(missing_docs, reason = "the derived components' parameter types take no doc comments")]

mod tenant_selection;

use std::sync::Arc;

use async_trait::async_trait;
use shaku::Component;
use tokio::sync::OnceCell;

use crate::{
    contracts::{
        AdmissionError, TenantAdmission, Identity, IdentityError, IdentityProvider, IdentitySource,
        RequestContext, RestoreScope, ScopeError, TenancyMode, TenantResolver, TenantScope, TenantTarget, UserRepository,
        VerifiedClaims,
    },
    db::Database,
};

/// Makes [`Identity`]: from verified claims, for a person who exists and isn't deactivated.
#[derive(Component)]
#[shaku(interface = IdentityProvider)]
pub struct VerifiedIdentityProvider {
    #[shaku(inject)]
    source: Arc<dyn IdentitySource>,
    #[shaku(inject)]
    users: Arc<dyn UserRepository>,
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(default)]
    identity: OnceCell<Arc<Identity>>,
}

#[async_trait]
impl IdentityProvider for VerifiedIdentityProvider {
    async fn identity(&self) -> Result<Arc<Identity>, IdentityError> {
        self.identity.get_or_try_init(|| self.look_up()).await.cloned()
    }
}

impl VerifiedIdentityProvider {
    async fn look_up(&self) -> Result<Arc<Identity>, IdentityError> {
        let claims = self.source.claims().await.map_err(|_| IdentityError::Invalid)?.ok_or(IdentityError::Missing)?;
        let mut tx = self.database.begin_unscoped().await?;
        let user = self.users.find_active(&mut tx, claims.user()).await?.ok_or(IdentityError::Invalid)?;
        Ok(Arc::new(Identity::from_user(user)))
    }
}

/// Makes [`TenantScope`]: for claims whose person the authorization module admits to the tenant that the request acts in.
/// Which that is depends on the tenancy mode; that the person is a member is asked in each. And [`RestoreScope`], where that tenant may be archived.
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
    authorization: Arc<dyn TenantAdmission>,
    #[shaku(inject)]
    tenancy: Arc<TenancyMode>,
    #[shaku(default)]
    scope: OnceCell<Arc<TenantScope>>,
}

#[async_trait]
impl TenantResolver for MembershipTenantResolver {
    async fn scope(&self) -> Result<Arc<TenantScope>, ScopeError> {
        self.scope.get_or_try_init(|| self.look_up()).await.cloned()
    }

    async fn restore_scope(&self) -> Result<RestoreScope, ScopeError> {
        let claims = self.claims().await?;
        let tenant = self.select_tenant(&claims).await?;
        let admitted = self.authorization.admit_to_restore(&claims, tenant).await;
        admitted.map(RestoreScope::from_admission).map_err(|error| refused(error, tenant))
    }
}

impl MembershipTenantResolver {
    /// Person and membership in one: asking for the identity first would be another round trip.
    async fn look_up(&self) -> Result<Arc<TenantScope>, ScopeError> {
        let claims = self.claims().await?;
        let tenant = self.select_tenant(&claims).await?;
        let admitted = self.authorization.admit(&claims, tenant).await;
        admitted.map(|admission| Arc::new(TenantScope::from_admission(admission))).map_err(|error| refused(error, tenant))
    }

    async fn select_tenant<'a>(&'a self, claims: &'a VerifiedClaims) -> Result<TenantTarget<'a>, ScopeError> {
        match tenant_selection::select_tenant(&self.tenancy, &*self.context, claims.tenant()) {
            Ok(tenant) => Ok(tenant),
            Err(error) => {
                // Who is calling comes first: to nobody, even a tenant that isn't named is 401.
                self.identity.identity().await?;
                Err(error)
            }
        }
    }

    async fn claims(&self) -> Result<VerifiedClaims, IdentityError> {
        self.source.claims().await.map_err(|_| IdentityError::Invalid)?.ok_or(IdentityError::Missing)
    }
}

fn refused(error: AdmissionError, tenant: TenantTarget<'_>) -> ScopeError {
    match (error, tenant) {
        (AdmissionError::UserNotFound, _) => IdentityError::Invalid.into(),
        (AdmissionError::TenantNotFound, TenantTarget::Personal) => ScopeError::NoPersonalTenant,
        (AdmissionError::TenantNotFound, TenantTarget::Id(_) | TenantTarget::Slug(_)) => ScopeError::NotFound,
        (AdmissionError::Db(error), _) => error.into(),
    }
}
