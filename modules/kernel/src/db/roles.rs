//! The two roles that the application takes, and who may take them.
//!
//! `tenantry_app` owns nothing and is bound by row-level security; every connection of the application takes it at
//! start-up. `tenantry_system` sees every tenant; it must be taken on purpose, transaction by transaction.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    MigrateError,
    error::{INSUFFICIENT_PRIVILEGE, sqlstate},
};

/// The role of the application's connections.
pub(super) const APP_ROLE: &str = "tenantry_app";
/// The role of work that spans tenants.
pub(super) const SYSTEM_ROLE: &str = "tenantry_system";

/// Makes the roles, and grants them to the application's login and to the owner's, whose back-fills take the second.
///
/// Roles belong to the cluster, not to a database, so runners of other databases race to make them.
pub(super) async fn ensure(connection: &mut PgConnection, login: &str) -> Result<(), MigrateError> {
    let mut tries = 20;
    loop {
        tries -= 1;
        match try_ensure(connection, login).await {
            Err(error) if tries > 0 && is_concurrent_update(&error) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) if sqlstate(&error).as_deref() == Some(INSUFFICIENT_PRIVILEGE) => {
                return Err(MigrateError::Roles { reason: error.to_string(), login: login.to_owned() });
            }
            outcome => return Ok(outcome?),
        }
    }
}

async fn try_ensure(connection: &mut PgConnection, login: &str) -> Result<(), sqlx::Error> {
    for role in [APP_ROLE, SYSTEM_ROLE] {
        let exists: bool =
            sqlx::query_scalar("SELECT to_regrole($1) IS NOT NULL").bind(role).fetch_one(&mut *connection).await?;
        if !exists {
            let sql = format!("CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE");
            execute_if_missing(connection, sql).await?;
        }
    }
    grant(connection, login).await
}

/// An inherited membership of `tenantry_system` would see every tenant's rows without asking. Before PostgreSQL 16,
/// inheriting is a property of the login as a whole; it is left alone where the login is also the owner's, which
/// reaches the schema by inheriting.
async fn grant(connection: &mut PgConnection, login: &str) -> Result<(), sqlx::Error> {
    let statements: Vec<String> = sqlx::query_scalar(
        "WITH server AS (SELECT current_setting('server_version_num')::int >= 160000 AS is_16)
         SELECT statement
         FROM pg_roles AS login, server, LATERAL (VALUES
           (
             NOT pg_has_role(rolname, $2, CASE WHEN is_16 THEN 'SET' ELSE 'MEMBER' END),
             format('GRANT %I TO %I', $2, rolname)
           ),
           (
             NOT pg_has_role(rolname, $3, CASE WHEN is_16 THEN 'SET' ELSE 'MEMBER' END),
             format(CASE WHEN is_16 THEN 'GRANT %I TO %I WITH INHERIT FALSE, SET TRUE' ELSE 'GRANT %I TO %I' END, $3, rolname)
           ),
           (rolinherit AND NOT is_16 AND rolname <> current_user, format('ALTER ROLE %I NOINHERIT', rolname))
         ) AS needed (yes, statement)
         WHERE rolname IN ($1, current_user) AND NOT rolsuper AND yes",
    )
    .bind(login)
    .bind(APP_ROLE)
    .bind(SYSTEM_ROLE)
    .fetch_all(&mut *connection)
    .await?;
    for statement in statements {
        execute_if_missing(connection, statement).await?;
    }
    Ok(())
}

/// `duplicate_object` and `unique_violation` say that somebody else made it at the same moment.
async fn execute_if_missing(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    match sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await {
        Err(error) if !matches!(sqlstate(&error).as_deref(), Some("42710" | "23505")) => Err(error),
        _ => Ok(()),
    }
}

/// "tuple concurrently updated" has no SQLSTATE of its own.
fn is_concurrent_update(error: &sqlx::Error) -> bool {
    sqlstate(error).as_deref() == Some("XX000") && error.to_string().contains("tuple concurrently")
}

/// How a login stands to the roles.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct LoginPrivileges {
    /// The role that was asked for when connecting is in force.
    pub(super) taken: bool,
    /// Row-level security doesn't bind the login.
    pub(super) superuser: bool,
    /// The login may take the system role.
    pub(super) system: bool,
    /// Row-level security doesn't bind the application's role after all: somebody gave it too much.
    pub(super) unbound: bool,
}

impl LoginPrivileges {
    /// Asks on a connection of the application's, which has taken its role.
    pub(super) async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        sqlx::query_as(
            "SELECT current_user = $2 AS taken, login.rolsuper AS superuser,
               coalesce(pg_has_role(session_user, to_regrole($1),
                 CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END), false) AS system,
               app.rolsuper OR app.rolbypassrls OR coalesce(pg_has_role(current_user, to_regrole($1), 'MEMBER'), false)
                 OR EXISTS (SELECT FROM pg_class WHERE relowner = app.oid) AS unbound
             FROM pg_roles AS login, pg_roles AS app
             WHERE login.rolname = session_user AND app.rolname = current_user",
        )
        .bind(SYSTEM_ROLE)
        .bind(APP_ROLE)
        .persistent(false)
        .fetch_one(connection)
        .await
    }
}
