//! Signing in.

use kernel::contracts::{Password, SignIn, TenancyMode, TenantRef};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::UNAVAILABLE;
use crate::http::{
    extract::{Body, Inject},
    validation::{zip_errors, non_null, validate_optional},
    access::{Public, Authorized},
    problem::{FieldError, Problem},
    route::{Json, Routes},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginRequest {
    #[schema(example = "alice@example.com")]
    email: String,
    #[schema(example = "tenantry-demo", max_length = 1024)]
    password: String,
    /// The tenant that the token names, by slug or id. Whether I am a member of it is asked when I use the token.
    #[schema(example = "acme", nullable = false)]
    #[serde(default, deserialize_with = "non_null")]
    tenant: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct LoginResponse {
    /// For the header `Authorization: Bearer …`.
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds from now.
    #[schema(example = 900)]
    expires_in: u64,
}

/// The routes of this file.
pub(super) fn register(routes: &mut Routes, tenancy: &TenancyMode) {
    let login = routes.post("/v1/auth/login", "Sign in with e-mail and password", login);
    login.problems(&[(401, "The e-mail address or the password is wrong"), UNAVAILABLE]);
    if !tenancy.reads_claim() {
        login.omit_field::<LoginRequest>("tenant");
    }
}

async fn login(
    Authorized(Public, Body(request)): Authorized<Public, Body<LoginRequest>>,
    sign_in: Inject<dyn SignIn>,
    tenancy: Inject<TenancyMode>,
) -> Result<Json<LoginResponse>, Problem> {
    let (password, tenant) = zip_errors(password(request.password), tenant_claim(&tenancy, request.tenant.as_deref()))?;
    // What is no address is refused like one that nobody has.
    let email = request.email.parse().ok();
    let token = sign_in.with_password(email.as_ref(), &password, tenant.as_ref()).await?;
    Ok(Json(LoginResponse {
        access_token: token.token.expose_secret().into(),
        token_type: "Bearer",
        expires_in: token.expires_in.as_secs(),
    }))
}

fn password(text: String) -> Result<Password, FieldError> {
    if text.len() > Password::MAX_LENGTH {
        return Err(FieldError { pointer: "/password".into(), detail: "A password has at most 1024 bytes." });
    }
    Ok(Password::new(text))
}

/// The tenant for the token; refused where no request would be the better for it.
fn tenant_claim(tenancy: &TenancyMode, tenant: Option<&str>) -> Result<Option<TenantRef>, FieldError> {
    const POINTER: &str = "/tenant";
    if tenant.is_some() && !tenancy.reads_claim() {
        let detail = "Tokens name no tenant here: leave this field out.";
        return Err(FieldError { pointer: POINTER.into(), detail });
    }
    validate_optional(POINTER, tenant)
}
