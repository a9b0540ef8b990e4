//! Access types: who may call a handler. A handler's first parameter is an access type, alone or inside an [`Authorized`];
//! anything else doesn't compile.
//!
//! | access type | admits | proof |
//! | --- | --- | --- |
//! | [`Public`] | any client, signed in or not | none |
//! | [`SignedIn`] | an active user | `Identity` |
//! | [`Member`] | a member of the tenant | `TenantScope` |
//! | [`Access<P>`] | a member with the permission | `Permit<P>` |
//! | [`AccessTo<P, Id>`] | a member with the permission on the resource in the path | `Permit<P>` |
//! | [`RestoreAccess`] | a member with `tenant:archive`, even if the tenant is archived | `RestorePermit` |

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
    middleware::{self, request_module},
    module::RequestModule,
    permissions::RegisteredPermission,
    problem::Problem,
    route::OperationDoc,
};

type ExtractFuture<T> = std::pin::Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

/// Who may call a route, for the API documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccessClass {
    Public,
    SignedIn,
    Member,
    Permission(&'static PermissionInfo),
}

/// An extractor that admits or rejects the caller before anything else of the request is read.
#[diagnostic::on_unimplemented(
    message = "a handler's first parameter must be an access type, but `{Self}` is not one",
    label = "not an access type",
    note = "start with `Public`, `SignedIn`, `Member` or `Access<P>`; combine it with a body, query or path id as in \
            `Authorized<Access<P>, Body<T>>`"
)]
pub(crate) trait AccessType: FromRequest<Error = Problem> + 'static {
    /// The class of callers that the access type admits.
    const CLASS: AccessClass;

    /// Adds the access type's other parameters to the API documentation.
    fn describe(_doc: &mut OperationDoc) {}
}

/// Admits any client.
pub(crate) struct Public;

impl AccessType for Public {
    const CLASS: AccessClass = AccessClass::Public;
}

impl FromRequest for Public {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self))
    }
}

/// Admits an active user.
pub(crate) struct SignedIn(Arc<Identity>);

impl AccessType for SignedIn {
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

/// Admits a member of the requested tenant.
pub(crate) struct Member(Arc<TenantScope>);

impl AccessType for Member {
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

/// Resolves the tenant scope. The user is added to the span first, so that the log line has it even if the tenant is
/// rejected.
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

/// Admits a member whom the tenant's policies allow `P`.
pub(crate) struct Access<P>(Permit<P>);

impl<P: RegisteredPermission> AccessType for Access<P> {
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

/// Admits a member whom the tenant's policies allow `P` on the resource that `{id}` in the path identifies. Use it for
/// permissions whose policies may have conditions on the resource.
pub(crate) struct AccessTo<P, Id> {
    permit: Permit<P>,
    /// The id in the path.
    pub(crate) id: Id,
}

/// An id from which the resource's attributes follow, without a query.
#[diagnostic::on_unimplemented(
    message = "the resource attributes can't be derived from `{Self}` alone",
    label = "not a resource id",
    note = "implement `ResourceId` for it in src/http/access.rs, or use `Access<P>`, under which policies with \
            conditions on the resource never allow"
)]
pub(crate) trait ResourceId: FromStr + 'static {
    /// Returns the attributes that policy conditions may test.
    fn attributes(&self) -> ResourceAttributes;
}

impl ResourceId for UserId {
    /// Users own their profile.
    fn attributes(&self) -> ResourceAttributes {
        ResourceAttributes { owner: Some(*self) }
    }
}

impl<P: RegisteredPermission, Id: ResourceId> AccessType for AccessTo<P, Id> {
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
            // Checked after membership, so that a malformed id reveals nothing to non-members.
            let PathId(id) = id?;
            let permit = Permit::authorize(&scope, Some(&id.attributes()), &environment(&module))?;
            Ok(Self { permit, id })
        })
    }
}

/// Admits a member whom the tenant's policies allow to archive the tenant, even if it is archived. No other access type
/// admits callers to an archived tenant, and its proof only allows restoring.
pub(crate) struct RestoreAccess(RestorePermit);

impl AccessType for RestoreAccess {
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

/// Runs an access type, and then extracts the input `X`: a body, a query or a path id.
///
/// actix polls all extractors of a handler concurrently. With a body as a separate argument, an unauthorized caller's
/// body would be read and its errors reported.
pub(crate) struct Authorized<G, X>(pub(crate) G, pub(crate) X);

impl<G: AccessType, X: FromRequest<Error = Problem> + RequestInput + 'static> AccessType for Authorized<G, X> {
    const CLASS: AccessClass = G::CLASS;

    fn describe(doc: &mut OperationDoc) {
        G::describe(doc);
        X::describe(doc);
    }
}

impl<G: AccessType, X: FromRequest<Error = Problem> + 'static> FromRequest for Authorized<G, X> {
    type Error = Problem;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let access = G::from_request(&request, &mut Payload::None).await?;
            let input = X::from_request(&request, &mut payload).await?;
            Ok(Self(access, input))
        })
    }
}

/// Client input that [`Authorized`] extracts after the access type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the input of an `Authorized`",
    label = "not client input",
    note = "use `Body<T>`, `Query<T>` or `PathId<Id>`"
)]
pub(crate) trait RequestInput {
    /// Adds the input to the API documentation.
    fn describe(doc: &mut OperationDoc);
}
