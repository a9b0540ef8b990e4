//! Binds the port and starts the HTTP server.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::{
    App as ActixApp, HttpRequest, HttpResponse, HttpServer,
    body::MessageBody,
    dev::{Server, ServiceRequest, ServiceResponse},
    http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, ContentEncoding, HeaderValue, LOCATION},
    middleware::{Next, from_fn},
    web::{self, Data},
};
use kernel::TenancyMode;
use shaku::HasComponent;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

use super::{
    client_addr::TrustedProxies,
    connection_deadline::ConnectionDeadline,
    connection_limit::ConnectionLimit,
    extract::BodyLimits,
    handlers, join_page,
    middleware::request_middleware,
    problem::Problem,
    public_url::{BaseUrl, PublicUrls, listen_url},
    route::{RouteInfo, page},
};
use crate::{config::HttpConfig, services::AppModule};

/// How long a client may take to send the head of its first request, if `HTTP_CLIENT_TIMEOUT_SECS` isn't shorter. actix
/// answers with 408 then.
const FIRST_HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection without a request is kept open, if `HTTP_CLIENT_TIMEOUT_SECS` isn't shorter.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How long a shutdown waits for running requests.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// A bound listener.
#[derive(Debug)]
pub struct BoundListener {
    listener: TcpListener,
    /// The actual address, even if the configured port is 0.
    pub addr: SocketAddr,
}

/// Reasons why the configured address can't be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program listens on it.
    #[error(
        "can't listen on {0}, which is already in use; stop the other program or set HTTP_PORT to another port (0 picks \
         a free one)"
    )]
    InUse(SocketAddr),
    /// The port is privileged.
    #[error("can't listen on {0} without root's privileges; set HTTP_PORT to 1024 or above")]
    PermissionDenied(SocketAddr),
    /// No network interface has the address.
    #[error("can't listen on {0}, which isn't an address of this machine; change HTTP_HOST")]
    NotLocal(SocketAddr),
    /// Any other error.
    #[error("can't listen on {0}: {1}; check HTTP_HOST and HTTP_PORT")]
    Other(SocketAddr, #[source] io::Error),
}

impl BindError {
    fn new(addr: SocketAddr, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::InUse(addr),
            io::ErrorKind::PermissionDenied => Self::PermissionDenied(addr),
            io::ErrorKind::AddrNotAvailable => Self::NotLocal(addr),
            _ => Self::Other(addr, error),
        }
    }
}

/// Binds the configured port.
///
/// # Errors
/// [`BindError`]
pub fn bind(config: &HttpConfig) -> Result<BoundListener, BindError> {
    let configured = SocketAddr::new(config.host, config.port);
    let listener = TcpListener::bind(configured).map_err(|error| BindError::new(configured, error))?;
    let addr = listener.local_addr().map_err(|error| BindError::new(configured, error))?;
    Ok(BoundListener { listener, addr })
}

/// Returns the OpenAPI document of all routes.
pub fn openapi(tenancy: &TenancyMode) -> OpenApi {
    handlers::routes(tenancy).openapi()
}

/// Returns a summary of every route, in registration order. The routes are the same in every tenancy mode.
pub fn routes() -> Vec<RouteInfo> {
    handlers::routes(&TenancyMode::default()).infos()
}

/// Starts the server on a bound port. It runs while the returned future is awaited and doesn't handle signals.
///
/// # Errors
/// The listener can't be registered.
#[expect(clippy::disallowed_methods, reason = "static pages without a handler; `handlers::routes` documents them")]
pub fn start(
    bound: BoundListener,
    config: &HttpConfig,
    limit: ConnectionLimit,
    app: Arc<AppModule>,
) -> io::Result<Server> {
    let tenancy: Arc<TenancyMode> = app.resolve();
    let (app, openapi) = (Data::from(app), openapi(&tenancy));
    let proxies = Data::new(TrustedProxies::new(config));
    let public_url = config.public_url.clone().unwrap_or_else(|| listen_url(bound.addr));
    let public_urls: Arc<dyn PublicUrls> = Arc::new(BaseUrl(public_url));
    let (openapi, docs) = (Arc::new(openapi), config.docs);
    let (public_urls, csp) = (Data::from(public_urls), join_page::content_security_policy());
    let client_timeout = config.client_timeout;
    let first_head_timeout = client_timeout.min(FIRST_HEAD_TIMEOUT);
    let body_limits = BodyLimits { bytes: config.body_limit, timeout: client_timeout };
    let server = HttpServer::new(move || {
        let swagger_config = Config::new(["/openapi.json"])
            .try_it_out_enabled(true)
            // By default, the page sends the document's URL to a validator of swagger.io.
            .validator_url("none");
        let swagger_config = Arc::new(swagger_config);
        let (openapi, csp) = (openapi.clone(), csp.clone());
        ActixApp::new()
            .app_data(app.clone())
            .app_data(proxies.clone())
            .app_data(public_urls.clone())
            .app_data(body_limits)
            .configure(|config| handlers::routes(&tenancy).configure(config))
            .service(page("/openapi.json", move |_| Ok(HttpResponse::Ok().json(&*openapi))))
            .service(page("/join", move |_| Ok(join_page::response(&csp))))
            .configure(|config| {
                if docs {
                    config.service(page("/docs", |_| {
                        Ok(HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish())
                    }));
                    config.service(page("/docs/{file:.*}", move |request| swagger_ui(request, &swagger_config)));
                }
            })
            .default_service(web::to(async || Err::<HttpResponse, _>(Problem::route_not_found())))
            .wrap(from_fn(forbid_frames))
            .wrap(from_fn(request_middleware))
    })
    .on_connect(move |io, extensions| {
        if let Some(deadline) = ConnectionDeadline::watch(io, first_head_timeout, client_timeout) {
            extensions.insert(deadline);
        }
    })
    .workers(limit.workers)
    .max_connections(limit.per_worker)
    .client_request_timeout(first_head_timeout)
    .keep_alive(client_timeout.min(KEEP_ALIVE))
    // A client that closes its connection drops its request, which then neither waits nor writes.
    .h1_allow_half_closed(false)
    .disable_signals()
    .shutdown_timeout(SHUTDOWN_TIMEOUT.as_secs());
    Ok(server.listen(bound.listener)?.run())
}

/// Forbids other sites to show a page in a frame, unless the page has its own policy.
async fn forbid_frames(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    let is_page = headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    if is_page && !headers.contains_key(CONTENT_SECURITY_POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("frame-ancestors 'none'"));
    }
    Ok(response)
}

/// Returns a file of Swagger UI.
fn swagger_ui(request: &HttpRequest, config: &Arc<Config<'static>>) -> Result<HttpResponse, Problem> {
    let path = request.match_info().query("file");
    let file = utoipa_swagger_ui::serve(path, config.clone()).map_err(|error| Problem::internal(error.to_string()))?;
    let file = file.ok_or_else(Problem::route_not_found)?;
    let mut response = HttpResponse::Ok();
    if file.gzpipped {
        response.insert_header(ContentEncoding::Gzip);
    }
    Ok(response.content_type(file.content_type).body(file.bytes.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_equal_in_all_modes() {
        let single = TenancyMode::Single("acme".parse().expect("a slug"));
        for mode in [TenancyMode::Personal, single] {
            assert_eq!(handlers::routes(&mode).infos(), routes(), "{mode:?}");
        }
    }

    #[test]
    fn routes_name_permissions_and_services() {
        assert!(routes().iter().any(|route| route.permission.is_some() && !route.services.is_empty()));
    }
}
