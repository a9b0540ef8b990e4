//! Handler responses. Unlike actix's `Json`, none of them is also an extractor.

use actix_web::{HttpRequest, HttpResponse, Responder, body::BoxBody, http::header::LOCATION};
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{
        HeaderBuilder, ResponseBuilder,
        schema::{ObjectBuilder, Type},
    },
};

use super::{api_docs::OperationDoc, problem::Problem};

/// A JSON response with status 200.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize> Responder for Json<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().json(self.0)
    }
}

/// A JSON response with status 201 and the URL of the created resource.
pub(crate) struct Created<T> {
    /// The path of the created resource, for GET.
    pub(crate) location: String,
    pub(crate) body: T,
}

impl<T: Serialize> Responder for Created<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Created().insert_header((LOCATION, self.location)).json(self.body)
    }
}

/// A JSON response with status 201 for a resource that no GET route returns, so there is no URL for `Location`.
pub(crate) struct CreatedWithoutUrl<T>(pub(crate) T);

impl<T: Serialize> Responder for CreatedWithoutUrl<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Created().json(self.0)
    }
}

/// A response with status 204.
pub(crate) struct NoContent;

impl Responder for NoContent {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::NoContent().finish()
    }
}

/// The return type of a handler.
#[diagnostic::on_unimplemented(
    message = "a handler can't return `{Self}`",
    label = "not an API response",
    note = "return `Result<R, Problem>`, where `R` is `Json<T>`, `Created<T>`, `CreatedWithoutUrl<T>` or `NoContent`, \
            and `T` is `Serialize` and `ToSchema`"
)]
pub(crate) trait ApiResponse: Responder + 'static {
    /// Adds the response to the API documentation.
    fn describe(doc: &mut OperationDoc);
}

impl<T: Serialize + ToSchema + 'static> ApiResponse for Result<Json<T>, Problem> {
    fn describe(doc: &mut OperationDoc) {
        doc.response::<T>("200", ResponseBuilder::new().description("OK"));
    }
}

impl<T: Serialize + ToSchema + 'static> ApiResponse for Result<Created<T>, Problem> {
    fn describe(doc: &mut OperationDoc) {
        let location = HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String)));
        let location = location.description(Some("Path of the created resource")).build();
        doc.response::<T>("201", ResponseBuilder::new().description("Created").header("Location", location));
    }
}

impl<T: Serialize + ToSchema + 'static> ApiResponse for Result<CreatedWithoutUrl<T>, Problem> {
    fn describe(doc: &mut OperationDoc) {
        doc.response::<T>("201", ResponseBuilder::new().description("Created"));
    }
}

impl ApiResponse for Result<NoContent, Problem> {
    fn describe(doc: &mut OperationDoc) {
        doc.edit(|operation| operation.response("204", ResponseBuilder::new().description("No content")));
    }
}
