//! Registers handlers. A handler's OpenAPI operation is generated from its types, so the two can't disagree.

mod response;
mod route_info;
mod tenant_docs;

use std::collections::BTreeMap;

use actix_web::{FromRequest, Handler, HttpResponse, Route, guard, web};
use kernel::contracts::TenancyMode;
pub(crate) use response::{ApiResponse, Created, CreatedWithoutUrl, Json, NoContent};
pub use route_info::RouteInfo;
use utoipa::{
    IntoParams, ToSchema,
    openapi::{
        self, ComponentsBuilder, Content, HttpMethod, InfoBuilder, OpenApi, OpenApiBuilder, Paths, PathsBuilder, Ref,
        RefOr, Required, ResponseBuilder, Schema,
        path::{OperationBuilder, ParameterBuilder, ParameterIn, PathItem},
        request_body::RequestBodyBuilder,
        schema::{ObjectBuilder, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{
    access::{AccessClass, AccessType},
    extract::Inject,
    module::HandlerService,
    problem::{PROBLEM_JSON, Problem, ProblemBody},
};

/// A handler's arguments: an access type, then services.
#[diagnostic::on_unimplemented(
    message = "a handler's arguments must be an access type followed by up to three services, not `{Self}`",
    label = "has other arguments",
    note = "`async fn handler(access: Authorized<Access<P>, Body<T>>, members: Inject<dyn Members>)`"
)]
pub(crate) trait HandlerArgs: FromRequest + 'static {
    /// Returns the class of callers that the handler admits.
    fn class() -> AccessClass;
    /// Adds the arguments to the API documentation.
    fn describe(doc: &mut OperationDoc);
}

/// An argument after the access type. [`HandlerArgs`] is implemented for this trait instead of for `Inject` to get the error
/// message below; otherwise rustc only reports mismatched function types.
#[diagnostic::on_unimplemented(
    message = "a handler's arguments after the access type must be services, but `{Self}` is not one",
    label = "not a service",
    note = "a service is `Inject<dyn X>`; combine a body, query or path id with the access type as in \
            `Authorized<Access<P>, Body<T>>`"
)]
pub(crate) trait InjectedService: FromRequest + 'static {
    /// The service's Rust type.
    const NAME: &'static str;
}

impl<S: HandlerService + ?Sized + 'static> InjectedService for Inject<S> {
    const NAME: &'static str = S::NAME;
}

macro_rules! impl_handler_args {
    ($($service:ident),*) => {
        impl<G: AccessType, $($service: InjectedService),*> HandlerArgs for (G, $($service,)*) {
            fn class() -> AccessClass {
                G::CLASS
            }

            fn describe(doc: &mut OperationDoc) {
                G::describe(doc);
                doc.services = vec![$($service::NAME),*];
            }
        }
    };
}
impl_handler_args!();
impl_handler_args!(A);
impl_handler_args!(A, B);
impl_handler_args!(A, B, C);

/// The OpenAPI operation of a route under construction.
#[derive(Default)]
pub(crate) struct OperationDoc {
    operation: OperationBuilder,
    schemas: Vec<(String, RefOr<Schema>)>,
    /// Descriptions of possible problems by status.
    problems: BTreeMap<u16, Vec<&'static str>>,
    /// The services that the handler injects.
    services: Vec<&'static str>,
}

impl OperationDoc {
    fn schema<T: ToSchema>(&mut self) -> Ref {
        self.schemas.push((T::name().into(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(T::name())
    }

    fn edit(&mut self, change: impl FnOnce(OperationBuilder) -> OperationBuilder) {
        self.operation = change(std::mem::take(&mut self.operation));
    }

    /// Adds a JSON request body.
    pub(crate) fn body<T: ToSchema>(&mut self) {
        let content = Content::new(Some(self.schema::<T>()));
        let body = RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True));
        self.edit(|operation| operation.request_body(Some(body.build())));
        self.problems(&[
            (400, "The body is not valid JSON"),
            (413, "The body is too large"),
            (415, "Unsupported media type"),
            (422, "The body is invalid"),
        ]);
    }

    /// Adds query parameters.
    pub(crate) fn query<T: IntoParams>(&mut self) {
        let parameters = T::into_params(|| Some(ParameterIn::Query));
        self.edit(|operation| operation.parameters(Some(parameters)));
        self.problems(&[(400, "Invalid query parameters")]);
    }

    /// Adds the path parameter `{id}`.
    pub(crate) fn path_id(&mut self) {
        let uuid = openapi::KnownFormat::Uuid;
        let schema =
            ObjectBuilder::new().schema_type(Type::String).format(Some(openapi::SchemaFormat::KnownFormat(uuid)));
        let id = ParameterBuilder::new().name("id").parameter_in(ParameterIn::Path).required(Required::True);
        self.edit(|operation| operation.parameter(id.schema(Some(schema))));
        self.problems(&[(400, "The id is not a UUID"), (404, "Not found in this tenant")]);
    }

    fn response<T: ToSchema>(&mut self, status: &str, response: ResponseBuilder) {
        let response = response.content("application/json", Content::new(Some(self.schema::<T>())));
        self.edit(|operation| operation.response(status, response));
    }

    /// Removes a field of `T` that this configuration rejects.
    pub(crate) fn omit_field<T: ToSchema>(&mut self, field: &str) {
        for (name, schema) in &mut self.schemas {
            if let (true, RefOr::T(Schema::Object(object))) = (*name == T::name(), schema) {
                object.properties.remove(field);
            }
        }
    }

    /// Adds possible problems, each with its status.
    pub(crate) fn problems(&mut self, problems: &[(u16, &'static str)]) -> &mut Self {
        for (status, description) in problems {
            self.problems.entry(*status).or_default().push(description);
        }
        self
    }

    fn build(mut self) -> (OperationBuilder, Vec<(String, RefOr<Schema>)>) {
        for (status, descriptions) in std::mem::take(&mut self.problems) {
            let content = Content::new(Some(self.schema::<ProblemBody>()));
            let response =
                ResponseBuilder::new().description(descriptions.join("; or: ")).content(PROBLEM_JSON, content);
            self.edit(|operation| operation.response(status.to_string(), response));
        }
        (self.operation, self.schemas)
    }

    fn access_class(&mut self, class: AccessClass, tenancy: &TenancyMode) {
        const UNAUTHENTICATED: (u16, &str) = (401, "Not signed in");
        const UNAVAILABLE: (u16, &str) = (503, "The database is unavailable");
        let (name, permission) = route_info::name_and_permission(class);
        let mut extensions = openapi::extensions::ExtensionsBuilder::new().add("x-access-class", name);
        if let Some(permission) = permission {
            extensions = extensions.add("x-permission", permission.name);
            self.problems(&[(403, "Permission denied")]);
        }
        if class != AccessClass::Public {
            let bearer: [&str; 0] = [];
            self.edit(|operation| operation.security(SecurityRequirement::new("bearer", bearer)));
            self.problems(&[UNAUTHENTICATED, UNAVAILABLE]);
        }
        if matches!(class, AccessClass::Member | AccessClass::Permission(_)) {
            self.tenant_selection(tenancy);
        }
        self.edit(|operation| operation.extensions(Some(extensions.build())));
    }
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
        F: Handler<A> + Send + Sync,
        A: HandlerArgs,
        F::Output: ApiResponse,
    {
        let get = || guard::Any(guard::Get()).or(guard::Head());
        let factory: RouteFactory = Box::new(move || web::route().guard(get()).to(handler.clone()));
        self.by_path.entry(path).or_default().push(("GET, HEAD", factory));
        self.document::<F, A>(HttpMethod::Get, path, summary)
    }

    /// Registers a handler for POST.
    pub(crate) fn post<F, A>(&mut self, path: &'static str, summary: &str, handler: F) -> &mut OperationDoc
    where
        F: Handler<A> + Send + Sync,
        A: HandlerArgs,
        F::Output: ApiResponse,
    {
        let factory: RouteFactory = Box::new(move || web::post().to(handler.clone()));
        self.by_path.entry(path).or_default().push(("POST", factory));
        self.document::<F, A>(HttpMethod::Post, path, summary)
    }

    /// Registers a handler for PATCH. Absent fields of the body are left unchanged.
    pub(crate) fn patch<F, A>(&mut self, path: &'static str, summary: &str, handler: F) -> &mut OperationDoc
    where
        F: Handler<A> + Send + Sync,
        A: HandlerArgs,
        F::Output: ApiResponse,
    {
        let factory: RouteFactory = Box::new(move || web::patch().to(handler.clone()));
        self.by_path.entry(path).or_default().push(("PATCH", factory));
        self.document::<F, A>(HttpMethod::Patch, path, summary)
    }

    /// Registers a handler for DELETE.
    pub(crate) fn delete<F, A>(&mut self, path: &'static str, summary: &str, handler: F) -> &mut OperationDoc
    where
        F: Handler<A> + Send + Sync,
        A: HandlerArgs,
        F::Output: ApiResponse,
    {
        let factory: RouteFactory = Box::new(move || web::delete().to(handler.clone()));
        self.by_path.entry(path).or_default().push(("DELETE", factory));
        self.document::<F, A>(HttpMethod::Delete, path, summary)
    }

    /// Documents a public page that is served without a handler.
    pub(crate) fn page(&mut self, path: &'static str, summary: &str) {
        let mut doc = OperationDoc::default();
        doc.edit(|operation| operation.response("200", ResponseBuilder::new().description("OK")));
        self.describe(HttpMethod::Get, path, summary, AccessClass::Public, doc);
    }

    fn document<F, A>(&mut self, method: HttpMethod, path: &'static str, summary: &str) -> &mut OperationDoc
    where
        F: Handler<A>,
        A: HandlerArgs,
        F::Output: ApiResponse,
    {
        let mut doc = OperationDoc::default();
        A::describe(&mut doc);
        F::Output::describe(&mut doc);
        doc.problems(&[(500, "Internal server error")]);
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
        doc.access_class(class, &self.tenancy);
        self.infos.push(RouteInfo::new(verb, path, class, summary, &doc.services));
        doc.edit(|operation| operation.summary(Some(summary)).operation_id(Some(id)).tag(tag));
        self.operations.push((path, method, doc));
        let last = self.operations.len() - 1;
        &mut self.operations[last].2
    }

    /// Adds the routes to the application of a worker thread.
    pub(crate) fn configure(&self, config: &mut web::ServiceConfig) {
        for (path, handlers) in &self.by_path {
            let resource =
                handlers.iter().fold(web::resource(*path), |resource, (_, factory)| resource.route(factory()));
            let allowed = handlers.iter().map(|(allow, _)| *allow).collect::<Vec<_>>().join(", ");
            config.service(resource.default_service(web::to(move || {
                let problem = Problem::method_not_allowed(&allowed);
                async move { Err::<HttpResponse, _>(problem) }
            })));
        }
    }

    /// Returns a summary of each route, in registration order.
    pub(crate) fn infos(self) -> Vec<RouteInfo> {
        self.infos
    }

    /// Returns the OpenAPI document.
    pub(crate) fn openapi(self) -> OpenApi {
        let mut components = ComponentsBuilder::new().security_scheme("bearer", bearer());
        let mut paths = PathsBuilder::new();
        for (path, method, doc) in self.operations {
            let (operation, schemas) = doc.build();
            for (name, schema) in schemas {
                components = components.schema(name, schema);
            }
            paths = paths.path(path, PathItem::new(method, operation));
        }
        document(paths.build(), components, &self.tenancy)
    }
}

fn bearer() -> SecurityScheme {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    SecurityScheme::Http(bearer.description(Some("The access_token of POST /v1/auth/login")).build())
}

fn document(paths: Paths, components: ComponentsBuilder, tenancy: &TenancyMode) -> OpenApi {
    let info = InfoBuilder::new().title("tenantry").version(env!("CARGO_PKG_VERSION"));
    let info = info.description(Some(tenant_docs::description(tenancy)));
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components.build())).build()
}
