//! Minimal server that lists a tenant's members with actix-web and sqlx alone. It trusts the tenant id in the request and
//! doesn't authenticate the caller.
//!
//! With `LOOKUP=1`, it first looks up the caller's membership by the ids in two headers, which it trusts.
#![expect(clippy::disallowed_methods, reason = "the baseline uses actix-web and sqlx directly")]

use std::{env, error::Error};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde::Serialize;
use sqlx::{PgPool, postgres::PgPoolOptions};
use time::OffsetDateTime;
use uuid::Uuid;

#[derive(Serialize)]
struct Page {
    members: Vec<Member>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Uuid>,
}

#[derive(Serialize)]
struct Member {
    id: Uuid,
    email: String,
    display_name: String,
    role: Role,
    #[serde(with = "time::serde::rfc3339")]
    member_since: OffsetDateTime,
    active: bool,
}

#[derive(Serialize)]
struct Role {
    id: Uuid,
    name: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    user_id: Uuid,
    email: String,
    display_name: String,
    deactivated_at: Option<OffsetDateTime>,
    role_id: Uuid,
    role: String,
    created_at: OffsetDateTime,
}

/// The query of tenantry's `GET /v1/members`, without setting the scope for row-level security.
const LIST: &str = "
    SELECT m.user_id, u.email, u.display_name, u.deactivated_at, m.role_id, r.name AS role, m.created_at
    FROM (
      SELECT m.user_id, m.role_id, m.created_at
      FROM memberships AS m
      WHERE m.tenant_id = $1 AND m.user_id > coalesce($2, '00000000-0000-0000-0000-000000000000'::uuid)
      ORDER BY m.user_id
      LIMIT $3
    ) AS m
    JOIN roles AS r ON r.tenant_id = $1 AND r.id = m.role_id
    JOIN users AS u ON u.id = m.user_id
    ORDER BY m.user_id";

const LOOKUP: &str = "
    SELECT m.role_id
    FROM users AS u
    JOIN memberships AS m ON m.user_id = u.id
    JOIN tenants AS t ON t.id = m.tenant_id
    WHERE u.id = $1 AND u.deactivated_at IS NULL AND t.id = $2 AND t.status = 'active'";

const LIMIT: i64 = 50;

struct State {
    pool: PgPool,
    lookup: bool,
}

async fn members(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Box<dyn Error>> {
    let id = |name| request.headers().get(name).and_then(|value| value.to_str().ok()?.parse::<Uuid>().ok());
    let (Some(tenant), Some(user)) = (id("X-Tenant-Id"), id("X-User-Id")) else {
        return Ok(HttpResponse::BadRequest().finish());
    };
    if state.lookup {
        let role: Option<Uuid> = sqlx::query_scalar(LOOKUP).bind(user).bind(tenant).fetch_optional(&state.pool).await?;
        if role.is_none() {
            return Ok(HttpResponse::NotFound().finish());
        }
    }
    let list = sqlx::query_as::<_, Row>(LIST).bind(tenant).bind(None::<Uuid>).bind(LIMIT + 1);
    let mut rows = list.fetch_all(&state.pool).await?;
    let more = rows.len() > 50;
    rows.truncate(50);
    let next_cursor = rows.last().filter(|_| more).map(|row| row.user_id);
    let members = rows.into_iter().map(|row| Member {
        id: row.user_id,
        email: row.email,
        display_name: row.display_name,
        role: Role { id: row.role_id, name: row.role },
        member_since: row.created_at,
        active: row.deactivated_at.is_none(),
    });
    Ok(HttpResponse::Ok().json(Page { members: members.collect(), next_cursor }))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name: &str| env::var(name).map_err(|_| format!("{name} is not set"));
    let pool = PgPoolOptions::new()
        .max_connections(setting("DB_POOL_SIZE")?.parse()?)
        .test_before_acquire(false)
        .connect(&setting("DATABASE_URL")?)
        .await?;
    let state = web::Data::new(State { pool, lookup: setting("LOOKUP").is_ok_and(|lookup| lookup == "1") });
    let workers = setting("HTTP_WORKERS")?.parse()?;
    let address = ("127.0.0.1", setting("HTTP_PORT")?.parse()?);
    HttpServer::new(move || App::new().app_data(state.clone()).route("/v1/members", web::get().to(members)))
        .workers(workers)
        .bind(address)?
        .run()
        .await?;
    Ok(())
}
