//! The proofs, resolved for real: a request's module in small, whose only pretence is that a token has been verified.
#![expect(clippy::disallowed_types, reason = "a request's module makes the proofs")]

use std::{net::IpAddr, sync::Arc};

use async_trait::async_trait;
use authorization::AuthorizationModuleImpl;
use kernel::request::{MembershipTenantResolver, VerifiedIdentityProvider};
use kernel::{
    contracts::{
        AuthorizationModule, AuthorizationService, CredentialError, DbModule, Denial, Environment, Identity,
        IdentityError, IdentityProvider, IdentitySource, Permission, Permit, RequestContext, RestorePermit,
        RestoreRefused, RestoreScope, ScopeError, Tenancy, TenantResolver, TenantScope, TenantSource, UserId,
        UserModule, UserRepository, VerifiedClaims, WantedTenant,
    },
    db::Database,
    di::Given,
};
use secrecy::SecretString;
use shaku::{HasComponent, module};
use user::UserModuleImpl;
use uuid::Uuid;

use crate::TestDb;

module! {
    RequestModule {
        components = [VerifiedIdentityProvider, MembershipTenantResolver],
        providers = [],
        use dyn DbModule { components = [dyn Database], providers = [] },
        use dyn UserModule { components = [dyn UserRepository], providers = [] },
        use dyn AuthorizationModule { components = [dyn AuthorizationService], providers = [] },
        use Given<dyn RequestContext> { components = [dyn RequestContext], providers = [] },
        use Given<dyn IdentitySource> { components = [dyn IdentitySource], providers = [] },
        use Given<Tenancy> { components = [Tenancy], providers = [] }
    }
}

/// A token that has been verified.
struct Claims(UserId);

#[async_trait]
impl IdentitySource for Claims {
    async fn claims(&self) -> Result<Option<VerifiedClaims>, CredentialError> {
        #[expect(clippy::disallowed_methods, reason = "a test says who it is")]
        let claims = VerifiedClaims::of(self.0, None);
        Ok(Some(claims))
    }
}

/// A request that names a tenant in its header.
struct Wanting(WantedTenant);

impl RequestContext for Wanting {
    fn credential(&self) -> Option<&SecretString> {
        None
    }

    fn wanted_tenant(&self, source: &TenantSource) -> &WantedTenant {
        if *source == TenantSource::Header { &self.0 } else { &WantedTenant::Unnamed }
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

/// What requests' modules are made from: as long-lived as the program's.
pub struct Requests {
    db: Arc<dyn DbModule>,
    users: Arc<dyn UserModule>,
    authorization: Arc<dyn AuthorizationModule>,
}

/// One request's module.
pub struct Request(RequestModule);

impl Requests {
    /// The module of a request by this person that names this tenant.
    pub fn request(&self, user: UserId, wanted: WantedTenant) -> Request {
        let context: Arc<dyn RequestContext> = Arc::new(Wanting(wanted));
        let source: Arc<dyn IdentitySource> = Arc::new(Claims(user));
        let (db, users, authorization) = (self.db.clone(), self.users.clone(), self.authorization.clone());
        let (context, source, tenancy) = (Given::new(context), Given::new(source), Given::new(Arc::default()));
        Request(RequestModule::builder(db, users, authorization, context, source, tenancy).build())
    }
}

impl TestDb {
    /// The user module: what other modules' tests build theirs on, without depending on it.
    pub fn users(&self) -> Arc<dyn UserModule> {
        Arc::new(UserModuleImpl::builder(self.db.module()).build())
    }

    /// What requests' modules are made from.
    pub fn requests(&self) -> Requests {
        let db = self.db.module();
        let make = || -> Arc<dyn AuthorizationModule> {
            Arc::new(AuthorizationModuleImpl::builder(db.clone(), Given::new(Arc::default())).build())
        };
        let authorization = Arc::clone(self.authorization.get_or_init(make));
        Requests { users: self.users(), db, authorization }
    }

    fn request(&self, user: UserId, tenant: &str) -> Request {
        self.requests().request(user, tenant.parse().map_or(WantedTenant::Impossible, WantedTenant::Named))
    }

    /// This person, if active.
    ///
    /// # Errors
    /// As for a request.
    pub async fn identity(&self, user: UserId) -> Result<Arc<Identity>, IdentityError> {
        let Request(module) = self.request(user, "");
        let provider: &dyn IdentityProvider = module.resolve_ref();
        provider.identity().await
    }

    /// This person in this tenant, if a member.
    ///
    /// # Errors
    /// As for a request.
    pub async fn scope(&self, user: UserId, tenant: impl ToString) -> Result<Arc<TenantScope>, ScopeError> {
        let Request(module) = self.request(user, &tenant.to_string());
        let resolver: &dyn TenantResolver = module.resolve_ref();
        resolver.scope().await
    }

    /// This person in this tenant, if a member, and even if it is archived.
    ///
    /// # Errors
    /// As for a request.
    pub async fn restore_scope(&self, user: UserId, tenant: impl ToString) -> Result<RestoreScope, ScopeError> {
        let Request(module) = self.request(user, &tenant.to_string());
        let resolver: &dyn TenantResolver = module.resolve_ref();
        resolver.restore_scope().await
    }

    /// This person's permission to restore this tenant, if the policies allow it.
    ///
    /// # Errors
    /// The policies don't. A person who isn't a member fails the test.
    pub async fn restore_permit(&self, user: UserId, tenant: impl ToString) -> Result<RestorePermit, RestoreRefused> {
        let scope = self.restore_scope(user, tenant).await.unwrap();
        RestorePermit::ask(&scope, &Environment { now: self.now(), client_addr: None })
    }

    /// This person's permission in this tenant, if the policies allow it.
    ///
    /// # Errors
    /// The policies don't. A person who isn't a member fails the test.
    pub async fn permit<P: Permission>(&self, user: UserId, tenant: impl ToString) -> Result<Permit<P>, Denial> {
        let scope = self.scope(user, tenant).await.unwrap();
        let environment = Environment { now: self.now(), client_addr: None };
        Permit::ask(&scope, None, &environment)
    }

    fn now(&self) -> time::OffsetDateTime {
        let clock: Arc<dyn kernel::clock::Clock> = self.db.module().resolve();
        clock.now()
    }
}
