//! Resolves the three proofs (identity, tenant scope, permit) through a real request module.
//!
//! Only the identity source is fake: it returns the claims of any user, without a token.
#![expect(clippy::disallowed_types, reason = "the request module builds the proofs")]

use std::{net::IpAddr, sync::Arc};

use async_trait::async_trait;
use audit::AuditModule;
use audit_api::AuditRecorder;
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
struct FakeRequest {
    tenant: RequestedTenant,
    client_addr: Option<IpAddr>,
}

impl RequestContext for FakeRequest {
    fn credential(&self) -> Option<&SecretString> {
        None
    }

    fn requested_tenant(&self, source: &TenantSource) -> &RequestedTenant {
        if *source == TenantSource::Header { &self.tenant } else { &RequestedTenant::Absent }
    }

    fn client_addr(&self) -> Option<IpAddr> {
        self.client_addr
    }

    fn user_agent(&self) -> Option<&str> {
        None
    }

    fn request_id(&self) -> Uuid {
        Uuid::nil()
    }
}

/// Returns the context of a request from this address, without a tenant.
pub fn request_from(client_addr: Option<IpAddr>) -> Arc<dyn RequestContext> {
    Arc::new(FakeRequest { tenant: RequestedTenant::Absent, client_addr })
}

/// The module of one request.
pub struct Request(RequestModule);

impl TestDb {
    /// Returns the recorder of denials and failed sign-ins.
    pub fn audit_recorder(&self) -> Arc<dyn AuditRecorder> {
        AuditModule::builder(self.db.module()).build().resolve()
    }

    /// Builds the module of a request by `user` that selects `tenant` by header.
    pub fn request(&self, user: UserId, tenant: RequestedTenant) -> Request {
        let context: Arc<dyn RequestContext> = Arc::new(FakeRequest { tenant, client_addr: None });
        let source: Arc<dyn IdentitySource> = Arc::new(FakeIdentitySource(user));
        let (users, authorization) = (self.users.clone(), self.authorization.clone());
        let (context, source, tenancy) =
            (ValueModule::new(context), ValueModule::new(source), ValueModule::new(Arc::default()));
        Request(RequestModule::builder(users, authorization, context, source, tenancy).build())
    }

    /// Resolves the user's identity. Fails as a request would, e.g. for a deactivated user.
    pub async fn identity(&self, user: UserId) -> Result<Arc<Identity>, IdentityError> {
        let Request(module) = self.request(user, RequestedTenant::Absent);
        let provider: &dyn IdentityProvider = module.resolve_ref();
        provider.identity().await
    }

    /// Resolves the user's scope in the tenant. Fails as a request would, e.g. for a non-member.
    pub async fn scope(&self, user: UserId, tenant: impl ToString) -> Result<Arc<TenantScope>, ScopeError> {
        let Request(module) = self.request(user, requested_tenant(tenant));
        let resolver: &dyn TenantResolver = module.resolve_ref();
        resolver.scope().await
    }

    /// Resolves the user's scope for restoring the tenant, which may be archived. Fails as a request would.
    pub async fn restore_scope(&self, user: UserId, tenant: impl ToString) -> Result<RestoreScope, ScopeError> {
        let Request(module) = self.request(user, requested_tenant(tenant));
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
        RestorePermit::authorize(&scope, &self.environment())
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
        Permit::authorize(&scope, None, &self.environment())
    }

    fn environment(&self) -> Environment {
        let clock: Arc<dyn Clock> = self.db.module().resolve();
        Environment { now: clock.now(), client_addr: None }
    }
}

fn requested_tenant(tenant: impl ToString) -> RequestedTenant {
    tenant.to_string().parse().map_or(RequestedTenant::Invalid, RequestedTenant::Present)
}
