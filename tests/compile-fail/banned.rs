//! Uses each item that `clippy.toml` bans once, under `#[expect]`. This code compiles and never runs. If a ban is
//! inactive, for example because an update renamed the item, the expectation isn't fulfilled, and `-D warnings` makes
//! that an error. Clippy's own warning about an unresolvable path isn't affected by `-D warnings`.
//!
//! `every_ban_is_exercised` (`tests/arch-lint/src/clippy_bans.rs`) requires one use of each item, with the path of the
//! ban as the reason.
#![expect(dead_code, reason = "only clippy checks this code")]

use actix_web::{App, web};
use kernel::{AdmissionCheck, UserId, VerifiedClaims};
use shaku::{Component, ComponentFn, HasComponent, HasProvider, Interface, Module, ModuleBuilder, ProviderFn};
use sqlx::{
    Connection, Executor, PgConnection, PgPool, Postgres, SqlStr,
    postgres::{PgArguments, PgPoolCopyExt},
};

type Row = (i32,);

fn unchecked_statements() {
    #[expect(clippy::disallowed_methods, reason = "sqlx::query")]
    drop(sqlx::query::<Postgres>("SELECT 1"));
    #[expect(clippy::disallowed_methods, reason = "sqlx::query_as")]
    drop(sqlx::query_as::<Postgres, Row>("SELECT 1"));
    #[expect(clippy::disallowed_methods, reason = "sqlx::query_scalar")]
    drop(sqlx::query_scalar::<Postgres, i32>("SELECT 1"));
    #[expect(clippy::disallowed_methods, reason = "sqlx::query_with")]
    drop(sqlx::query_with::<Postgres, _>("SELECT 1", PgArguments::default()));
    #[expect(clippy::disallowed_methods, reason = "sqlx::query_as_with")]
    drop(sqlx::query_as_with::<Postgres, Row, _>("SELECT 1", PgArguments::default()));
    #[expect(clippy::disallowed_methods, reason = "sqlx::query_scalar_with")]
    drop(sqlx::query_scalar_with::<Postgres, i32, _>("SELECT 1", PgArguments::default()));
    #[expect(clippy::disallowed_methods, reason = "sqlx::raw_sql")]
    drop(sqlx::raw_sql("SELECT 1"));
}

async fn statements_on_a_connection(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    #[expect(clippy::disallowed_methods, reason = "sqlx::Executor::execute")]
    connection.execute("SELECT 1").await?;
    #[expect(clippy::disallowed_methods, reason = "sqlx::Executor::execute_many")]
    drop(connection.execute_many("SELECT 1"));
    #[expect(clippy::disallowed_methods, reason = "sqlx::Executor::fetch")]
    drop(connection.fetch("SELECT 1"));
    #[expect(clippy::disallowed_methods, reason = "sqlx::Executor::fetch_all")]
    connection.fetch_all("SELECT 1").await?;
    #[expect(clippy::disallowed_methods, reason = "sqlx::Executor::fetch_many")]
    drop(connection.fetch_many("SELECT 1"));
    #[expect(clippy::disallowed_methods, reason = "sqlx::Executor::fetch_one")]
    connection.fetch_one("SELECT 1").await?;
    #[expect(clippy::disallowed_methods, reason = "sqlx::Executor::fetch_optional")]
    connection.fetch_optional("SELECT 1").await?;
    #[expect(clippy::disallowed_methods, reason = "sqlx::Executor::prepare")]
    connection.prepare(SqlStr::from_static("SELECT 1")).await?;
    #[expect(clippy::disallowed_methods, reason = "sqlx::Executor::prepare_with")]
    connection.prepare_with(SqlStr::from_static("SELECT 1"), &[]).await?;
    #[expect(clippy::disallowed_methods, reason = "sqlx::Connection::begin_with")]
    connection.begin_with("BEGIN").await?;
    #[expect(clippy::disallowed_methods, reason = "sqlx::PgConnection::copy_in_raw")]
    drop(connection.copy_in_raw("COPY users FROM STDIN").await?);
    #[expect(clippy::disallowed_methods, reason = "sqlx::PgConnection::copy_out_raw")]
    drop(connection.copy_out_raw("COPY users TO STDOUT").await?);
    Ok(())
}

async fn statements_on_a_pool(pool: &PgPool) -> Result<(), sqlx::Error> {
    #[expect(clippy::disallowed_methods, reason = "sqlx::Pool::begin_with")]
    pool.begin_with("BEGIN").await?;
    #[expect(clippy::disallowed_methods, reason = "sqlx::Pool::try_begin_with")]
    pool.try_begin_with("BEGIN").await?;
    #[expect(clippy::disallowed_methods, reason = "sqlx::postgres::PgPoolCopyExt::copy_in_raw")]
    drop(pool.copy_in_raw("COPY users FROM STDIN").await?);
    #[expect(clippy::disallowed_methods, reason = "sqlx::postgres::PgPoolCopyExt::copy_out_raw")]
    drop(pool.copy_out_raw("COPY users TO STDOUT").await?);
    Ok(())
}

fn routes_without_access_check() {
    #[expect(clippy::disallowed_methods, reason = "actix_web::App::route")]
    drop(App::new().route("/", web::get()));
    #[expect(clippy::disallowed_methods, reason = "actix_web::App::service")]
    drop(App::new().service(web::resource("/")));
}

fn component_parameters<M: Module + HasComponent<C::Interface>, C: Component<M>>(
    module: ModuleBuilder<M>,
    value: C::Parameters,
) {
    #[expect(clippy::disallowed_methods, reason = "shaku::ModuleBuilder::with_component_parameters")]
    drop(module.with_component_parameters::<C>(value));
}

fn overrides<M, I, P>(
    module: impl Fn() -> ModuleBuilder<M>,
    component: Box<I>,
    component_fn: ComponentFn<M, I>,
    provider: ProviderFn<M, P>,
) where
    M: Module + HasComponent<I> + HasProvider<P>,
    I: Interface + ?Sized,
    P: 'static + ?Sized,
{
    #[expect(clippy::disallowed_methods, reason = "shaku::ModuleBuilder::with_component_override")]
    drop(module().with_component_override::<I>(component));
    #[expect(clippy::disallowed_methods, reason = "shaku::ModuleBuilder::with_component_override_fn")]
    drop(module().with_component_override_fn::<I>(component_fn));
    #[expect(clippy::disallowed_methods, reason = "shaku::ModuleBuilder::with_provider_override")]
    drop(module().with_provider_override::<P>(provider));
}

fn unverified_claims(user: UserId) {
    #[expect(clippy::disallowed_methods, reason = "kernel::VerifiedClaims::new")]
    drop(VerifiedClaims::new(user, None));
}

fn unconfirmed_admission(check: &AdmissionCheck) {
    #[expect(clippy::disallowed_methods, reason = "kernel::AdmissionCheck::confirm")]
    check.confirm();
}

fn clock() {
    #[expect(clippy::disallowed_methods, reason = "std::time::SystemTime::now")]
    let now = std::time::SystemTime::now();
    #[expect(clippy::disallowed_methods, reason = "std::time::SystemTime::elapsed")]
    let _ = now.elapsed();
    #[expect(clippy::disallowed_methods, reason = "time::OffsetDateTime::now_utc")]
    let _ = time::OffsetDateTime::now_utc();
    #[expect(clippy::disallowed_methods, reason = "time::UtcDateTime::now")]
    let _ = time::UtcDateTime::now();
    #[expect(clippy::disallowed_methods, reason = "jiff::Timestamp::now")]
    let _ = jiff::Timestamp::now();
    #[expect(clippy::disallowed_methods, reason = "jiff::Zoned::now")]
    let _ = jiff::Zoned::now();
}

fn environment() {
    #[expect(clippy::disallowed_methods, reason = "std::env::var")]
    drop(std::env::var("HOME"));
    #[expect(clippy::disallowed_methods, reason = "std::env::var_os")]
    drop(std::env::var_os("HOME"));
    #[expect(clippy::disallowed_methods, reason = "std::env::vars")]
    drop(std::env::vars());
    #[expect(clippy::disallowed_methods, reason = "std::env::vars_os")]
    drop(std::env::vars_os());
    #[expect(clippy::disallowed_methods, reason = "tracing_subscriber::EnvFilter::from_default_env")]
    let _ = tracing_subscriber::EnvFilter::from_default_env();
    #[expect(clippy::disallowed_methods, reason = "tracing_subscriber::EnvFilter::from_env")]
    let _ = tracing_subscriber::EnvFilter::from_env("LOG");
    #[expect(clippy::disallowed_methods, reason = "tracing_subscriber::EnvFilter::try_from_default_env")]
    let _ = tracing_subscriber::EnvFilter::try_from_default_env();
    #[expect(clippy::disallowed_methods, reason = "tracing_subscriber::EnvFilter::try_from_env")]
    let _ = tracing_subscriber::EnvFilter::try_from_env("LOG");
}

struct Types {
    #[expect(clippy::disallowed_types, reason = "sqlx::AssertSqlSafe")]
    safe: sqlx::AssertSqlSafe<String>,
    #[expect(clippy::disallowed_types, reason = "sqlx::QueryBuilder")]
    builder: sqlx::QueryBuilder<Postgres>,
    #[expect(clippy::disallowed_types, reason = "kernel::VerifiedIdentityProvider")]
    identity: kernel::VerifiedIdentityProvider,
    #[expect(clippy::disallowed_types, reason = "kernel::MembershipTenantResolver")]
    tenant: kernel::MembershipTenantResolver,
    #[expect(clippy::disallowed_types, reason = "actix_web::web::Json")]
    json: web::Json<()>,
    #[expect(clippy::disallowed_types, reason = "actix_web::web::Path")]
    path: web::Path<()>,
    #[expect(clippy::disallowed_types, reason = "actix_web::web::Query")]
    query: web::Query<()>,
}
