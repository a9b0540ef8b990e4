//! Minimal server that lists a tenant's members with actix-web and sqlx alone. It trusts the tenant id in the request and
//! doesn't authenticate the caller.
//!
//! With `LOOKUP=1`, it first looks up the caller's membership by the ids in two headers, which it trusts.
#![expect(clippy::disallowed_methods, reason = "the baseline uses actix-web and sqlx directly")]

use std::{env, error::Error};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bench::member_list;
use sqlx::{PgPool, postgres::PgPoolOptions};
use uuid::Uuid;

const LOOKUP: &str = "
    SELECT m.role_id
    FROM users AS u
    JOIN memberships AS m ON m.user_id = u.id
    JOIN tenants AS t ON t.id = m.tenant_id
    WHERE u.id = $1 AND u.deactivated_at IS NULL AND t.id = $2 AND t.status = 'active'";

const LIMIT: u8 = 50;

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
    let page = member_list::page(&state.pool, tenant, None, LIMIT).await?;
    Ok(HttpResponse::Ok().json(page))
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
