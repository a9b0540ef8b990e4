//! The middleware around every request: the request's module, span, log line, id and response headers.

use std::{sync::Arc, time::Instant};

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS},
    middleware::Next,
    web,
};
use kernel::{RequestContext, TenancyMode, ValueModule};
use shaku::HasComponent;
use tracing::{Instrument, Span, field};

use super::{
    client_addr::TrustedProxies,
    connection_deadline::ConnectionDeadline,
    context::HttpRequestContext,
    denials,
    problem::{PROBLEM_JSON, Problem},
    public_url::PublicUrls,
    request_head::check_head,
};
use crate::{
    logs::{client_text, error_text},
    services::{AppModule, RequestModule},
};

/// Response header with the request's id, which the log lines contain as well.
const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Returns the request's module.
pub(crate) fn request_module(request: &HttpRequest) -> Result<Arc<RequestModule>, Problem> {
    let module = request.extensions().get::<Arc<RequestModule>>().cloned();
    module.ok_or_else(|| Problem::internal("the request has no module: the middleware isn't installed"))
}

/// Builds the request's module, runs the request in its span and logs the outcome.
pub(super) async fn request_middleware<B: MessageBody + 'static>(
    app: web::Data<AppModule>,
    proxies: web::Data<TrustedProxies>,
    public_urls: web::Data<dyn PublicUrls>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let _suspended_deadline = request.conn_data::<ConnectionDeadline>().map(ConnectionDeadline::suspend);
    let tenancy: &TenancyMode = app.resolve_ref();
    let context = HttpRequestContext::new(&request, &proxies, tenancy);
    let (request_id, client) = (context.request_id(), context.client_addr());
    let span = tracing::info_span!(
        "request",
        %request_id,
        // Any token is a method.
        method = %client_text(request.method()),
        // The route pattern instead of the path: ids and other client input must not get into the logs.
        route = request.match_pattern().as_deref().unwrap_or("-"),
        client = client.map(field::display),
        user_agent = context.user_agent().map(|text| field::display(client_text(text))),
        user = field::Empty,
        tenant = field::Empty,
    );
    let context: Arc<dyn RequestContext> = Arc::new(context);
    let (public_urls, context) = (ValueModule::new(public_urls.into_inner()), ValueModule::new(context));
    let module = Arc::new(RequestModule::builder(app.into_inner(), public_urls, context).build());
    request.extensions_mut().insert(Arc::clone(&module));
    let started = Instant::now();
    let mut response = match check_head(&request) {
        Ok(()) => into_problem_response(next.call(request).instrument(span.clone()).await?),
        Err(problem) => request.error_response(problem).map_into_right_body(),
    };
    span.in_scope(|| log_response(&response, started));
    if let Some(problem) = problem(&response) {
        denials::record(&module, response.request(), problem);
    }
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

/// Converts an error response of actix itself into a problem.
fn into_problem_response<B: MessageBody + 'static>(response: ServiceResponse<B>) -> ServiceResponse<EitherBody<B>> {
    let status = response.status();
    let content_type = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || content_type == Some(PROBLEM_JSON.as_bytes()) {
        return response.map_into_left_body();
    }
    response.error_response(Problem::from_framework(status)).map_into_right_body()
}

/// Adds the user to the request's span, once authenticated.
pub(super) fn record_user(user: impl std::fmt::Display) {
    Span::current().record("user", field::display(user));
}

/// Adds the tenant to the request's span, once resolved.
pub(super) fn record_tenant(tenant: impl std::fmt::Display) {
    Span::current().record("tenant", field::display(tenant));
}

fn problem<B>(response: &ServiceResponse<B>) -> Option<&Problem> {
    response.response().error().and_then(|error| error.as_error())
}

fn log_response<B>(response: &ServiceResponse<B>, started: Instant) {
    let status = response.status().as_u16();
    let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    match problem(response).and_then(Problem::source) {
        Some(source) => tracing::error!(status, millis, error = %error_text(source), "request failed"),
        None => tracing::info!(status, millis, "request completed"),
    }
}
