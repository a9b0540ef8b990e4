//! Every error that leaves the program: RFC 9457 problem details, made here alone.
//!
//! Which error belongs where: the modules' errors are enums in their own words; a guard, an extractor or a handler
//! turns them into a [`Problem`] with `?`, by the `From`s in `problem/from_errors.rs`. A problem's `type` is stable, and clients may rely on
//! it; its words may change. Causes are logged by the request's middleware and never sent. Nothing echoes input, and
//! the request's id is in the `X-Request-Id` header alone, so that two answers about the same thing are the same bytes.

mod from_errors;
mod from_scope_error;

use std::{borrow::Cow, error::Error, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{ALLOW, HeaderName},
    },
};
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of every error.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// What is sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// Names the kind of problem; stable.
    #[schema(example = "urn:tenantry:problem:permission-missing")]
    r#type: String,
    /// The kind of problem, for people.
    title: &'static str,
    /// The HTTP status, once more.
    #[schema(example = 403)]
    status: u16,
    /// What happened, and what to do.
    detail: Cow<'static, str>,
    /// The permission that is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<Cow<'static, str>>,
    /// The places in the body that don't fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

/// A place in the body that doesn't fit.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Where: a JSON pointer (RFC 6901).
    #[schema(example = "/checks/0/permission")]
    pub(crate) pointer: String,
    /// What would fit.
    pub(crate) detail: &'static str,
}

/// A kind of problem: status, the end of its `type`, title.
type ProblemType = (StatusCode, &'static str, &'static str);

const MALFORMED: ProblemType = (StatusCode::BAD_REQUEST, "malformed-request", "Malformed request");
const NOT_FOUND: ProblemType = (StatusCode::NOT_FOUND, "not-found", "Not found");
const METHOD_NOT_ALLOWED: ProblemType = (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed");
const BODY_TOO_LARGE: ProblemType = (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large");
const UNSUPPORTED_MEDIA_TYPE: ProblemType = (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type");
const INVALID_BODY: ProblemType = (StatusCode::UNPROCESSABLE_ENTITY, "invalid-body", "Invalid body");
const INTERNAL: ProblemType = (StatusCode::INTERNAL_SERVER_ERROR, "internal-error", "Internal error");
const UNAVAILABLE: ProblemType = (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Unavailable");

/// An error on its way out. Boxed: every handler's result has room for one.
#[derive(Debug)]
pub(crate) struct Problem(Box<Parts>);

#[derive(Debug)]
struct Parts {
    kind: ProblemType,
    detail: Cow<'static, str>,
    permission: Option<Cow<'static, str>>,
    errors: Vec<FieldError>,
    header: Option<(HeaderName, String)>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Problem {
    fn new(kind: ProblemType, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = detail.into();
        Self(Box::new(Parts { kind, detail, permission: None, errors: Vec::new(), header: None, cause: None }))
    }

    /// Names the one place that it is about.
    fn with_field_error(mut self, pointer: &str, detail: &'static str) -> Self {
        self.0.errors = vec![FieldError { pointer: pointer.into(), detail }];
        self
    }

    fn with_header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.0.header = Some((name, value.into()));
        self
    }

    fn with_source(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// The request can't be understood.
    pub(crate) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(MALFORMED, detail)
    }

    /// There is no such route.
    pub(crate) fn route_not_found() -> Self {
        Self::new(NOT_FOUND, "There is nothing at this address. GET /openapi.json lists what there is.")
    }

    /// There is no such thing in this tenant: the same words for all things.
    pub(crate) fn not_found() -> Self {
        Self::new(NOT_FOUND, "There is no such thing in this tenant.")
    }

    /// The route has other methods.
    pub(crate) fn method_not_allowed(allowed: &str) -> Self {
        Self::new(METHOD_NOT_ALLOWED, format!("This address takes {allowed} only.")).with_header(ALLOW, allowed)
    }

    /// The body is larger than `limit` bytes.
    pub(crate) fn body_too_large(limit: usize) -> Self {
        Self::new(BODY_TOO_LARGE, format!("The body may have at most {limit} bytes."))
    }

    /// The body isn't declared as JSON.
    pub(crate) fn unsupported_media_type() -> Self {
        Self::new(UNSUPPORTED_MEDIA_TYPE, "The body must be JSON, with the header Content-Type: application/json.")
    }

    /// The body is JSON, and doesn't fit.
    pub(crate) fn unprocessable(errors: Vec<FieldError>) -> Self {
        let mut problem = Self::new(INVALID_BODY, "The body doesn't fit. `errors` names the places.");
        problem.0.errors = errors;
        problem
    }

    /// The body is JSON, and one place in it doesn't fit.
    pub(crate) fn unprocessable_at(pointer: &str, detail: &'static str) -> Self {
        Self::unprocessable(Vec::new()).with_field_error(pointer, detail)
    }

    /// The body is JSON, and says nothing.
    pub(crate) fn empty_patch() -> Self {
        Self::unprocessable_at("", "Give at least one of the fields.")
    }

    /// What the framework refused by itself, in our form.
    pub(crate) fn from_framework(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::route_not_found(),
            StatusCode::METHOD_NOT_ALLOWED => Self::new(METHOD_NOT_ALLOWED, "This address doesn't take this method."),
            status if status.is_client_error() => Self::malformed("The request can't be understood."),
            status => Self::internal(format!("the framework answered {status}")),
        }
    }

    /// Something that can't happen did.
    pub(crate) fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let detail = "This is our fault. The X-Request-Id of this answer leads to the cause in the logs.";
        Self::new(INTERNAL, detail).with_source(cause)
    }

    fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let detail = "The service can't reach its database just now. Try again in a moment.";
        Self::new(UNAVAILABLE, detail).with_source(cause)
    }

    /// What is behind it, for the logs.
    pub(crate) fn source(&self) -> Option<&(dyn Error + Send + Sync)> {
        self.0.cause.as_deref()
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        Self::unprocessable(vec![error])
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.kind.1, self.0.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.kind.0
    }

    fn error_response(&self) -> HttpResponse {
        let Parts { kind: (status, kind, title), detail, permission, errors, header, .. } = &*self.0;
        let mut response = HttpResponse::build(*status);
        response.content_type(PROBLEM_JSON);
        if let Some((name, value)) = header {
            response.insert_header((name.clone(), value.as_str()));
        }
        let body = ProblemBody {
            r#type: format!("urn:tenantry:problem:{kind}"),
            title,
            status: status.as_u16(),
            detail: detail.clone(),
            permission: permission.clone(),
            errors: errors.clone(),
        };
        // Not `json`, which would set another content type.
        response.body(serde_json::to_string(&body).unwrap_or_default())
    }
}
