//! The two database roles of the application, and who may assume them.
//!
//! The application role owns nothing and is subject to row-level security. Every connection of the application assumes it
//! at connection start-up. The role for system transactions sees all tenants and must be set explicitly in each
//! transaction.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    MigrateError, RoleNames,
    sqlstate::{INSUFFICIENT_PRIVILEGE, sqlstate},
};

/// Creates the roles and grants them to the application login and to the owner, whose backfills use the one for system
/// transactions.
///
/// Roles are shared by all databases of a server, so concurrent migration runs of other databases may create them too.
pub(super) async fn ensure(connection: &mut PgConnection, login: &str, roles: &RoleNames) -> Result<(), MigrateError> {
    let mut attempts = 20;
    loop {
        attempts -= 1;
        match try_ensure(connection, login, roles).await {
            Err(error) if attempts > 0 && is_concurrent_update(&error) => {
                tokio::time::sleep(Duration::from_millis(50)).await
            }
            Err(error) if sqlstate(&error).as_deref() == Some(INSUFFICIENT_PRIVILEGE) => {
                return Err(roles_error(connection, login, roles, &error).await?);
            }
            outcome => return Ok(outcome?),
        }
    }
}

/// Explains what the owner needs, which depends on whether the roles exist.
async fn roles_error(
    connection: &mut PgConnection,
    login: &str,
    roles: &RoleNames,
    error: &sqlx::Error,
) -> Result<MigrateError, sqlx::Error> {
    let owner = sqlx::query_scalar("SELECT current_user::text").fetch_one(&mut *connection).await?;
    let exist = exists(connection, roles.app()).await? && exists(connection, roles.system()).await?;
    let reason = error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
    let roles = roles.clone();
    Ok(match exist {
        true => MigrateError::RoleAdminOption { reason, roles, owner },
        false => MigrateError::Roles { reason, roles, login: login.to_owned() },
    })
}

/// Returns whether the role exists.
pub(super) async fn exists(connection: &mut PgConnection, role: &str) -> Result<bool, sqlx::Error> {
    let query = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)");
    query.bind(role).fetch_one(connection).await
}

async fn try_ensure(connection: &mut PgConnection, login: &str, roles: &RoleNames) -> Result<(), sqlx::Error> {
    for (role, quoted) in [(roles.app(), roles.quoted_app()), (roles.system(), roles.quoted_system())] {
        if !exists(connection, role).await? {
            let sql = format!("CREATE ROLE {quoted} NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE");
            execute_ignoring_duplicates(connection, sql).await?;
        }
    }
    grant(connection, login, roles).await
}

/// Grants the roles without inheritance of the one for system transactions, which would expose all tenants' rows without
/// `SET ROLE`.
///
/// Before PostgreSQL 16, inheritance is an attribute of the login. It is not changed if the login is also the owner's,
/// which accesses the schema through inheritance.
async fn grant(connection: &mut PgConnection, login: &str, roles: &RoleNames) -> Result<(), sqlx::Error> {
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
         ) AS changes (is_needed, statement)
         WHERE rolname IN ($1, current_user) AND NOT rolsuper AND is_needed",
    )
    .bind(login)
    .bind(roles.app())
    .bind(roles.system())
    .fetch_all(&mut *connection)
    .await?;
    for statement in statements {
        execute_ignoring_duplicates(connection, statement).await?;
    }
    Ok(())
}

/// Lets only the application login and that of the migrations connect to the database. By default, PostgreSQL lets
/// every login of the server connect and create temporary tables.
///
/// Only the database's owner may change this. For another login, this is a warning that names the statement.
pub(super) async fn restrict_database(connection: &mut PgConnection, login: &str) -> Result<(), sqlx::Error> {
    // The logins need their own grants: a grant to the application role would require inheritance.
    let statements: Vec<(String, bool)> = sqlx::query_as(
        "WITH current AS (SELECT * FROM pg_database WHERE datname = current_database())
         SELECT format('GRANT CONNECT ON DATABASE %I TO %I', datname, rolname), pg_has_role(datdba, 'USAGE')
         FROM current, pg_roles AS login
         WHERE rolname IN ($1, current_user) AND NOT pg_has_role(login.oid, datdba, 'USAGE')
           AND NOT EXISTS (SELECT FROM aclexplode(datacl) WHERE grantee = login.oid AND privilege_type = 'CONNECT')
         UNION ALL
         SELECT format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', datname), pg_has_role(datdba, 'USAGE')
         FROM current
         WHERE has_database_privilege('public', datname, 'CONNECT, TEMPORARY')",
    )
    .bind(login)
    .fetch_all(&mut *connection)
    .await?;
    for (statement, is_owner) in statements {
        if is_owner {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *connection).await?;
        } else {
            tracing::warn!("the login for migrations doesn't own the database; have its owner execute `{statement}`");
        }
    }
    Ok(())
}

/// Logs a warning if the owner can use the roles of other deployments on the server.
///
/// Before PostgreSQL 16, `CREATEROLE` lets its holder grant itself every role that isn't a superuser's.
pub(super) async fn warn_about_create_role(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    // Every server has the database `postgres`, for administration.
    let statement: Option<String> = sqlx::query_scalar(
        "SELECT format('ALTER ROLE %I NOCREATEROLE', rolname)
         FROM pg_roles
         WHERE rolname = current_user AND rolcreaterole AND NOT rolsuper
           AND current_setting('server_version_num')::int < 160000
           AND EXISTS (
             SELECT FROM pg_database WHERE NOT datistemplate AND datname NOT IN (current_database(), 'postgres')
           )",
    )
    .fetch_optional(connection)
    .await?;
    if let Some(statement) = statement {
        tracing::warn!(
            "the login for migrations can use the roles of the server's other databases, because it has CREATEROLE and \
             PostgreSQL is older than version 16; the roles exist now, so have an administrator execute `{statement}`"
        );
    }
    Ok(())
}

/// Executes a CREATE or GRANT, ignoring `duplicate_object` and `unique_violation` caused by a concurrent run.
async fn execute_ignoring_duplicates(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    match sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await {
        Err(error) if !matches!(sqlstate(&error).as_deref(), Some("42710" | "23505")) => Err(error),
        _ => Ok(()),
    }
}

/// Matches "tuple concurrently updated", which has no dedicated SQLSTATE.
fn is_concurrent_update(error: &sqlx::Error) -> bool {
    sqlstate(error).as_deref() == Some("XX000") && error.to_string().contains("tuple concurrently")
}

/// Privileges of a login with respect to the roles.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct LoginPrivileges {
    /// The role requested at connection start-up is in effect.
    pub(super) role_applied: bool,
    /// The login is a superuser and bypasses row-level security.
    pub(super) superuser: bool,
    /// The login can assume the role of system transactions.
    pub(super) can_assume_system: bool,
    /// The application role has privileges that bypass row-level security.
    pub(super) bypasses_rls: bool,
    /// The statement that keeps other logins out of the database, unless it has been executed.
    pub(super) revoke_public: Option<String>,
}

impl LoginPrivileges {
    /// Queries a connection of the application that has assumed its role.
    pub(super) async fn read(connection: &mut PgConnection, roles: &RoleNames) -> Result<Self, sqlx::Error> {
        sqlx::query_as(
            "SELECT current_user = $2 AS role_applied, login.rolsuper AS superuser,
               coalesce(pg_has_role(session_user, to_regrole(quote_ident($1)),
                 CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END), false) AS can_assume_system,
               app.rolsuper OR app.rolbypassrls OR coalesce(pg_has_role(current_user, to_regrole(quote_ident($1)), 'MEMBER'), false)
                 OR EXISTS (SELECT FROM pg_class WHERE relowner = app.oid) AS bypasses_rls,
               CASE WHEN has_database_privilege('public', current_database(), 'CONNECT, TEMPORARY')
                 THEN format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()) END AS revoke_public
             FROM pg_roles AS login, pg_roles AS app
             WHERE login.rolname = session_user AND app.rolname = current_user",
        )
        .bind(roles.system())
        .bind(roles.app())
        .persistent(false)
        .fetch_one(connection)
        .await
    }
}
