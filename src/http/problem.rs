//! Every error that leaves the program: RFC 9457 problem details, made here alone.
//!
//! Which error belongs where: the modules' errors are enums in their own words; a guard, an extractor or a handler
//! turns them into a [`Problem`] with `?`, by the `From`s below. A problem's `type` is stable, and clients may rely on
//! it; its words may change. Causes are logged by the request's middleware and never sent. Nothing echoes input, and
//! the request's id is in the `X-Request-Id` header alone, so that two answers about the same thing are the same bytes.

mod tenancy;

use std::{borrow::Cow, error::Error, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{ALLOW, HeaderName, WWW_AUTHENTICATE},
    },
};
use kernel::{
    contracts::{
        AuthorizationError, BillingError, Denial, IdentityError, MembersError, ProfileError, RestoreRefused,
        ScopeError, SignInError, TenantsError,
    },
    db::DbError,
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
    permission: Option<&'static str>,
    /// The places in the body that don't fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

/// A place in the body that doesn't fit.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Where: a JSON pointer (RFC 6901).
    #[schema(example = "/questions/0/permission")]
    pub(crate) pointer: String,
    /// What would fit.
    pub(crate) detail: &'static str,
}

/// A kind of problem: status, the end of its `type`, title.
type Kind = (StatusCode, &'static str, &'static str);

const MALFORMED: Kind = (StatusCode::BAD_REQUEST, "malformed-request", "Malformed request");
const TENANT_REQUIRED: Kind = (StatusCode::BAD_REQUEST, "tenant-required", "Tenant required");
const TENANT_NOT_NAMED_HERE: Kind = (StatusCode::BAD_REQUEST, "tenant-not-named-here", "Tenant not named here");
const UNAUTHENTICATED: Kind = (StatusCode::UNAUTHORIZED, "unauthenticated", "Not signed in");
const SIGN_IN_REFUSED: Kind = (StatusCode::UNAUTHORIZED, "sign-in-refused", "Sign-in refused");
const PERMISSION_MISSING: Kind = (StatusCode::FORBIDDEN, "permission-missing", "Permission missing");
const NOT_FOUND: Kind = (StatusCode::NOT_FOUND, "not-found", "Not found");
const TENANT_NOT_FOUND: Kind = (StatusCode::NOT_FOUND, "tenant-not-found", "Tenant not found");
const METHOD_NOT_ALLOWED: Kind = (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed");
const SLUG_TAKEN: Kind = (StatusCode::CONFLICT, "slug-taken", "Slug taken");
const PERSONAL_TENANT_EXISTS: Kind = (StatusCode::CONFLICT, "personal-tenant-exists", "Personal tenant exists");
const SINGLE_TENANT: Kind = (StatusCode::CONFLICT, "single-tenant", "Single tenant");
const TOO_MANY_TENANTS: Kind = (StatusCode::CONFLICT, "too-many-tenants", "Too many tenants");
const TOO_LARGE: Kind = (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large");
const NOT_JSON: Kind = (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type");
const UNFIT: Kind = (StatusCode::UNPROCESSABLE_ENTITY, "invalid-body", "Invalid body");
const INTERNAL: Kind = (StatusCode::INTERNAL_SERVER_ERROR, "internal-error", "Internal error");
const UNAVAILABLE: Kind = (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Unavailable");

/// An error on its way out. Boxed: every handler's result has room for one.
#[derive(Debug)]
pub(crate) struct Problem(Box<Parts>);

#[derive(Debug)]
struct Parts {
    kind: Kind,
    detail: Cow<'static, str>,
    permission: Option<&'static str>,
    errors: Vec<FieldError>,
    header: Option<(HeaderName, String)>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Problem {
    fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = detail.into();
        Self(Box::new(Parts { kind, detail, permission: None, errors: Vec::new(), header: None, cause: None }))
    }

    fn with_header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.0.header = Some((name, value.into()));
        self
    }

    fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// The request can't be understood.
    pub(crate) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(MALFORMED, detail)
    }

    /// There is no such route.
    pub(crate) fn no_such_route() -> Self {
        Self::new(NOT_FOUND, "There is nothing at this address. GET /openapi.json lists what there is.")
    }

    /// There is no such thing in this tenant: the same words for all things.
    pub(crate) fn no_such_thing() -> Self {
        Self::new(NOT_FOUND, "There is no such thing in this tenant.")
    }

    /// The route has other methods.
    pub(crate) fn method_not_allowed(allowed: &str) -> Self {
        Self::new(METHOD_NOT_ALLOWED, format!("This address takes {allowed} only.")).with_header(ALLOW, allowed)
    }

    /// The body is larger than `limit` bytes.
    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(TOO_LARGE, format!("The body may have at most {limit} bytes."))
    }

    /// The body isn't declared as JSON.
    pub(crate) fn not_json() -> Self {
        Self::new(NOT_JSON, "The body must be JSON, with the header Content-Type: application/json.")
    }

    /// The body is JSON, and doesn't fit.
    pub(crate) fn unfit(errors: Vec<FieldError>) -> Self {
        let mut problem = Self::new(UNFIT, "The body doesn't fit. `errors` names the places.");
        problem.0.errors = errors;
        problem
    }

    /// The body is JSON, and says nothing.
    pub(crate) fn nothing_given() -> Self {
        Self::unfit(vec![FieldError { pointer: String::new(), detail: "Give at least one of the fields." }])
    }

    /// What the framework refused by itself, in our form.
    pub(crate) fn of_framework(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::no_such_route(),
            StatusCode::METHOD_NOT_ALLOWED => Self::new(METHOD_NOT_ALLOWED, "This address doesn't take this method."),
            status if status.is_client_error() => Self::malformed("The request can't be understood."),
            status => Self::internal(format!("the framework answered {status}")),
        }
    }

    /// Something that can't happen did.
    pub(crate) fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let detail = "This is our fault. The X-Request-Id of this answer leads to the cause in the logs.";
        Self::new(INTERNAL, detail).caused_by(cause)
    }

    fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let detail = "The service can't reach its database just now. Try again in a moment.";
        Self::new(UNAVAILABLE, detail).caused_by(cause)
    }

    /// No credential, or one that doesn't hold (RFC 6750, section 3).
    fn unauthenticated(challenge: &str, detail: &'static str) -> Self {
        Self::new(UNAUTHENTICATED, detail).with_header(WWW_AUTHENTICATE, challenge)
    }

    /// What is behind it, for the logs.
    pub(crate) fn cause(&self) -> Option<&(dyn Error + Send + Sync)> {
        self.0.cause.as_deref()
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
            permission: *permission,
            errors: errors.clone(),
        };
        // Not `json`, which would set another content type.
        response.body(serde_json::to_string(&body).unwrap_or_default())
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable(_) | DbError::SchemaNotCurrent => Self::unavailable(error),
            DbError::Query(_) | DbError::Aborted => Self::internal(error),
        }
    }
}

impl From<IdentityError> for Problem {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Missing => Self::unauthenticated(
                "Bearer",
                "Sign in first: POST /v1/auth/login gives a token for the header Authorization: Bearer <token>.",
            ),
            IdentityError::Invalid => Self::unauthenticated(
                "Bearer error=\"invalid_token\"",
                "The token doesn't hold, or no longer. Sign in again at POST /v1/auth/login.",
            ),
            IdentityError::Db(error) => error.into(),
        }
    }
}

impl From<Denial> for Problem {
    fn from(denial: Denial) -> Self {
        let name = denial.permission.name;
        tracing::debug!(permission = name, reason = ?denial.reason, "denied");
        let detail = format!("This takes the permission {name}, which your role in this tenant doesn't have.");
        let mut problem = Self::new(PERMISSION_MISSING, detail);
        problem.0.permission = Some(name);
        problem
    }
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Refused => Self::new(SIGN_IN_REFUSED, "The e-mail address or the password is wrong.")
                .with_header(WWW_AUTHENTICATE, "Bearer"),
            SignInError::Db(error) => error.into(),
            SignInError::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<AuthorizationError> for Problem {
    fn from(error: AuthorizationError) -> Self {
        match error {
            AuthorizationError::Db(error) => error.into(),
        }
    }
}

impl From<MembersError> for Problem {
    fn from(error: MembersError) -> Self {
        match error {
            MembersError::NotFound => Self::no_such_thing(),
            MembersError::Db(error) => error.into(),
        }
    }
}

impl From<BillingError> for Problem {
    fn from(error: BillingError) -> Self {
        match error {
            BillingError::NotFound => Self::no_such_thing(),
            BillingError::Db(error) => error.into(),
        }
    }
}

impl From<TenantsError> for Problem {
    fn from(error: TenantsError) -> Self {
        match error {
            TenantsError::NotFound => ScopeError::NotFound.into(),
            TenantsError::SlugTaken => {
                let mut problem = Self::new(SLUG_TAKEN, "Another tenant has this slug. Choose another one.");
                let detail = "This slug is taken.";
                problem.0.errors = vec![FieldError { pointer: "/slug".into(), detail }];
                problem
            }
            TenantsError::TooMany { most } => Self::new(
                TOO_MANY_TENANTS,
                format!("Whoever is admin of {most} tenants, archived ones among them, can't found another."),
            ),
            TenantsError::HasOwn => Self::new(
                PERSONAL_TENANT_EXISTS,
                "You have the one tenant that each person has. Where it is archived, POST /v1/tenant/restore restores it.",
            ),
            TenantsError::OnlyOne => Self::new(
                SINGLE_TENANT,
                "There is one tenant here, and every request acts in it. Whoever operates this service founds it.",
            ),
            TenantsError::SlugStays => {
                let detail = "There is one tenant here, and it keeps its slug.";
                Self::unfit(vec![FieldError { pointer: "/slug".into(), detail }])
            }
            TenantsError::Db(error) => error.into(),
        }
    }
}

impl From<RestoreRefused> for Problem {
    fn from(refused: RestoreRefused) -> Self {
        match refused {
            RestoreRefused::NotFound => ScopeError::NotFound.into(),
            RestoreRefused::Denied(denial) => denial.into(),
        }
    }
}

impl From<ProfileError> for Problem {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::NotFound => IdentityError::Invalid.into(),
            ProfileError::Db(error) => error.into(),
        }
    }
}
