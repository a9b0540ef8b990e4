//! Resolves the three proofs (identity, tenant scope, permit) through a real request module.
//!
//! Only the identity source is fake: it returns the claims of any user, without a token.
#![expect(clippy::disallowed_types, reason = "the request module builds the proofs")]

use std::{net::IpAddr, sync::Arc};

use async_trait::async_trait;
use authorization::AuthorizationModule;
use authorization_api::TenantArchive;
use kernel::{
    ActiveUsers, Clock, CredentialError, Environment, Identity, IdentityError, IdentityProvider, IdentitySource,
    MembershipTenantResolver, Permission, PermissionDenied, Permit, RequestContext, RequestedTenant, RestoreError,
    RestorePermit, RestoreScope, ScopeError, TenancyMode, TenantAdmission, TenantResolver, TenantScope, TenantSource,
    UserId, ValueModule, VerifiedClaims, VerifiedIdentityProvider,
};
use secrecy::SecretString;
use shaku::{HasComponent, module};
use user::UserModule;
use uuid::Uuid;

use crate::TestDb;

module! {
    RequestModule {
        components = [VerifiedIdentityProvider, MembershipTenantResolver],
        providers = [],
        use UserModule { components = [dyn ActiveUsers], providers = [] },
        use AuthorizationModule { components = [dyn TenantAdmission], providers = [] },
        use ValueModule<dyn RequestContext> { components = [dyn RequestContext], providers = [] },
        use ValueModule<dyn IdentitySource> { components = [dyn IdentitySource], providers = [] },
        use ValueModule<TenancyMode> { components = [TenancyMode], providers = [] }
    }
}

/// Returns the claims of this user.
struct FakeIdentitySource(UserId);

#[async_trait]
impl IdentitySource for FakeIdentitySource {
    async fn claims(&self) -> Result<Option<VerifiedClaims>, CredentialError> {
        #[expect(clippy::disallowed_methods, reason = "the test chooses the user")]
        let claims = VerifiedClaims::new(self.0, None);
        Ok(Some(claims))
    }
}

/// A request that selects this tenant by header.
struct FakeRequest(RequestedTenant);

impl RequestContext for FakeRequest {
    fn credential(&self) -> Option<&SecretString> {
        None
    }

    fn requested_tenant(&self, source: &TenantSource) -> &RequestedTenant {
        if *source == TenantSource::Header { &self.0 } else { &RequestedTenant::Absent }
    }

    fn client_addr(&self) -> Option<IpAddr> {
        None
    }

    fn user_agent(&self) -> Option<&str> {
        None
    }

    fn request_id(&self) -> Uuid {
        Uuid::nil()
    }
}

/// Builds request modules from application modules that live as long as the factory, as in the server.
pub struct RequestFactory {
    users: Arc<UserModule>,
    authorization: Arc<AuthorizationModule>,
}

/// The module of one request.
pub struct Request(RequestModule);

impl RequestFactory {
    /// Builds the module of a request by `user` that selects `tenant` by header.
    pub fn request(&self, user: UserId, tenant: RequestedTenant) -> Request {
        let context: Arc<dyn RequestContext> = Arc::new(FakeRequest(tenant));
        let source: Arc<dyn IdentitySource> = Arc::new(FakeIdentitySource(user));
        let (users, authorization) = (self.users.clone(), self.authorization.clone());
        let (context, source, tenancy) =
            (ValueModule::new(context), ValueModule::new(source), ValueModule::new(Arc::default()));
        Request(RequestModule::builder(users, authorization, context, source, tenancy).build())
    }
}

impl TestDb {
    /// Builds the user module. Other modules' tests use it without depending on the `user` crate.
    pub fn users(&self) -> Arc<UserModule> {
        Arc::new(UserModule::builder(self.db.module()).build())
    }

    /// Returns a factory for request modules. All factories of a database share one authorization module.
    pub fn request_factory(&self) -> RequestFactory {
        let db = self.db.module();
        let build = || Arc::new(AuthorizationModule::builder(db, ValueModule::new(Arc::default())).build());
        RequestFactory { users: self.users(), authorization: Arc::clone(self.authorization.get_or_init(build)) }
    }

    fn request(&self, user: UserId, tenant: &str) -> Request {
        self.request_factory().request(user, tenant.parse().map_or(RequestedTenant::Invalid, RequestedTenant::Present))
    }

    /// Resolves the user's identity. Fails as a request would, e.g. for a deactivated user.
    pub async fn identity(&self, user: UserId) -> Result<Arc<Identity>, IdentityError> {
        let Request(module) = self.request(user, "");
        let provider: &dyn IdentityProvider = module.resolve_ref();
        provider.identity().await
    }

    /// Resolves the user's scope in the tenant. Fails as a request would, e.g. for a non-member.
    pub async fn scope(&self, user: UserId, tenant: impl ToString) -> Result<Arc<TenantScope>, ScopeError> {
        let Request(module) = self.request(user, &tenant.to_string());
        let resolver: &dyn TenantResolver = module.resolve_ref();
        resolver.scope().await
    }

    /// Resolves the user's scope for restoring the tenant, which may be archived. Fails as a request would.
    pub async fn restore_scope(&self, user: UserId, tenant: impl ToString) -> Result<RestoreScope, ScopeError> {
        let Request(module) = self.request(user, &tenant.to_string());
        let resolver: &dyn TenantResolver = module.resolve_ref();
        resolver.restore_scope().await
    }

    /// Authorizes the user to restore the tenant.
    ///
    /// # Errors
    /// The policies deny it.
    ///
    /// # Panics
    /// The user isn't a member.
    pub async fn restore_permit(
        &self,
        user: UserId,
        tenant: impl ToString,
    ) -> Result<RestorePermit<TenantArchive>, RestoreError> {
        let scope = self.restore_scope(user, tenant).await.unwrap();
        RestorePermit::authorize(&scope, &Environment { now: self.now(), client_addr: None })
    }

    /// Authorizes the user for `P` in the tenant.
    ///
    /// # Errors
    /// The policies deny it.
    ///
    /// # Panics
    /// The user isn't a member.
    pub async fn permit<P: Permission>(
        &self,
        user: UserId,
        tenant: impl ToString,
    ) -> Result<Permit<P>, PermissionDenied> {
        let scope = self.scope(user, tenant).await.unwrap();
        let environment = Environment { now: self.now(), client_addr: None };
        Permit::authorize(&scope, None, &environment)
    }

    fn now(&self) -> time::OffsetDateTime {
        let clock: Arc<dyn Clock> = self.db.module().resolve();
        clock.now()
    }
}
