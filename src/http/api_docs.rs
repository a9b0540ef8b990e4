//! The OpenAPI document. Each operation is generated from the types of its handler, so the two can't disagree.

use std::collections::BTreeMap;

use kernel::{PermissionInfo, TenancyMode};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{
        ComponentsBuilder, Content, HttpMethod, InfoBuilder, KnownFormat, OpenApi, OpenApiBuilder, PathsBuilder, Ref,
        RefOr, Required, ResponseBuilder, Schema, SchemaFormat,
        extensions::ExtensionsBuilder,
        path::{OperationBuilder, ParameterBuilder, ParameterIn, PathItem},
        request_body::RequestBodyBuilder,
        schema::{ArrayItems, ObjectBuilder, SchemaType, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{
    problem::{
        PROBLEM_JSON, PROBLEM_TYPES, ProblemBody, ProblemType,
        types::{
            INVALID_BODY, NOT_FOUND, PERMISSION_MISSING, TENANT_HEADER_NOT_ALLOWED, TENANT_NOT_FOUND, TENANT_REQUIRED,
            UNAUTHENTICATED, UNAVAILABLE,
        },
    },
    requested_tenant::{TENANT_HEADER, selection_hint},
};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccessClass {
    Public,
    SignedIn,
    Member,
    Permission(&'static PermissionInfo),
}

impl AccessClass {
    /// Returns the name in the API documentation.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::SignedIn => "signed-in",
            Self::Member => "member",
            Self::Permission(_) => "permission",
        }
    }

    /// Returns the required permission, if any.
    pub(crate) fn permission(self) -> Option<&'static PermissionInfo> {
        match self {
            Self::Permission(permission) => Some(permission),
            Self::Public | Self::SignedIn | Self::Member => None,
        }
    }
}

/// The OpenAPI operation of a route under construction.
#[derive(Default)]
pub(crate) struct OperationDoc {
    operation: OperationBuilder,
    schemas: Vec<(String, RefOr<Schema>)>,
    problems: Vec<ProblemType>,
    /// The services that the handler injects.
    pub(crate) services: Vec<&'static str>,
}

impl OperationDoc {
    fn schema<T: ToSchema>(&mut self) -> Ref {
        self.schemas.push((T::name().into(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(T::name())
    }

    pub(crate) fn edit(&mut self, change: impl FnOnce(OperationBuilder) -> OperationBuilder) {
        self.operation = change(std::mem::take(&mut self.operation));
    }

    /// Adds a JSON request body.
    pub(crate) fn body<T: ToSchema>(&mut self) {
        let first = self.schemas.len();
        let content = Content::new(Some(self.schema::<T>()));
        self.schemas[first..].iter_mut().for_each(|(_, schema)| exclude_control_characters(schema));
        let body = RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True));
        self.edit(|operation| operation.request_body(Some(body.build())));
        self.problems(&[INVALID_BODY]);
    }

    /// Adds query parameters.
    pub(crate) fn query<T: IntoParams>(&mut self) {
        let parameters = T::into_params(|| Some(ParameterIn::Query));
        self.edit(|operation| operation.parameters(Some(parameters)));
    }

    /// Adds the path parameter `{id}`.
    pub(crate) fn path_id(&mut self) {
        let uuid = SchemaFormat::KnownFormat(KnownFormat::Uuid);
        let schema = ObjectBuilder::new().schema_type(Type::String).format(Some(uuid));
        let id = ParameterBuilder::new().name("id").parameter_in(ParameterIn::Path).required(Required::True);
        self.edit(|operation| operation.parameter(id.schema(Some(schema))));
        self.problems(&[NOT_FOUND]);
    }

    /// Adds a successful response with a JSON body.
    pub(crate) fn response<T: ToSchema>(&mut self, status: &str, response: ResponseBuilder) {
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

    /// Adds possible problems.
    pub(crate) fn problems(&mut self, problems: &[ProblemType]) -> &mut Self {
        self.problems.extend(problems);
        self
    }

    /// Adds the requirements for callers, and the problems of callers who don't meet them.
    pub(crate) fn access_class(&mut self, class: AccessClass, tenancy: &TenancyMode) {
        let mut extensions = ExtensionsBuilder::new().add("x-access-class", class.name());
        if let Some(permission) = class.permission() {
            extensions = extensions.add("x-permission", permission.name);
            self.problems(&[PERMISSION_MISSING]);
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

    fn tenant_selection(&mut self, tenancy: &TenancyMode) {
        self.problems(&[TENANT_NOT_FOUND]);
        if matches!(tenancy, TenancyMode::Organization(_)) {
            self.problems(&[TENANT_REQUIRED]);
        }
        if tenancy.reads_header() {
            let required = if tenancy.sources().len() == 1 { Required::True } else { Required::False };
            let tenant = ParameterBuilder::new().name(TENANT_HEADER).parameter_in(ParameterIn::Header);
            let tenant = tenant.required(required).description(Some("Slug or id of the tenant"));
            let schema = ObjectBuilder::new().schema_type(Type::String);
            self.edit(|operation| operation.parameter(tenant.schema(Some(schema)).example(Some("acme".into()))));
        } else {
            self.problems(&[TENANT_HEADER_NOT_ALLOWED]);
        }
    }

    fn build(mut self) -> (OperationBuilder, Vec<(String, RefOr<Schema>)>) {
        let mut by_status = BTreeMap::<u16, Vec<String>>::new();
        for problem in PROBLEM_TYPES.iter().filter(|problem| self.problems.contains(problem)) {
            let ProblemType { status, name, about, .. } = problem;
            by_status.entry(status.as_u16()).or_default().push(format!("`{name}`: {about}"));
        }
        for (status, problems) in by_status {
            let content = Content::new(Some(self.schema::<ProblemBody>()));
            let response = ResponseBuilder::new().description(problems.join("\n\n")).content(PROBLEM_JSON, content);
            self.edit(|operation| operation.response(status.to_string(), response));
        }
        (self.operation, self.schemas)
    }
}

/// Documents that the reader of bodies rejects control characters in strings.
fn exclude_control_characters(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            let is_string = match &object.schema_type {
                SchemaType::Type(one) => *one == Type::String,
                SchemaType::Array(several) => several.contains(&Type::String),
                SchemaType::AnyValue => false,
            };
            if is_string && object.format.is_none() && object.enum_values.is_none() && object.pattern.is_none() {
                object.pattern = Some(r"^[^\u0000-\u001f\u007f-\u009f]*$".into());
            }
            object.properties.values_mut().for_each(exclude_control_characters);
        }
        RefOr::T(Schema::Array(array)) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                exclude_control_characters(items);
            }
        }
        _ => {}
    }
}

/// Builds the document from the operations of all routes.
pub(crate) fn document(operations: Vec<(&str, HttpMethod, OperationDoc)>, tenancy: &TenancyMode) -> OpenApi {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    let bearer = bearer.description(Some("The access_token of POST /v1/auth/login")).build();
    let mut components = ComponentsBuilder::new().security_scheme("bearer", SecurityScheme::Http(bearer));
    let mut paths = PathsBuilder::new();
    for (path, method, doc) in operations {
        let (operation, schemas) = doc.build();
        for (name, schema) in schemas {
            components = components.schema(name, schema);
        }
        paths = paths.path(path, PathItem::new(method, operation));
    }
    let info = InfoBuilder::new().title("tenantry").version(env!("CARGO_PKG_VERSION")).description(Some(format!(
        "To try the API here, sign in with `POST /v1/auth/login`, copy `access_token` from the response and paste it \
         under *Authorize*. {} GET /v1/me lists your tenants. Every error response is a problem (RFC 9457).",
        selection_hint(tenancy)
    )));
    OpenApiBuilder::new().info(info).paths(paths.build()).components(Some(components.build())).build()
}
