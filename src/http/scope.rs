//! What happens around every request: its module, its span, its line in the logs, its id.

use std::{sync::Arc, time::Instant};

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS},
    middleware::Next,
    web,
};
use kernel::{
    contracts::{RequestContext, Tenancy},
    di::Given,
};
use tracing::{Instrument, Span, field};

use super::{
    context::{HttpRequestContext, TrustedProxies},
    links::Links,
    module::RequestModule,
    problem::{PROBLEM_JSON, Problem},
};
use crate::{bootstrap::AppModule, logs::Causes};

/// Names the request, in answers and logs.
const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The request's module.
pub(crate) fn module_of(request: &HttpRequest) -> Result<Arc<RequestModule>, Problem> {
    let module = request.extensions().get::<Arc<RequestModule>>().cloned();
    module.ok_or_else(|| Problem::internal("a request without its module: the middleware isn't installed"))
}

/// Builds the request's module, runs the request in its span, and logs how it went.
pub(super) async fn request_scope<B: MessageBody + 'static>(
    app: web::Data<dyn AppModule>,
    proxies: web::Data<TrustedProxies>,
    links: web::Data<dyn Links>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let tenancy: &Tenancy = app.resolve_ref();
    let context = HttpRequestContext::new(&request, &proxies, tenancy);
    let (request_id, client) = (context.request_id(), context.client_addr());
    let user_agent = context.user_agent().map(ToOwned::to_owned);
    let span = tracing::info_span!(
        "request",
        %request_id,
        method = %request.method(),
        // The pattern, not the path: ids and whatever else people put into paths stay out of the logs.
        route = request.match_pattern().as_deref().unwrap_or("-"),
        client = client.map(field::display),
        user_agent,
        user = field::Empty,
        tenant = field::Empty,
    );
    let module =
        RequestModule::builder(app.into_inner(), Given::new(links.into_inner()), Given::new(Arc::new(context))).build();
    request.extensions_mut().insert(Arc::new(module));
    let started = Instant::now();
    let response = next.call(request).instrument(span.clone()).await?;
    let mut response = as_problem(response);
    span.in_scope(|| log(&response, started));
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&request_id.to_string()) {
        headers.insert(REQUEST_ID_HEADER, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

/// Gives what the framework refused by itself the form that every error has.
fn as_problem<B: MessageBody + 'static>(response: ServiceResponse<B>) -> ServiceResponse<EitherBody<B>> {
    let status = response.status();
    let content_type = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let refused = status.is_client_error() || status.is_server_error();
    if !refused || content_type == Some(PROBLEM_JSON.as_bytes()) {
        return response.map_into_left_body();
    }
    response.error_response(Problem::of_framework(status)).map_into_right_body()
}

/// Notes who it is, once that is known.
pub(super) fn record_user(user: impl std::fmt::Display) {
    Span::current().record("user", field::display(user));
}

/// Notes which tenant it is about, once that is known.
pub(super) fn record_tenant(tenant: impl std::fmt::Display) {
    Span::current().record("tenant", field::display(tenant));
}

fn log<B>(response: &ServiceResponse<B>, started: Instant) {
    let status = response.status().as_u16();
    let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let problem = response.response().error().and_then(|error| error.as_error::<Problem>());
    match problem.and_then(Problem::cause) {
        Some(cause) => tracing::error!(status, millis, cause = %Causes(cause), "request failed"),
        None => tracing::info!(status, millis, "request"),
    }
}
