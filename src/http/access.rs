//! Who may call a handler. A handler's first parameter is one of these, alone or in a [`Authorized`]; anything else doesn't
//! compile.
//!
//! | class | who | proof |
//! | --- | --- | --- |
//! | [`Public`] | anybody | none |
//! | [`SignedIn`] | an active person | `Identity` |
//! | [`Member`] | a member of the tenant | `TenantScope` |
//! | [`Access<P>`] | a member with the permission | `Permit<P>` |
//! | [`AccessTo<P, Id>`] | the same, for the resource that the path names | `Permit<P>` |
//! | [`RestoreAccess`] | a member with the permission `tenant:archive`, in a tenant that may be archived | `RestorePermit` |

use std::{ops::Deref, str::FromStr, sync::Arc};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use kernel::{
    clock::Clock,
    contracts::{
        Environment, Identity, IdentityProvider, IdentitySource, Permission, PermissionInfo, Permit, RequestContext,
        ResourceAttributes, RestorePermit, TenantArchive, TenantResolver, TenantScope, UserId,
    },
};
use shaku::HasComponent;

use super::{
    extract::PathId,
    module::RequestModule,
    permissions::RegisteredPermission,
    problem::Problem,
    route::OperationDoc,
    middleware::{self, request_module},
};

type ExtractFuture<T> = std::pin::Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

/// Who may call a route, for its documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccessClass {
    Public,
    SignedIn,
    Member,
    Permission(&'static PermissionInfo),
}

/// A class of routes: the proof that it takes, and how it is documented.
#[diagnostic::on_unimplemented(
    message = "a handler's first parameter says who may call it, and `{Self}` doesn't",
    label = "not a guard",
    note = "begin with `Public`, `SignedIn`, `Member` or `Access<P>`; a body, query or path id goes beside it: \
            `Authorized<Access<P>, Body<T>>`"
)]
pub(crate) trait AccessGuard: FromRequest<Error = Problem> + 'static {
    /// Who may call.
    const CLASS: AccessClass;

    /// What else the route's documentation says because of this.
    fn describe(_draft: &mut OperationDoc) {}
}

/// Anybody.
pub(crate) struct Public;

impl AccessGuard for Public {
    const CLASS: AccessClass = AccessClass::Public;
}

impl FromRequest for Public {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self))
    }
}

/// An active person.
pub(crate) struct SignedIn(Arc<Identity>);

impl AccessGuard for SignedIn {
    const CLASS: AccessClass = AccessClass::SignedIn;
}

impl Deref for SignedIn {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.0
    }
}

impl FromRequest for SignedIn {
    type Error = Problem;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let module = request_module(request);
        Box::pin(async move {
            let provider: Arc<dyn IdentityProvider> = module?.resolve();
            let identity = provider.identity().await?;
            middleware::record_user(identity.user());
            Ok(Self(identity))
        })
    }
}

/// A member of the tenant that the request names.
pub(crate) struct Member(Arc<TenantScope>);

impl AccessGuard for Member {
    const CLASS: AccessClass = AccessClass::Member;
}

impl Deref for Member {
    type Target = TenantScope;

    fn deref(&self) -> &TenantScope {
        &self.0
    }
}

impl FromRequest for Member {
    type Error = Problem;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let module = request_module(request);
        Box::pin(async move {
            let module = module?;
            Ok(Self(resolve_scope(&module).await?))
        })
    }
}

/// The scope; the span has the caller's id even where the tenant is refused.
async fn resolve_scope(module: &RequestModule) -> Result<Arc<TenantScope>, Problem> {
    let resolver: &dyn TenantResolver = module.resolve_ref();
    record_claims(module).await;
    let tenant_scope = resolver.scope().await?;
    middleware::record_tenant(tenant_scope.tenant());
    Ok(tenant_scope)
}

async fn record_claims(module: &RequestModule) {
    let source: &dyn IdentitySource = module.resolve_ref();
    if let Ok(Some(claims)) = source.claims().await {
        middleware::record_user(claims.user());
    }
}

/// A member whom the tenant's policies allow `P`.
pub(crate) struct Access<P>(Permit<P>);

impl<P: RegisteredPermission> AccessGuard for Access<P> {
    const CLASS: AccessClass = AccessClass::Permission(&P::INFO);
}

impl<P> Deref for Access<P> {
    type Target = Permit<P>;

    fn deref(&self) -> &Permit<P> {
        &self.0
    }
}

impl<P: RegisteredPermission> FromRequest for Access<P> {
    type Error = Problem;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let module = request_module(request);
        Box::pin(async move {
            let module = module?;
            let scope = resolve_scope(&module).await?;
            let environment = environment(&module);
            Ok(Self(Permit::authorize(&scope, None, &environment)?))
        })
    }
}

/// A member whom the tenant's policies allow `P` on the very resource that the path's `{id}` names: for permissions
/// whose policies may look at the resource.
pub(crate) struct AccessTo<P, Id> {
    permit: Permit<P>,
    /// Which resource.
    pub(crate) id: Id,
}

/// An id in a path from which it can be told what a policy's condition may look at.
#[diagnostic::on_unimplemented(
    message = "it can't be told from `{Self}` alone what a policy may look at",
    label = "an id that says nothing of its resource",
    note = "implement `ResourceId` for it in src/http/access.rs; with `Access<P>`, policies that look at the resource never \
            allow"
)]
pub(crate) trait ResourceId: FromStr + 'static {
    /// What can be told.
    fn attributes(&self) -> ResourceAttributes;
}

impl ResourceId for UserId {
    /// A person is their own.
    fn attributes(&self) -> ResourceAttributes {
        ResourceAttributes { owner: Some(*self) }
    }
}

impl<P: RegisteredPermission, Id: ResourceId> AccessGuard for AccessTo<P, Id> {
    const CLASS: AccessClass = AccessClass::Permission(&P::INFO);

    fn describe(doc: &mut OperationDoc) {
        PathId::<Id>::describe(doc);
    }
}

impl<P, Id> Deref for AccessTo<P, Id> {
    type Target = Permit<P>;

    fn deref(&self) -> &Permit<P> {
        &self.permit
    }
}

impl<P: RegisteredPermission, Id: ResourceId> FromRequest for AccessTo<P, Id> {
    type Error = Problem;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let module = request_module(request);
        let id = PathId::<Id>::from_request(request, &mut Payload::None).into_inner();
        Box::pin(async move {
            let module = module?;
            let scope = resolve_scope(&module).await?;
            // Only now: what is no id is nobody's business but a member's.
            let PathId(id) = id?;
            let permit = Permit::authorize(&scope, Some(&id.attributes()), &environment(&module))?;
            Ok(Self { permit, id })
        })
    }
}

/// A member whom the tenant's policies allow to archive it, also where it is archived already: then this is the one guard
/// that lets anybody in, and restoring the one thing that its proof is good for.
pub(crate) struct RestoreAccess(RestorePermit);

impl AccessGuard for RestoreAccess {
    const CLASS: AccessClass = AccessClass::Permission(&TenantArchive::INFO);
}

impl Deref for RestoreAccess {
    type Target = RestorePermit;

    fn deref(&self) -> &RestorePermit {
        &self.0
    }
}

impl FromRequest for RestoreAccess {
    type Error = Problem;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let module = request_module(request);
        Box::pin(async move {
            let module = module?;
            let resolver: &dyn TenantResolver = module.resolve_ref();
            record_claims(&module).await;
            let restore_scope = resolver.restore_scope().await?;
            middleware::record_tenant(restore_scope.tenant());
            Ok(Self(RestorePermit::authorize(&restore_scope, &environment(&module))?))
        })
    }
}

fn environment(module: &RequestModule) -> Environment {
    let (clock, context): (&dyn Clock, &dyn RequestContext) = (module.resolve_ref(), module.resolve_ref());
    Environment { now: clock.now(), client_addr: context.client_addr() }
}

/// A guard, and only then something else of the request: a body, a query, an id.
///
/// actix polls a handler's extractors together, so a body beside a guard would be read, and its errors answered, for
/// nobody in particular.
pub(crate) struct Authorized<G, X>(pub(crate) G, pub(crate) X);

impl<G: AccessGuard, X: FromRequest<Error = Problem> + RequestInput + 'static> AccessGuard for Authorized<G, X> {
    const CLASS: AccessClass = G::CLASS;

    fn describe(doc: &mut OperationDoc) {
        G::describe(doc);
        X::describe(doc);
    }
}

impl<G: AccessGuard, X: FromRequest<Error = Problem> + 'static> FromRequest for Authorized<G, X> {
    type Error = Problem;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let guard = G::from_request(&request, &mut Payload::None).await?;
            let input = X::from_request(&request, &mut payload).await?;
            Ok(Self(guard, input))
        })
    }
}

/// What a client sends beside who it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't follow a guard",
    label = "not what a client sends",
    note = "what can: `Body<T>`, `Query<T>`, `PathId<Id>`"
)]
pub(crate) trait RequestInput {
    /// How it is documented.
    fn describe(doc: &mut OperationDoc);
}
