//! Signing in.

use kernel::contracts::{Password, SignIn};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::{
    extract::{Body, Scoped},
    guard::{Public, Then},
    problem::{FieldError, Problem},
    route::Json,
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginRequest {
    #[schema(example = "alice@example.com")]
    email: String,
    #[schema(example = "tenantry-demo", max_length = 1024)]
    password: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct LoginAnswer {
    /// For the header `Authorization: Bearer …`.
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds from now.
    #[schema(example = 900)]
    expires_in: u64,
}

pub(super) async fn login(
    Then(Public, Body(request)): Then<Public, Body<LoginRequest>>,
    sign_in: Scoped<dyn SignIn>,
) -> Result<Json<LoginAnswer>, Problem> {
    if request.password.len() > Password::MAX_LENGTH {
        let detail = "A password has at most 1024 bytes.";
        return Err(Problem::unfit(vec![FieldError { pointer: "/password".into(), detail }]));
    }
    // What is no address is refused like one that nobody has.
    let email = request.email.parse().ok();
    let token = sign_in.with_password(email.as_ref(), &Password::new(request.password)).await?;
    Ok(Json(LoginAnswer {
        access_token: token.token.expose_secret().into(),
        token_type: "Bearer",
        expires_in: token.expires_in.as_secs(),
    }))
}
