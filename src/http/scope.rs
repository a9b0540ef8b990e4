//! What a request carries: the facts it brings, its module, its span.

use std::{net::IpAddr, sync::Arc, time::Instant};

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{
        AUTHORIZATION, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, USER_AGENT, X_CONTENT_TYPE_OPTIONS,
    },
    middleware::Next,
    web,
};
use auth::BearerIdentitySource;
#[expect(clippy::disallowed_types, reason = "the request's module is the one place that makes the proofs")]
use kernel::request::{MembershipTenantResolver, VerifiedIdentityProvider};
use kernel::{
    clock::Clock,
    contracts::{
        AccessTokens, AuthorizationService, Members, MyTenants, RequestContext, SignIn, Subscriptions, UserRepository,
        WantedTenant,
    },
    db::{Database, Readiness},
    di::Given,
};
use secrecy::SecretString;
use shaku::{HasComponent, module};
use tracing::{Instrument, Span, field};
use uuid::Uuid;

use super::problem::Problem;
use crate::{bootstrap::AppModule, logs::Causes};

/// Names the tenant, by slug or id.
pub(crate) const TENANT_HEADER: &str = "X-Tenant-Id";
/// Names the request, in answers and logs.
const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

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
                dyn Members,
                dyn MyTenants,
                dyn Readiness,
                dyn SignIn,
                dyn Subscriptions,
                dyn UserRepository
            ],
            providers = []
        },
        use Given<dyn RequestContext> { components = [dyn RequestContext], providers = [] }
    }
}

/// A service that a handler may ask for. Repositories and databases never are: a handler could go round the proofs.
#[diagnostic::on_unimplemented(
    message = "a handler can't have `{Self}`",
    label = "not a handler service",
    note = "list it in `handler_services!` in src/http/scope.rs, and in `RequestModule` there; never a repository or a \
            database"
)]
pub(crate) trait HandlerService: Send + Sync {
    /// The request's instance.
    fn of(module: &RequestModule) -> Arc<Self>;
}

macro_rules! handler_services {
    ($($service:ty),* $(,)?) => {
        $(impl HandlerService for $service {
            fn of(module: &RequestModule) -> Arc<Self> {
                HasComponent::<$service>::resolve(module)
            }
        })*
    };
}

handler_services! {
    dyn Clock,
    dyn Members,
    dyn MyTenants,
    dyn Readiness,
    dyn RequestContext,
    dyn SignIn,
    dyn Subscriptions,
}

/// The request's module.
pub(crate) fn module_of(request: &HttpRequest) -> Result<Arc<RequestModule>, Problem> {
    let module = request.extensions().get::<Arc<RequestModule>>().cloned();
    module.ok_or_else(|| Problem::internal("a request without its module: the middleware isn't installed"))
}

/// Who is believed when he says where a request comes from.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrustedProxies(pub(crate) Vec<IpAddr>);

/// The facts of one HTTP request.
struct HttpRequestContext {
    credential: Option<SecretString>,
    wanted_tenant: WantedTenant,
    client_addr: Option<IpAddr>,
    user_agent: Option<String>,
    request_id: Uuid,
}

impl HttpRequestContext {
    fn new(request: &ServiceRequest, proxies: &TrustedProxies) -> Self {
        let text = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        Self {
            credential: credential(request.headers()),
            wanted_tenant: wanted_tenant(request.headers()),
            client_addr: client_addr(request, proxies),
            user_agent: text(USER_AGENT).map(Into::into),
            request_id: Uuid::now_v7(),
        }
    }
}

impl RequestContext for HttpRequestContext {
    fn credential(&self) -> Option<&SecretString> {
        self.credential.as_ref()
    }

    fn wanted_tenant(&self) -> &WantedTenant {
        &self.wanted_tenant
    }

    fn client_addr(&self) -> Option<IpAddr> {
        self.client_addr
    }

    fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }

    fn request_id(&self) -> Uuid {
        self.request_id
    }
}

/// `Authorization: Bearer …`, the scheme in any case (RFC 9110, section 11.1). Anything else in that header, or the
/// header twice, is a credential that doesn't hold.
fn credential(headers: &HeaderMap) -> Option<SecretString> {
    let mut values = headers.get_all(AUTHORIZATION);
    let value = values.next()?;
    let bearer = |text: &str| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start().to_owned())
    };
    let token = match values.next() {
        None => value.to_str().ok().and_then(bearer),
        Some(_) => None,
    };
    Some(token.unwrap_or_default().into())
}

fn wanted_tenant(headers: &HeaderMap) -> WantedTenant {
    let mut values = headers.get_all(TENANT_HEADER);
    match (values.next(), values.next()) {
        (None, _) => WantedTenant::Unnamed,
        (Some(value), None) => {
            let named = value.to_str().ok().and_then(|text| text.trim().parse().ok());
            named.map_or(WantedTenant::Impossible, WantedTenant::Named)
        }
        (Some(_), Some(_)) => WantedTenant::Impossible,
    }
}

/// The socket's peer; where that is a trusted proxy, the last address in `X-Forwarded-For` that isn't one. Addresses
/// further left were written by whoever liked to.
fn client_addr(request: &ServiceRequest, proxies: &TrustedProxies) -> Option<IpAddr> {
    let trusted = |addr: &IpAddr| proxies.0.contains(addr);
    let peer = request.peer_addr()?.ip().to_canonical();
    if !trusted(&peer) {
        return Some(peer);
    }
    let values = request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = values.flat_map(|value| value.split(',')).collect();
    let mut client = peer;
    for hop in hops.into_iter().rev() {
        let Ok(addr) = hop.trim().parse::<IpAddr>() else { break };
        client = addr.to_canonical();
        if !trusted(&client) {
            break;
        }
    }
    Some(client)
}

/// Builds the request's module, runs the request in its span, and logs how it went.
pub(super) async fn request_scope<B: MessageBody + 'static>(
    app: web::Data<dyn AppModule>,
    proxies: web::Data<TrustedProxies>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let context = HttpRequestContext::new(&request, &proxies);
    let request_id = context.request_id;
    let span = tracing::info_span!(
        "request",
        %request_id,
        method = %request.method(),
        // The pattern, not the path: ids and whatever else people put into paths stay out of the logs.
        route = request.match_pattern().as_deref().unwrap_or("-"),
        client = context.client_addr.map(field::display),
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
