//! Extractors for handler arguments other than the access type. Each rejects with a problem that names the location
//! of the error and echoes no input. `clippy.toml` bans actix's own `Json`, `Path` and `Query`, because they would
//! reject a request before it is authorized.

use std::{ops::Deref, str::FromStr, sync::Arc, time::Duration};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::header::CONTENT_LENGTH,
    web::{self, Bytes},
};
use kernel::InvalidUuid;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

use super::{
    api_docs::OperationDoc,
    json,
    problem::{
        Problem,
        types::{BODY_TIMEOUT, UNSUPPORTED_MEDIA_TYPE},
    },
    query,
};
use crate::services::{HandlerService, RequestModule};

/// A service from the request's module.
pub(crate) struct Inject<S: ?Sized>(Arc<S>);

impl<S: ?Sized> Inject<S> {
    pub(crate) fn arc(&self) -> &Arc<S> {
        &self.0
    }
}

impl<S: ?Sized> Deref for Inject<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}

/// An argument after the access type. Handlers are bound by this trait instead of by `Inject` to get the error message
/// below; otherwise rustc only reports mismatched function types.
#[diagnostic::on_unimplemented(
    message = "a handler's arguments after the access type must be services, but `{Self}` is not one",
    label = "not a service",
    note = "a service is `Inject<dyn X>`; combine a body, query or path id with the access type as in \
            `Authorized<Access<P>, Body<T>>`"
)]
pub(crate) trait InjectedService: 'static {
    /// The service's Rust type.
    const NAME: &'static str;

    /// Returns the service.
    fn inject(module: &RequestModule) -> Self;
}

impl<S: HandlerService + ?Sized + 'static> InjectedService for Inject<S> {
    const NAME: &'static str = S::NAME;

    fn inject(module: &RequestModule) -> Self {
        Self(S::from_module(module))
    }
}

/// Client input that `Authorized` extracts after the access type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the input of an `Authorized`",
    label = "not client input",
    note = "use `Body<T>`, `Query<T>` or `PathId<Id>`"
)]
pub(crate) trait RequestInput: Sized + 'static {
    /// Whether the input is the query string.
    const READS_QUERY: bool = false;

    /// Adds the input to the API documentation.
    fn describe(doc: &mut OperationDoc);

    /// Extracts the input.
    async fn extract(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem>;
}

/// Two inputs, extracted in order.
impl<A: RequestInput, B: RequestInput> RequestInput for (A, B) {
    const READS_QUERY: bool = A::READS_QUERY || B::READS_QUERY;

    fn describe(doc: &mut OperationDoc) {
        A::describe(doc);
        B::describe(doc);
    }

    async fn extract(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem> {
        Ok((A::extract(request, payload).await?, B::extract(request, payload).await?))
    }
}

/// Limits of a request body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// Maximum size in bytes.
    pub(crate) bytes: usize,
    /// How long the client may take to send it.
    pub(crate) timeout: Duration,
}

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned + ToSchema + 'static> RequestInput for Body<T> {
    fn describe(doc: &mut OperationDoc) {
        doc.body::<T>();
    }

    async fn extract(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem> {
        if request.mime_type().ok().flatten().is_none_or(|mime| mime.essence_str() != "application/json") {
            return Err(UNSUPPORTED_MEDIA_TYPE.into());
        }
        json::read(&read_body(request, payload).await?).map(Self)
    }
}

fn body_read_error() -> Problem {
    Problem::malformed("The connection ended before the whole body was received.")
}

/// Reads the body, within the size and time limits.
pub(super) async fn read_body(request: &HttpRequest, payload: &mut Payload) -> Result<Bytes, Problem> {
    let Some(&BodyLimits { bytes: limit, timeout: deadline }) = request.app_data() else {
        return Err(Problem::internal("the server has no body limits"));
    };
    let declared_length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared_length.is_some_and(|length: usize| length > limit) {
        return Err(Problem::body_too_large(limit));
    }
    let payload = web::Payload::from_request(request, payload).into_inner().map_err(|_| body_read_error())?;
    let bytes = timeout(deadline, payload.to_bytes_limited(limit)).await.map_err(|_| Problem::from(BODY_TIMEOUT))?;
    bytes.map_err(|_| Problem::body_too_large(limit))?.map_err(|_| body_read_error())
}

/// Checks the parts of the request that the handler doesn't read, before it runs: query parameters that the route doesn't
/// have, and the rest of the body. A handler never runs for a request that isn't received completely.
pub(super) async fn check_unread(
    request: &HttpRequest,
    payload: &mut Payload,
    reads_query: bool,
) -> Result<(), Problem> {
    if !reads_query && !request.query_string().is_empty() {
        return Err(Problem::malformed("This route has no query parameters. Remove the query string."));
    }
    read_body(request, payload).await.map(drop)
}

/// The parsed query string.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned + IntoParams + 'static> RequestInput for Query<T> {
    const READS_QUERY: bool = true;

    fn describe(doc: &mut OperationDoc) {
        doc.query::<T>();
    }

    async fn extract(request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let malformed = || Problem::malformed("The query string has an unknown parameter or an invalid value.");
        query::read(request.query_string()).map(Self).ok_or_else(malformed)
    }
}

/// The `{id}` in the path. Only the kernel's ids can be parsed, because `Uuid` also accepts other forms.
pub(crate) struct PathId<T>(pub(crate) T);

impl<T: FromStr<Err = InvalidUuid> + 'static> RequestInput for PathId<T> {
    fn describe(doc: &mut OperationDoc) {
        doc.path_id();
    }

    async fn extract(request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let id = request.match_info().get("id").and_then(|text| text.parse().ok());
        id.map(Self).ok_or_else(|| Problem::malformed("The id in the path is not a UUID with hyphens."))
    }
}
