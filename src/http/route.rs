//! Registers handlers and documents them.

use std::{collections::BTreeMap, iter};

use actix_web::{Handler, HttpRequest, HttpResponse, Resource, Route, dev::Payload, guard, web};
use db::DbError;
use kernel::{PermissionInfo, TenancyMode};
use utoipa::openapi::{HttpMethod, OpenApi, ResponseBuilder};

pub(crate) use super::response::{ApiResponse, Created, CreatedWithoutUrl, Json, NoContent};
use super::{
    access::{self, AccessType},
    api_docs::{self, AccessClass, OperationDoc},
    extract::{InjectedService, check_unread, read_body},
    middleware::request_module,
    problem::{
        Problem,
        types::{BODY_TIMEOUT, BODY_TOO_LARGE, INTERNAL, MALFORMED, UNSUPPORTED_MEDIA_TYPE},
    },
};

/// A summary of a route, as printed by `tenantry routes` and listed in the module documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteInfo {
    /// The method in upper case. `GET` includes `HEAD`.
    pub method: String,
    /// The path, with the placeholder `{id}`.
    pub path: &'static str,
    /// Who may call it: `public`, `signed-in`, `member` or `permission`.
    pub class: &'static str,
    /// The required permission, if any.
    pub permission: Option<&'static PermissionInfo>,
    /// One-line description.
    pub summary: String,
    /// The services that the handler injects, without `dyn`, for example `Members`.
    pub services: Vec<&'static str>,
}

/// A handler's arguments: an access type, then services. They are extracted in this order, so nothing else of a request
/// is read before its caller has been admitted. actix would poll the extractors concurrently.
#[diagnostic::on_unimplemented(
    message = "a handler's arguments must be an access type followed by up to three services, not `{Self}`",
    label = "has other arguments",
    note = "`async fn handler(access: Authorized<Access<P>, Body<T>>, members: Inject<dyn Members>)`"
)]
pub(crate) trait HandlerArgs: Sized + 'static {
    /// Whether the handler reads the query string.
    const READS_QUERY: bool;
    /// Returns the class of callers that the handler admits.
    fn class() -> AccessClass;
    /// Adds the arguments to the API documentation.
    fn describe(doc: &mut OperationDoc);
    /// Extracts the arguments.
    async fn extract(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem>;
}

macro_rules! impl_handler_args {
    ($($service:ident),*) => {
        impl<G: AccessType, $($service: InjectedService),*> HandlerArgs for (G, $($service,)*) {
            const READS_QUERY: bool = G::READS_QUERY;

            fn class() -> AccessClass {
                G::CLASS
            }

            fn describe(doc: &mut OperationDoc) {
                G::describe(doc);
                doc.services = vec![$($service::NAME),*];
            }

            async fn extract(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem> {
                let module = request_module(request)?;
                Ok((G::admit(&module, request, payload).await?, $($service::inject(&module),)*))
            }
        }
    };
}
impl_handler_args!();
impl_handler_args!(A);
impl_handler_args!(A, B);
impl_handler_args!(A, B, C);

/// Maximum number of times a read is decided, if the caller's permissions change meanwhile. Other requests are decided
/// once.
const MAX_ATTEMPTS: usize = 5;

/// The outcome of [`check_unread`], which takes the body and therefore runs once.
enum UnreadInput {
    Unchecked,
    Accepted,
    /// Contains the problem if an attempt that returned it was discarded; a later attempt returns it.
    Rejected(Option<Problem>),
}

/// Extracts the arguments and runs the handler.
async fn respond<F, A>(
    handler: &F,
    request: &HttpRequest,
    payload: &mut Payload,
    unread: &mut UnreadInput,
) -> Result<F::Output, Problem>
where
    F: Handler<A>,
    A: HandlerArgs,
{
    let args = A::extract(request, payload).await?;
    if let UnreadInput::Rejected(problem) = unread
        && let Some(problem) = problem.take()
    {
        return Err(problem);
    }
    if matches!(unread, UnreadInput::Unchecked) {
        let checked = check_unread(request, payload, A::READS_QUERY).await;
        *unread = if checked.is_ok() { UnreadInput::Accepted } else { UnreadInput::Rejected(None) };
        checked?;
    }
    Ok(handler.call(args).await)
}

const GET_OR_HEAD: &str = "GET, HEAD";

fn get_or_head() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// Combines the routes of a path. Other methods than the allowed ones get 405.
fn resource(path: &str, routes: impl Iterator<Item = Route>, allowed: String) -> Resource {
    routes.fold(web::resource(path), Resource::route).default_service(web::to(move || {
        let problem = Problem::method_not_allowed(&allowed);
        async move { Err::<HttpResponse, _>(problem) }
    }))
}

/// Creates the resource of a public page without a handler, for GET and HEAD. The query string is ignored, since mail
/// services and caches add parameters to links.
pub(super) fn page<R>(path: &str, respond: R) -> Resource
where
    R: Fn(&HttpRequest) -> Result<HttpResponse, Problem> + Clone + 'static,
{
    let route = get_or_head().to(move |request: HttpRequest, payload: web::Payload| {
        let respond = respond.clone();
        async move {
            read_body(&request, &mut payload.into_inner()).await?;
            respond(&request)
        }
    });
    resource(path, iter::once(route), GET_OR_HEAD.to_owned())
}

/// Creates a route. actix needs one instance per worker thread.
type RouteFactory = Box<dyn Fn() -> Route + Send + Sync>;

/// All routes with their API documentation.
pub(crate) struct Routes {
    /// Determines how the tenant parameter is documented.
    tenancy: TenancyMode,
    /// By path: the handler's methods, as in the `Allow` header, and its route factory.
    by_path: BTreeMap<&'static str, Vec<(&'static str, RouteFactory)>>,
    operations: Vec<(&'static str, HttpMethod, OperationDoc)>,
    /// Summaries of the same operations.
    infos: Vec<RouteInfo>,
}

impl Routes {
    pub(crate) fn new(tenancy: &TenancyMode) -> Self {
        Self { tenancy: tenancy.clone(), by_path: BTreeMap::new(), operations: Vec::new(), infos: Vec::new() }
    }

    /// Registers a handler for GET and HEAD.
    pub(crate) fn get<F, A>(&mut self, path: &'static str, summary: &str, handler: F) -> &mut OperationDoc
    where
        F: Handler<A, Output: ApiResponse> + Send + Sync,
        A: HandlerArgs,
    {
        self.add(HttpMethod::Get, GET_OR_HEAD, get_or_head, path, summary, handler)
    }

    /// Registers a handler for POST.
    pub(crate) fn post<F, A>(&mut self, path: &'static str, summary: &str, handler: F) -> &mut OperationDoc
    where
        F: Handler<A, Output: ApiResponse> + Send + Sync,
        A: HandlerArgs,
    {
        self.add(HttpMethod::Post, "POST", web::post, path, summary, handler)
    }

    /// Registers a handler for PATCH. Absent fields of the body are left unchanged.
    pub(crate) fn patch<F, A>(&mut self, path: &'static str, summary: &str, handler: F) -> &mut OperationDoc
    where
        F: Handler<A, Output: ApiResponse> + Send + Sync,
        A: HandlerArgs,
    {
        self.add(HttpMethod::Patch, "PATCH", web::patch, path, summary, handler)
    }

    /// Registers a handler for DELETE.
    pub(crate) fn delete<F, A>(&mut self, path: &'static str, summary: &str, handler: F) -> &mut OperationDoc
    where
        F: Handler<A, Output: ApiResponse> + Send + Sync,
        A: HandlerArgs,
    {
        self.add(HttpMethod::Delete, "DELETE", web::delete, path, summary, handler)
    }

    /// Documents a public page that is served without a handler.
    pub(crate) fn page(&mut self, path: &'static str, summary: &str) -> &mut OperationDoc {
        let mut doc = OperationDoc::default();
        doc.edit(|operation| operation.response("200", ResponseBuilder::new().description("OK")));
        self.describe(HttpMethod::Get, path, summary, AccessClass::Public, doc)
    }

    fn add<F, A>(
        &mut self,
        method: HttpMethod,
        allow: &'static str,
        route: fn() -> Route,
        path: &'static str,
        summary: &str,
        handler: F,
    ) -> &mut OperationDoc
    where
        F: Handler<A, Output: ApiResponse> + Send + Sync,
        A: HandlerArgs,
    {
        let factory: RouteFactory = Box::new(move || {
            let handler = handler.clone();
            route().to(move |request: HttpRequest, payload: web::Payload| {
                let handler = handler.clone();
                async move {
                    let mut payload = payload.into_inner();
                    let module = request_module(&request)?;
                    let mut unread = UnreadInput::Unchecked;
                    for _ in 0..MAX_ATTEMPTS {
                        let response = respond::<F, A>(&handler, &request, &mut payload, &mut unread).await;
                        if access::is_current(&module).await? {
                            return response;
                        }
                        if let (UnreadInput::Rejected(problem @ None), Err(kept)) = (&mut unread, response) {
                            *problem = Some(kept);
                        }
                    }
                    Err(DbError::AdmissionOutdated.into())
                }
            })
        });
        self.by_path.entry(path).or_default().push((allow, factory));
        let mut doc = OperationDoc::default();
        A::describe(&mut doc);
        F::Output::describe(&mut doc);
        doc.problems(&[INTERNAL]);
        self.describe(method, path, summary, A::class(), doc)
    }

    fn describe(
        &mut self,
        method: HttpMethod,
        path: &'static str,
        summary: &str,
        class: AccessClass,
        mut doc: OperationDoc,
    ) -> &mut OperationDoc {
        let verb = match method {
            HttpMethod::Get => "get",
            HttpMethod::Patch => "patch",
            HttpMethod::Delete => "delete",
            _ => "post",
        };
        let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty() && *word != "v1");
        let words: Vec<&str> = words.collect();
        let id = format!("{verb}_{}", words.join("_"));
        let tag = words.first().copied().unwrap_or_default();
        // Each route waits for the whole request and rejects what it doesn't read.
        doc.problems(&[MALFORMED, BODY_TIMEOUT, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE]);
        doc.access_class(class, &self.tenancy);
        doc.edit(|operation| operation.summary(Some(summary)).operation_id(Some(id)).tag(tag));
        self.infos.push(RouteInfo {
            method: verb.to_ascii_uppercase(),
            path,
            class: class.name(),
            permission: class.permission(),
            summary: summary.to_owned(),
            services: doc.services.iter().map(|name| name.trim_start_matches("dyn ")).collect(),
        });
        self.operations.push((path, method, doc));
        let last = self.operations.len() - 1;
        &mut self.operations[last].2
    }

    /// Adds the routes to the application of a worker thread.
    pub(crate) fn configure(&self, config: &mut web::ServiceConfig) {
        for (path, handlers) in &self.by_path {
            let allowed = handlers.iter().map(|(allow, _)| *allow).collect::<Vec<_>>().join(", ");
            config.service(resource(path, handlers.iter().map(|(_, factory)| factory()), allowed));
        }
    }

    /// Returns a summary of each route, in registration order.
    pub(crate) fn infos(self) -> Vec<RouteInfo> {
        self.infos
    }

    /// Returns the OpenAPI document.
    pub(crate) fn openapi(self) -> OpenApi {
        api_docs::document(self.operations, &self.tenancy)
    }
}
