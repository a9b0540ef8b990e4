//! The request's module, a submodule of the application's: one for each request. Its components live as long as the
//! request, and are made once.
//!
//! | provides | needs |
//! | --- | --- |
//! | `IdentitySource`, `IdentityProvider`, `TenantResolver`, and the handler services | the application, `Links`, `RequestContext` |
#![expect(clippy::disallowed_types, reason = "the request's module makes the proofs, and nothing else does")]

use std::sync::Arc;

use auth::BearerIdentitySource;
use kernel::{
    clock::Clock,
    contracts::{
        AccessTokens, AuthorizationService, Invitations, Members, MyTenants, Policies, Profiles, RequestContext, Roles,
        SignIn, Subscriptions, Tenancy, Tenants, UserRepository,
    },
    db::{Database, Readiness},
    di::Given,
    request::{MembershipTenantResolver, VerifiedIdentityProvider},
};
use shaku::{HasComponent, module};

use super::links::Links;
use crate::bootstrap::AppModule;

module! {
    pub(crate) RequestModule {
        components = [BearerIdentitySource, VerifiedIdentityProvider, MembershipTenantResolver],
        providers = [],
        // All that a request may see of the application.
        use dyn AppModule {
            components = [
                dyn AccessTokens,
                dyn AuthorizationService,
                dyn Clock,
                dyn Database,
                dyn Invitations,
                dyn Members,
                dyn MyTenants,
                dyn Policies,
                dyn Profiles,
                dyn Readiness,
                dyn Roles,
                dyn SignIn,
                dyn Subscriptions,
                Tenancy,
                dyn Tenants,
                dyn UserRepository
            ],
            providers = []
        },
        use Given<dyn Links> { components = [dyn Links], providers = [] },
        use Given<dyn RequestContext> { components = [dyn RequestContext], providers = [] }
    }
}

/// A service that a handler may ask for. Repositories and databases never are: a handler could go round the proofs.
#[diagnostic::on_unimplemented(
    message = "a handler can't have `{Self}`",
    label = "not a handler service",
    note = "list it in `handler_services!` in src/http/module.rs, and in `RequestModule` there; never a repository or a \
            database"
)]
pub(crate) trait HandlerService: Send + Sync {
    /// The type, as it is written in the list.
    const NAME: &'static str;

    /// The request's instance.
    fn of(module: &RequestModule) -> Arc<Self>;
}

macro_rules! handler_services {
    ($($service:ty),* $(,)?) => {
        $(impl HandlerService for $service {
            const NAME: &'static str = stringify!($service);

            fn of(module: &RequestModule) -> Arc<Self> {
                HasComponent::<$service>::resolve(module)
            }
        })*
    };
}

handler_services! {
    dyn Clock,
    dyn Invitations,
    dyn Links,
    dyn Members,
    dyn MyTenants,
    dyn Policies,
    dyn Profiles,
    dyn Readiness,
    dyn RequestContext,
    dyn Roles,
    dyn SignIn,
    dyn Subscriptions,
    Tenancy,
    dyn Tenants,
}
