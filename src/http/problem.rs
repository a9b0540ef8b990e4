//! Every error response: problem details (RFC 9457), created only here.
//!
//! The modules define error enums, which become a [`Problem`] with `?`. A handler file converts the errors of its
//! feature; `problem/shared.rs` converts those that occur in several. A problem's `type` is stable and clients may rely
//! on it; its texts may change. The middleware logs the source of a problem; it is never sent. Problems never
//! contain input, and the request id is only in the header `X-Request-Id`. So responses that must be indistinguishable
//! have the same bytes.

mod shared;
pub(crate) mod types;

use std::{borrow::Cow, error::Error, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{ALLOW, HeaderName, RETRY_AFTER},
    },
};
use serde::Serialize;
use utoipa::ToSchema;

pub use types::{PROBLEM_TYPES, ProblemType};

use types::{BODY_TOO_LARGE, INTERNAL, INVALID_BODY, MALFORMED, METHOD_NOT_ALLOWED, NOT_FOUND, UNAVAILABLE};

/// The media type of error responses.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Seconds after which a client may repeat a request that was answered with 503.
const RETRY_AFTER_SECS: u32 = 2;

/// Body of an error response.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// Identifies the type of problem. Stable.
    #[schema(example = "urn:tenantry:problem:permission-missing")]
    r#type: String,
    /// Short description of the type of problem.
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 403)]
    status: u16,
    /// What happened and what to do.
    detail: Cow<'static, str>,
    /// The missing permission.
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<Cow<'static, str>>,
    /// Errors in the request body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

/// An error in the request body.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// JSON pointer (RFC 6901) to the invalid value.
    #[schema(example = "/checks/0/permission")]
    pub(crate) pointer: String,
    /// What is wrong, or which values are valid.
    pub(crate) detail: Cow<'static, str>,
}

/// An error response. Boxed to keep the `Result` of every handler small.
#[derive(Debug)]
pub(crate) struct Problem(Box<Parts>);

#[derive(Debug)]
struct Parts {
    problem_type: ProblemType,
    body: ProblemBody,
    header: Option<(HeaderName, String)>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Problem {
    pub(crate) fn new(problem_type: ProblemType, detail: impl Into<Cow<'static, str>>) -> Self {
        let body = ProblemBody {
            r#type: format!("urn:tenantry:problem:{}", problem_type.name),
            title: problem_type.title,
            status: problem_type.status.as_u16(),
            detail: detail.into(),
            permission: None,
            errors: Vec::new(),
        };
        Self(Box::new(Parts { problem_type, body, header: None, source: None }))
    }

    pub(crate) fn with_permission(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.0.body.permission = Some(name.into());
        self
    }

    /// Sets `errors` to one error.
    pub(crate) fn with_field_error(mut self, pointer: &str, detail: &'static str) -> Self {
        self.0.body.errors = vec![FieldError { pointer: pointer.into(), detail: detail.into() }];
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.0.header = Some((name, value.into()));
        self
    }

    fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The request can't be parsed.
    pub(crate) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(MALFORMED, detail)
    }

    /// No route has this path.
    pub(crate) fn route_not_found() -> Self {
        Self::new(NOT_FOUND, "No route has this path. GET /openapi.json lists all routes.")
    }

    /// The tenant has no such resource. The text is the same for all resources.
    pub(crate) fn not_found() -> Self {
        Self::new(NOT_FOUND, "Not found in this tenant.")
    }

    /// The route has no handler for this method.
    pub(crate) fn method_not_allowed(allowed: &str) -> Self {
        Self::new(METHOD_NOT_ALLOWED, format!("This route only allows {allowed}.")).with_header(ALLOW, allowed)
    }

    /// The body is larger than `limit` bytes.
    pub(crate) fn body_too_large(limit: usize) -> Self {
        Self::new(BODY_TOO_LARGE, format!("The body exceeds the limit of {limit} bytes."))
    }

    /// The body is JSON with invalid content.
    pub(crate) fn invalid_body(errors: impl IntoIterator<Item = FieldError>) -> Self {
        let mut problem = Self::new(INVALID_BODY, "The body is invalid. See `errors`.");
        problem.0.body.errors = errors.into_iter().collect();
        problem
    }

    /// The body is JSON with one invalid value.
    pub(crate) fn invalid_body_at(pointer: &str, detail: &'static str) -> Self {
        Self::invalid_body([FieldError { pointer: pointer.into(), detail: detail.into() }])
    }

    /// The body of a PATCH has no fields.
    pub(crate) fn empty_patch() -> Self {
        Self::invalid_body_at("", "At least one field is required.")
    }

    /// Converts an error response of actix itself.
    pub(crate) fn from_framework(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::route_not_found(),
            StatusCode::METHOD_NOT_ALLOWED => Self::new(METHOD_NOT_ALLOWED, "This route does not allow this method."),
            status if status.is_client_error() => Self::malformed("The request can't be parsed."),
            status => Self::internal(format!("actix responded with {status}")),
        }
    }

    /// An unexpected error, which is a bug.
    pub(crate) fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::from(INTERNAL).with_source(source)
    }

    pub(crate) fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let detail = "The database is unavailable. Try again in a moment.";
        Self::new(UNAVAILABLE, detail).with_source(source)
    }

    /// Returns the name of the type, and the missing permission, if the caller wasn't permitted to do it.
    pub(crate) fn denial(&self) -> Option<(&'static str, Option<&str>)> {
        let Parts { problem_type, body, .. } = &*self.0;
        (problem_type.status == StatusCode::FORBIDDEN).then_some((problem_type.name, body.permission.as_deref()))
    }

    /// Returns the underlying error, for the logs.
    pub(crate) fn source(&self) -> Option<&(dyn Error + Send + Sync)> {
        self.0.source.as_deref()
    }
}

impl From<ProblemType> for Problem {
    fn from(problem_type: ProblemType) -> Self {
        Self::new(problem_type, problem_type.about)
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        Self::invalid_body([error])
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.problem_type.name, self.0.body.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.problem_type.status
    }

    fn error_response(&self) -> HttpResponse {
        let Parts { problem_type, body, header, .. } = &*self.0;
        let mut response = HttpResponse::build(problem_type.status);
        response.content_type(PROBLEM_JSON);
        if let Some((name, value)) = header {
            response.insert_header((name.clone(), value.as_str()));
        }
        if problem_type.status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, RETRY_AFTER_SECS));
        }
        // `HttpResponseBuilder::json` would replace the content type.
        response.body(serde_json::to_string(body).unwrap_or_default())
    }
}
