//! Benchmark peer: tenantry's `GET /v1/members` with axum, sqlx and jsonwebtoken. See `docs/performance.md`.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "uses sqlx directly, and has no configuration and no log"
)]

use std::{env, error::Error, sync::Arc};

use axum::{
    Json, Router,
    extract::{FromRequestParts, Query, State},
    http::{StatusCode, header::AUTHORIZATION, request::Parts},
    routing::get,
};
use bench::member_list::{self, Page};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    crypto::{CryptoProvider, JwtVerifier, KeyUtils},
    errors::ErrorKind,
    signature,
};
use ring::hmac;
use serde::Deserialize;
use sqlx::{PgConnection, PgPool, postgres::PgPoolOptions};
use tokio::{net::TcpListener, runtime};
use uuid::Uuid;

/// A deny takes precedence, and without a policy nothing is allowed.
const CHECK: &str = "
    SELECT coalesce((
      SELECT bool_and(p.effect = 'allow')
      FROM policies AS p
      WHERE p.tenant_id = $2 AND (p.role_id IS NULL OR p.role_id = m.role_id)
        AND p.resource IN ('*', $3) AND p.verbs && ARRAY['*', $4]
    ), false) AS allowed
    FROM users AS u
    JOIN memberships AS m ON m.user_id = u.id
    JOIN tenants AS t ON t.id = m.tenant_id
    WHERE u.id = $1 AND u.deactivated_at IS NULL AND t.id = $2 AND t.status = 'active'";

const DEFAULT_LIMIT: u8 = 50;
const MAX_LIMIT: u8 = 100;

struct App {
    pool: PgPool,
    key: DecodingKey,
    validation: Validation,
}

#[derive(Deserialize)]
struct Claims {
    sub: Uuid,
}

/// The user whose token the request has.
struct CurrentUser(Uuid);

impl FromRequestParts<Arc<App>> for CurrentUser {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, StatusCode> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(StatusCode::UNAUTHORIZED)?;
        let decoded = jsonwebtoken::decode::<Claims>(token, &app.key, &app.validation);
        Ok(Self(decoded.map_err(|_| StatusCode::UNAUTHORIZED)?.claims.sub))
    }
}

/// The tenant that the request names.
#[derive(Clone, Copy)]
struct TenantId(Uuid);

impl<S: Sync> FromRequestParts<S> for TenantId {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, StatusCode> {
        let id = parts.headers.get("X-Tenant-Id").and_then(|value| value.to_str().ok()?.parse().ok());
        id.map(Self).ok_or(StatusCode::BAD_REQUEST)
    }
}

/// Checks that the user is an active member of the tenant and has the permission.
async fn require_permission(
    connection: &mut PgConnection,
    CurrentUser(user): CurrentUser,
    TenantId(tenant): TenantId,
    resource: &str,
    verb: &str,
) -> Result<(), StatusCode> {
    let check = sqlx::query_scalar::<_, bool>(CHECK).bind(user).bind(tenant).bind(resource).bind(verb);
    match check.fetch_optional(connection).await.map_err(internal_error)? {
        Some(true) => Ok(()),
        Some(false) => Err(StatusCode::FORBIDDEN),
        None => Err(StatusCode::NOT_FOUND),
    }
}

#[derive(Deserialize)]
struct ListQuery {
    limit: Option<u8>,
    cursor: Option<Uuid>,
}

async fn list_members(
    State(app): State<Arc<App>>,
    user: CurrentUser,
    tenant: TenantId,
    Query(ListQuery { limit, cursor }): Query<ListQuery>,
) -> Result<Json<Page>, StatusCode> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(StatusCode::BAD_REQUEST);
    }
    // Both statements use one connection: sqlx pings a connection whenever it is returned to the pool.
    let mut connection = app.pool.acquire().await.map_err(internal_error)?;
    require_permission(&mut connection, user, tenant, "user", "read").await?;
    let page = member_list::page(&mut *connection, tenant.0, cursor, limit).await;
    Ok(Json(page.map_err(internal_error)?))
}

fn internal_error(error: sqlx::Error) -> StatusCode {
    eprintln!("{error}");
    StatusCode::INTERNAL_SERVER_ERROR
}

fn setting(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("{name} is not set"))
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let pool = PgPoolOptions::new()
        .max_connections(setting("DB_POOL_SIZE")?.parse()?)
        .test_before_acquire(false)
        .connect(&setting("DATABASE_URL")?)
        .await?;
    let key = DecodingKey::from_secret(setting("JWT_SECRET")?.as_bytes());
    // Accepts only HS256, and requires `exp`.
    let app = App { pool, key, validation: Validation::new(Algorithm::HS256) };
    let router = Router::new().route("/v1/members", get(list_members)).with_state(Arc::new(app));
    let port: u16 = setting("HTTP_PORT")?.parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, router).await?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    RING.install_default().map_err(|_| "jsonwebtoken already has a crypto provider")?;
    let workers = setting("HTTP_WORKERS")?.parse()?;
    runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?.block_on(serve())
}

/// HMAC-SHA256 of `ring`. The providers of `jsonwebtoken` itself would add RSA and the NIST curves, or a C library.
static RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(RingVerifier(hmac::Key::new(hmac::HMAC_SHA256, key.try_get_as_bytes()?)))),
        _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
    },
    key_utils: KeyUtils::new_unimplemented(),
};

struct RingVerifier(hmac::Key);

impl signature::Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        hmac::verify(&self.0, message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}
