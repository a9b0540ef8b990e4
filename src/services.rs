//! The modules and services that requests use, in one list. From it, `services!` generates:
//!
//! - [`AppModule`]: the modules, which live as long as the process, and [`AppModule::new`], which builds them
//! - `RequestModule`: built once per request, on top of `AppModule`. Its own components live as long as the request.
//! - `HandlerService`: implemented for the services that handlers may inject
//! - [`PERMISSIONS`] and [`AUDIT_EVENTS`]: all permissions and types of audit events, each declared in its module's api
//!   crate
//!
//! A missing service or a circular dependency is a compile error. Services for the operator's commands aren't listed:
//! `OperatorServices` in `bootstrap.rs` builds them.
#![expect(clippy::disallowed_types, reason = "only the request's module constructs the proof providers")]
#![expect(missing_docs, reason = "`module!` accepts no doc comments; the comment above has them")]
#![allow(clippy::too_many_arguments, reason = "the builder of `AppModule` takes one argument per module")]

use std::sync::Arc;

use audit::AuditModule;
use audit_api::{AuditLog, AuditRead, AuditRecorder};
use auth::{AuthModule, AuthSettings, BearerIdentitySource};
use auth_api::{AccessTokens, SignIn};
use authorization::AuthorizationModule;
use authorization_api::{
    Invitations, MemberInvite, MemberRemove, MemberUpdate, Members, Policies, PolicyManage, PolicyRead, RoleManage,
    RoleRead, Roles, TenantArchive, TenantRead, TenantUpdate, Tenants, UserRead, UserTenants,
};
use billing::BillingModule;
use billing_api::{BillingRead, Subscriptions};
use db::{DbModule, Readiness};
use kernel::{
    ActiveUsers, AuditEventInfo, Clock, MembershipTenantResolver, Permission, PermissionInfo, RequestContext,
    TenancyMode, TenantAdmission, ValueModule, VerifiedIdentityProvider,
};
use shaku::{HasComponent, module};
use user::UserModule;
use user_api::Profiles;

use crate::http::public_url::PublicUrls;

/// A service that handlers may inject: one under `handlers` in the list, `PublicUrls` or `RequestContext`. Repositories
/// and databases are never among them, because a handler could bypass the proofs with them.
#[diagnostic::on_unimplemented(
    message = "a handler can't inject `{Self}`",
    label = "not a handler service",
    note = "add it to `services!` in src/services.rs; never add a repository or a database to `handlers`"
)]
pub(crate) trait HandlerService: Send + Sync {
    /// The type's name, as written in the list.
    const NAME: &'static str;

    /// Returns the service.
    fn from_module(module: &RequestModule) -> Arc<Self>;
}

/// A permission in [`PERMISSIONS`], for which `services!` implements this. `Access` accepts no other.
#[diagnostic::on_unimplemented(
    message = "the permission `{Self}` is not registered",
    label = "no policy can grant this permission",
    note = "add it to `permissions` in `services!` in src/services.rs"
)]
pub(crate) trait RegisteredPermission: Permission {}

macro_rules! handler_services {
    ($($service:ty),*) => {
        $(impl HandlerService for $service {
            const NAME: &'static str = stringify!($service);

            fn from_module(module: &RequestModule) -> Arc<Self> {
                HasComponent::<$service>::resolve(module)
            }
        })*
    };
}

macro_rules! services {
    (
        inputs { $($input:ident: $input_type:ty),* $(,)? }
        $($name:ident: $module:ty {
            $(build: $builder:expr,)?
            request: [$($request_service:ty),*],
            handlers: [$($handler_service:ty),*],
            permissions: [$($permission:ty),* $(,)?],
            audit_events: $audit_events:expr,
        })*
    ) => {
        module! {
            pub AppModule {
                components = [],
                providers = [],
                $(use $module { components = [$($request_service,)* $($handler_service),*], providers = [] }),*
            }
        }

        impl AppModule {
            /// Builds all modules.
            ///
            /// To replace a service in a test, build the module that *declares* it. An override of a component that
            /// comes from a submodule has no effect here, so `clippy.toml` bans it.
            pub fn new($($input: Arc<$input_type>),*) -> Self {
                $($(let $name = Arc::new($builder.build());)?)*
                Self::builder($($name),*).build()
            }
        }

        module! {
            pub(crate) RequestModule {
                components = [BearerIdentitySource, VerifiedIdentityProvider, MembershipTenantResolver],
                providers = [],
                use AppModule {
                    components = [$($($request_service,)* $($handler_service,)*)*],
                    providers = []
                },
                use ValueModule<dyn PublicUrls> { components = [dyn PublicUrls], providers = [] },
                use ValueModule<dyn RequestContext> { components = [dyn RequestContext], providers = [] }
            }
        }

        handler_services! { $($($handler_service,)*)* dyn PublicUrls, dyn RequestContext }

        /// All permissions, by module.
        pub const PERMISSIONS: &[PermissionInfo] = &[$($(<$permission as Permission>::INFO,)*)*];

        /// All types of audit events, by module.
        pub const AUDIT_EVENTS: &[&[AuditEventInfo]] = &[$($audit_events),*];

        $($(impl RegisteredPermission for $permission {})*)*
    };
}

// `build`: the module's builder, from the inputs and the modules above it. Without it, the module is the argument of
// `AppModule::new` that `inputs` declares under that name. `request`: services for the components of `RequestModule`.
// `handlers`: services that handlers may inject.
// `permissions`: those that `Access` accepts. `audit_events`: those that the module records.
services! {
    inputs { db: DbModule, tenancy: ValueModule<TenancyMode>, auth_settings: ValueModule<AuthSettings> }

    db: DbModule {
        request: [],
        handlers: [dyn Clock, dyn Readiness],
        permissions: [],
        audit_events: &[],
    }
    tenancy: ValueModule<TenancyMode> {
        request: [],
        handlers: [TenancyMode],
        permissions: [],
        audit_events: &[],
    }
    audit: AuditModule {
        build: AuditModule::builder(db.clone()),
        request: [dyn AuditRecorder],
        handlers: [dyn AuditLog],
        permissions: [AuditRead],
        audit_events: audit_api::AUDIT_EVENTS,
    }
    user: UserModule {
        build: UserModule::builder(db.clone()),
        request: [dyn ActiveUsers],
        handlers: [dyn Profiles],
        permissions: [],
        audit_events: user_api::AUDIT_EVENTS,
    }
    authorization: AuthorizationModule {
        build: AuthorizationModule::builder(db.clone(), tenancy.clone()),
        request: [dyn TenantAdmission],
        handlers: [dyn Invitations, dyn Members, dyn Policies, dyn Roles, dyn Tenants, dyn UserTenants],
        permissions: [
            MemberInvite, MemberRemove, MemberUpdate, PolicyManage, PolicyRead, RoleManage, RoleRead, TenantArchive,
            TenantRead, TenantUpdate, UserRead,
        ],
        audit_events: authorization_api::AUDIT_EVENTS,
    }
    auth: AuthModule {
        build: AuthModule::builder(
            db.clone(), ValueModule::new(user.resolve()), ValueModule::new(audit.resolve()), auth_settings
        ),
        request: [dyn AccessTokens],
        handlers: [dyn SignIn],
        permissions: [],
        audit_events: auth_api::AUDIT_EVENTS,
    }
    billing: BillingModule {
        build: BillingModule::builder(db.clone()),
        request: [],
        handlers: [dyn Subscriptions],
        permissions: [BillingRead],
        audit_events: &[],
    }
}
