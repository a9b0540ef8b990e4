//! What handlers answer. None of it can be taken as a parameter.

use actix_web::{HttpRequest, HttpResponse, Responder, body::BoxBody, http::header::LOCATION};
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{
        HeaderBuilder, ResponseBuilder,
        schema::{ObjectBuilder, Type},
    },
};

use super::OperationDoc;
use crate::http::problem::Problem;

/// A JSON answer.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize> Responder for Json<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().json(self.0)
    }
}

/// Something new, and where it is.
pub(crate) struct Created<T> {
    pub(crate) location: &'static str,
    pub(crate) body: T,
}

impl<T: Serialize> Responder for Created<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Created().insert_header((LOCATION, self.location)).json(self.body)
    }
}

/// Done, and there is nothing to say about it.
pub(crate) struct NoContent;

impl Responder for NoContent {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::NoContent().finish()
    }
}

/// What a handler answers.
#[diagnostic::on_unimplemented(
    message = "a handler can't answer with `{Self}`",
    label = "answers with something else",
    note = "a handler answers with `Result<Json<T>, Problem>`, `Result<Created<T>, Problem>` or `Result<NoContent, Problem>`, \
            where `T` is `Serialize` and `ToSchema`"
)]
pub(crate) trait ApiResponse: Responder + 'static {
    /// The documentation of what it gives.
    fn describe(doc: &mut OperationDoc);
}

impl<T: Serialize + ToSchema + 'static> ApiResponse for Result<Json<T>, Problem> {
    fn describe(doc: &mut OperationDoc) {
        doc.response::<T>("200", ResponseBuilder::new().description("Done"));
    }
}

impl<T: Serialize + ToSchema + 'static> ApiResponse for Result<Created<T>, Problem> {
    fn describe(doc: &mut OperationDoc) {
        let location = HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String)));
        let location = location.description(Some("Where it is")).build();
        doc.response::<T>("201", ResponseBuilder::new().description("Made").header("Location", location));
    }
}

impl ApiResponse for Result<NoContent, Problem> {
    fn describe(doc: &mut OperationDoc) {
        doc.edit(|operation| operation.response("204", ResponseBuilder::new().description("Done")));
    }
}
