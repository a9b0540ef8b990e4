//! The two components that make the first two proofs, once a request. `clippy.toml` keeps them out of every module
//! but the request's own.
#![expect(clippy::disallowed_types, reason = "this is where they are")]
#![expect(missing_docs, reason = "the derived components' parameter types take no doc comments")]

use std::sync::Arc;

use async_trait::async_trait;
use shaku::Component;
use tokio::sync::OnceCell;

use crate::{
    contracts::{
        AdmissionError, AuthorizationService, Identity, IdentityError, IdentityProvider, IdentitySource,
        RequestContext, ScopeError, TenantRef, TenantResolver, TenantScope, UserRepository, WantedTenant,
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
        Ok(Arc::new(Identity::of(user)))
    }
}

/// Makes [`TenantScope`]: for claims whose person the authorization module admits to the tenant that the request names.
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
    authorization: Arc<dyn AuthorizationService>,
    #[shaku(default)]
    scope: OnceCell<Arc<TenantScope>>,
}

#[async_trait]
impl TenantResolver for MembershipTenantResolver {
    async fn scope(&self) -> Result<Arc<TenantScope>, ScopeError> {
        self.scope.get_or_try_init(|| self.look_up()).await.cloned()
    }
}

impl MembershipTenantResolver {
    async fn look_up(&self) -> Result<Arc<TenantScope>, ScopeError> {
        let unnamed = match self.context.wanted_tenant() {
            WantedTenant::Named(tenant) => return self.admitted(tenant).await,
            WantedTenant::Impossible => ScopeError::NotFound,
            WantedTenant::Unnamed => ScopeError::NotNamed,
        };
        // Who is calling comes first: to nobody, even a tenant that isn't named is 401.
        self.identity.identity().await?;
        Err(unnamed)
    }

    /// Person and membership in one: asking for the identity first would be another round trip.
    async fn admitted(&self, tenant: &TenantRef) -> Result<Arc<TenantScope>, ScopeError> {
        let claims = self.source.claims().await.map_err(|_| IdentityError::Invalid)?.ok_or(IdentityError::Missing)?;
        match self.authorization.admit(claims, tenant).await {
            Ok(admission) => Ok(Arc::new(TenantScope::of(admission))),
            Err(AdmissionError::NoPerson) => Err(IdentityError::Invalid.into()),
            Err(AdmissionError::NoTenant) => Err(ScopeError::NotFound),
            Err(AdmissionError::Db(error)) => Err(error.into()),
        }
    }
}
