//! Sign-in.

use actix_web::http::header::WWW_AUTHENTICATE;
use auth_api::{Password, SignIn, SignInError};
use kernel::{RequestContext, TenancyMode, TenantRef};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::{
    access::{Authorized, Public},
    extract::{Body, Inject},
    problem::{
        FieldError, Problem,
        types::{INVALID_CREDENTIALS, OVERLOADED, UNAVAILABLE},
    },
    route::{Json, Routes},
    validation::{non_null, validate_optional, zip_errors},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignInRequest {
    #[schema(example = "alice@example.com")]
    email: String,
    #[schema(example = "tenantry-demo", max_length = 1024)]
    password: String,
    /// Slug or id of the tenant to put into the token. Membership is checked when the token is used.
    #[schema(example = "acme", nullable = false)]
    #[serde(default, deserialize_with = "non_null")]
    tenant: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct SignInResponse {
    /// Send it in the header `Authorization: Bearer …`.
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Lifetime in seconds.
    #[schema(example = 900)]
    expires_in: u64,
}

pub(super) fn register(routes: &mut Routes, tenancy: &TenancyMode) {
    let login = routes.post("/v1/auth/login", "Sign in with e-mail address and password", login);
    login.problems(&[INVALID_CREDENTIALS, OVERLOADED, UNAVAILABLE]);
    if !tenancy.reads_claim() {
        login.omit_field::<SignInRequest>("tenant");
    }
}

async fn login(
    Authorized(Public, Body(request)): Authorized<Public, Body<SignInRequest>>,
    sign_in: Inject<dyn SignIn>,
    tenancy: Inject<TenancyMode>,
    context: Inject<dyn RequestContext>,
) -> Result<Json<SignInResponse>, Problem> {
    let (password, tenant) = zip_errors(password(request.password), tenant_claim(&tenancy, request.tenant.as_deref()))?;
    // A malformed address gets the same response as an unknown one.
    let email = request.email.parse().ok();
    let token = sign_in.with_password(email.as_ref(), &password, tenant.as_ref(), context.arc()).await?;
    Ok(Json(SignInResponse {
        access_token: token.token.expose_secret().into(),
        token_type: "Bearer",
        expires_in: token.expires_in.as_secs(),
    }))
}

fn password(text: String) -> Result<Password, FieldError> {
    let password = Password::new(text);
    if password.secret().expose_secret().len() > Password::MAX_LENGTH {
        return Err(FieldError { pointer: "/password".into(), detail: "A password has at most 1024 bytes.".into() });
    }
    Ok(password)
}

/// Parses the tenant for the token's claim. Rejects it if the tenancy mode doesn't read the claim.
fn tenant_claim(tenancy: &TenancyMode, tenant: Option<&str>) -> Result<Option<TenantRef>, FieldError> {
    const POINTER: &str = "/tenant";
    if tenant.is_some() && !tenancy.reads_claim() {
        let detail = "This tenancy mode does not use this field. Remove it.";
        return Err(FieldError { pointer: POINTER.into(), detail: detail.into() });
    }
    validate_optional(POINTER, tenant)
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::InvalidCredentials => Self::new(INVALID_CREDENTIALS, "Wrong e-mail address or password.")
                .with_header(WWW_AUTHENTICATE, "Bearer"),
            SignInError::Overloaded => Self::new(OVERLOADED, "Too many sign-ins are waiting. Try again in a moment."),
            SignInError::Db(error) => error.into(),
            SignInError::Internal(source) => Self::internal(source),
        }
    }
}
