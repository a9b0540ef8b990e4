//! What happens around every request: its module, its span, its line in the logs, its id.

use std::{sync::Arc, time::Instant};

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{CACHE_CONTROL, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS},
    middleware::Next,
    web,
};
use kernel::{contracts::RequestContext, di::Given};
use tracing::{Instrument, Span, field};

use super::{
    context::{HttpRequestContext, TrustedProxies},
    module::RequestModule,
    problem::Problem,
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
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let context = HttpRequestContext::new(&request, &proxies);
    let (request_id, client) = (context.request_id(), context.client_addr());
    let span = tracing::info_span!(
        "request",
        %request_id,
        method = %request.method(),
        // The pattern, not the path: ids and whatever else people put into paths stay out of the logs.
        route = request.match_pattern().as_deref().unwrap_or("-"),
        client = client.map(field::display),
        user = field::Empty,
        tenant = field::Empty,
    );
    let module = RequestModule::builder(app.into_inner(), Given::new(Arc::new(context))).build();
    request.extensions_mut().insert(Arc::new(module));
    let started = Instant::now();
    let mut response = next.call(request).instrument(span.clone()).await?;
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
