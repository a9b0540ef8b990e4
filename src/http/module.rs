//! The request's module: a submodule of the application's module, built once per request. Its components live as long
//! as the request.
//!
//! | provides | needs |
//! | --- | --- |
//! | `IdentitySource`, `IdentityProvider`, `TenantResolver`, and the handler services | the application, `PublicUrls`, `RequestContext` |
#![expect(clippy::disallowed_types, reason = "only the request's module constructs the proof providers")]

use std::sync::Arc;

use auth::BearerIdentitySource;
use kernel::{
    clock::Clock,
    contracts::{
        AccessTokens, Invitations, Members, Policies, Profiles, RequestContext, Roles, SignIn, Subscriptions,
        TenancyMode, TenantAdmission, Tenants, UserRepository, UserTenants,
    },
    db::{Database, Readiness},
    request::{MembershipTenantResolver, VerifiedIdentityProvider},
    shaku_value::ValueModule,
};
use shaku::{HasComponent, module};

use super::public_url::PublicUrls;
use crate::bootstrap::AppModule;

module! {
    pub(crate) RequestModule {
        components = [BearerIdentitySource, VerifiedIdentityProvider, MembershipTenantResolver],
        providers = [],
        // The services of the application that are visible to a request.
        use dyn AppModule {
            components = [
                dyn AccessTokens,
                dyn Clock,
                dyn Database,
                dyn Invitations,
                dyn Members,
                dyn Policies,
                dyn Profiles,
                dyn Readiness,
                dyn Roles,
                dyn SignIn,
                dyn Subscriptions,
                TenancyMode,
                dyn TenantAdmission,
                dyn Tenants,
                dyn UserRepository,
                dyn UserTenants
            ],
            providers = []
        },
        use ValueModule<dyn PublicUrls> { components = [dyn PublicUrls], providers = [] },
        use ValueModule<dyn RequestContext> { components = [dyn RequestContext], providers = [] }
    }
}

/// A service that handlers may inject. Repositories and databases are never among them, because a handler could bypass
/// the proofs with them.
#[diagnostic::on_unimplemented(
    message = "a handler can't inject `{Self}`",
    label = "not a handler service",
    note = "add it to `handler_services!` and to `RequestModule` in src/http/module.rs; never add a repository or a \
            database"
)]
pub(crate) trait HandlerService: Send + Sync {
    /// The type's name, as written in `handler_services!`.
    const NAME: &'static str;

    /// Returns the request's instance.
    fn from_module(module: &RequestModule) -> Arc<Self>;
}

macro_rules! handler_services {
    ($($service:ty),* $(,)?) => {
        $(impl HandlerService for $service {
            const NAME: &'static str = stringify!($service);

            fn from_module(module: &RequestModule) -> Arc<Self> {
                HasComponent::<$service>::resolve(module)
            }
        })*
    };
}

handler_services! {
    dyn Clock,
    dyn Invitations,
    dyn Members,
    dyn Policies,
    dyn Profiles,
    dyn PublicUrls,
    dyn Readiness,
    dyn RequestContext,
    dyn Roles,
    dyn SignIn,
    dyn Subscriptions,
    TenancyMode,
    dyn Tenants,
    dyn UserTenants,
}
