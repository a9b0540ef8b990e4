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
//! | [`RestoreAccess`] | a member with `tenant:archive`, even if the tenant is archived | `RestorePermit<TenantArchive>` |

use std::{ops::Deref, str::FromStr, sync::Arc};

use actix_web::{HttpRequest, dev::Payload};
use authorization_api::TenantArchive;
use kernel::{
    Clock, Environment, Identity, IdentityProvider, IdentitySource, InvalidUuid, Permission, Permit, RequestContext,
    ResourceAttributes, RestorePermit, TenantResolver, TenantScope, UserId,
};
use shaku::HasComponent;

use super::{
    api_docs::{AccessClass, OperationDoc},
    extract::{PathId, RequestInput},
    middleware,
    problem::Problem,
};
use crate::services::{RegisteredPermission, RequestModule};

/// The first argument of a handler, which admits or rejects the caller before anything else of the request is read.
#[diagnostic::on_unimplemented(
    message = "a handler's first parameter must be an access type, but `{Self}` is not one",
    label = "not an access type",
    note = "start with `Public`, `SignedIn`, `Member`, `Access<P>`, `AccessTo<P, Id>` or `RestoreAccess`; combine it with \
            a body, query or path id as in `Authorized<Access<P>, Body<T>>`"
)]
pub(crate) trait AccessType: Sized + 'static {
    /// The class of callers that the access type admits.
    const CLASS: AccessClass;

    /// Whether the query string is read. If not, it must be empty.
    const READS_QUERY: bool = false;

    /// Adds the access type's other parameters to the API documentation.
    fn describe(_doc: &mut OperationDoc) {}

    /// Admits or rejects the caller. Only [`Authorized`] reads the payload, after it has admitted the caller.
    async fn admit(module: &RequestModule, request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem>;
}

/// Makes access types dereference to their proof.
macro_rules! deref_to_proof {
    ($($access:ident $(<$($parameter:ident),+>)? => $proof:ty;)+) => {$(
        impl $(<$($parameter),+>)? Deref for $access $(<$($parameter),+>)? {
            type Target = $proof;

            fn deref(&self) -> &$proof {
                &self.proof
            }
        }
    )+};
}

deref_to_proof! {
    SignedIn => Identity;
    Member => TenantScope;
    Access<P> => Permit<P>;
    AccessTo<P, Id> => Permit<P>;
    RestoreAccess => RestorePermit<TenantArchive>;
}

/// Admits any client.
pub(crate) struct Public;

impl AccessType for Public {
    const CLASS: AccessClass = AccessClass::Public;

    async fn admit(_: &RequestModule, _: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Admits an active user.
pub(crate) struct SignedIn {
    proof: Arc<Identity>,
}

impl AccessType for SignedIn {
    const CLASS: AccessClass = AccessClass::SignedIn;

    async fn admit(module: &RequestModule, _: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let provider: &dyn IdentityProvider = module.resolve_ref();
        let proof = provider.identity().await?;
        middleware::record_user(proof.user());
        Ok(Self { proof })
    }
}

/// Admits a member of the requested tenant.
pub(crate) struct Member {
    proof: Arc<TenantScope>,
}

impl AccessType for Member {
    const CLASS: AccessClass = AccessClass::Member;

    async fn admit(module: &RequestModule, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        Ok(Self { proof: resolve_scope(module, request).await? })
    }
}

/// Resolves the tenant scope. The user is added to the span first, so that the log line has it even if the tenant is
/// rejected.
///
/// The scope of a read may come from a cached admission: `Routes` repeats the read if it is outdated.
async fn resolve_scope(module: &RequestModule, request: &HttpRequest) -> Result<Arc<TenantScope>, Problem> {
    let resolver: &dyn TenantResolver = module.resolve_ref();
    record_claims(module).await;
    let tenant_scope =
        if request.method().is_safe() { resolver.scope_for_read().await } else { resolver.scope().await }?;
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
pub(crate) struct Access<P> {
    proof: Permit<P>,
}

impl<P: RegisteredPermission> AccessType for Access<P> {
    const CLASS: AccessClass = AccessClass::Permission(&P::INFO);

    async fn admit(module: &RequestModule, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let scope = resolve_scope(module, request).await?;
        Ok(Self { proof: Permit::authorize(&scope, None, &environment(module))? })
    }
}

/// Admits a member whom the tenant's policies allow `P` on the resource that `{id}` in the path identifies. Use it for
/// permissions whose policies may have conditions on the resource.
pub(crate) struct AccessTo<P, Id> {
    proof: Permit<P>,
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
pub(crate) trait ResourceId: FromStr<Err = InvalidUuid> + 'static {
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

    async fn admit(module: &RequestModule, request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem> {
        let scope = resolve_scope(module, request).await?;
        // Checked after membership, so that a malformed id reveals nothing to non-members.
        let PathId(id) = PathId::<Id>::extract(request, payload).await?;
        let proof = Permit::authorize(&scope, Some(&id.attributes()), &environment(module))?;
        Ok(Self { proof, id })
    }
}

/// Admits a member whom the tenant's policies allow to archive the tenant, even if it is archived. No other access type
/// admits callers to an archived tenant, and its proof only allows restoring.
pub(crate) struct RestoreAccess {
    proof: RestorePermit<TenantArchive>,
}

impl AccessType for RestoreAccess {
    const CLASS: AccessClass = AccessClass::Permission(&TenantArchive::INFO);

    async fn admit(module: &RequestModule, _: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let resolver: &dyn TenantResolver = module.resolve_ref();
        record_claims(module).await;
        let restore_scope = resolver.restore_scope().await?;
        middleware::record_tenant(restore_scope.tenant());
        Ok(Self { proof: RestorePermit::authorize(&restore_scope, &environment(module))? })
    }
}

/// Returns whether everything that the response was decided from is current, see [`TenantResolver::is_current`].
pub(crate) async fn is_current(module: &RequestModule) -> Result<bool, Problem> {
    let resolver: &dyn TenantResolver = module.resolve_ref();
    Ok(resolver.is_current().await?)
}

fn environment(module: &RequestModule) -> Environment {
    let (clock, context): (&dyn Clock, &dyn RequestContext) = (module.resolve_ref(), module.resolve_ref());
    Environment { now: clock.now(), client_addr: context.client_addr() }
}

/// Runs an access type, and then extracts the input `X`: a body, a query, a path id, or two of them.
pub(crate) struct Authorized<G, X>(pub(crate) G, pub(crate) X);

impl<G: AccessType, X: RequestInput> AccessType for Authorized<G, X> {
    const CLASS: AccessClass = G::CLASS;
    const READS_QUERY: bool = X::READS_QUERY;

    fn describe(doc: &mut OperationDoc) {
        G::describe(doc);
        X::describe(doc);
    }

    async fn admit(module: &RequestModule, request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem> {
        let access = G::admit(module, request, payload).await?;
        Ok(Self(access, X::extract(request, payload).await?))
    }
}
