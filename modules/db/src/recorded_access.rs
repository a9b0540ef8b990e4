//! Row-level security, policies, grants, functions and triggers as the migrations have left them, and what has changed
//! since.
//!
//! A migration run records them in a table at its end. Later runs and each start compare them with the catalog, so a
//! change made by hand is an error instead of access to other tenants' rows. A restore takes policies and grants from the
//! record, since those in a backup name the roles of the database that was dumped.

use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    RoleNames,
    sqlstate::{INSUFFICIENT_PRIVILEGE, UNDEFINED_TABLE, sqlstate},
};

/// Table of the recorded access.
const ACCESS_TABLE: &str = "_tenantry_access";

/// Number of differences in a message.
const MAX_SHOWN: usize = 5;

/// Lists the access to the schema `public`, one SQL statement a row, and the applied migrations. The statements contain
/// the role names of the migration files; $1 and $2 are those of this database. Functions and triggers are included,
/// because policies call the former, and the latter renew the version of cached policies. Extensions aren't.
const CURRENT_ACCESS: &str = "
    WITH relations AS (
      SELECT oid, relname, relkind, relacl, reloptions, relrowsecurity, relforcerowsecurity
      FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND relname NOT IN ('_sqlx_migrations', '_tenantry_access')
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
    ), grantees (oid, name) AS (
      SELECT oid, CASE rolname WHEN $1 THEN 'tenantry_app' ELSE 'tenantry_system' END
      FROM pg_roles WHERE rolname IN ($1, $2)
      UNION ALL SELECT 0, 'PUBLIC'
    ), grants (privilege, object, grantee, is_grantable) AS (
      SELECT privilege_type, format('%I', relname), grantee, is_grantable
      FROM relations, aclexplode(relacl)
      UNION ALL
      SELECT format('%s (%I)', privilege_type, attname), format('%I', relname), grantee, is_grantable
      FROM relations JOIN pg_attribute ON attrelid = relations.oid, aclexplode(attacl)
      UNION ALL
      SELECT privilege_type, 'SCHEMA public', grantee, is_grantable
      FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner)))
      WHERE nspname = 'public'
      UNION ALL
      SELECT privilege_type, format('FUNCTION %s', pg_proc.oid::regprocedure), grantee, is_grantable
      FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))
      WHERE pronamespace = 'public'::regnamespace AND prosecdef
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e')
    )
    SELECT format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', relname) AS entry FROM relations WHERE relrowsecurity
    UNION ALL
    SELECT format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', relname) FROM relations WHERE relforcerowsecurity
    UNION ALL
    SELECT format('CREATE POLICY %I ON %I AS %s FOR %s TO %s%s%s', polname, relname,
      CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
      CASE polcmd WHEN '*' THEN 'ALL' WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' ELSE 'DELETE' END,
      (SELECT string_agg(coalesce(name, 'another role'), ', ' ORDER BY name) FROM unnest(polroles) AS role LEFT JOIN grantees ON grantees.oid = role),
      ' USING (' || regexp_replace(pg_get_expr(polqual, polrelid), '\\s+', ' ', 'g') || ')',
      ' WITH CHECK (' || regexp_replace(pg_get_expr(polwithcheck, polrelid), '\\s+', ' ', 'g') || ')')
    FROM pg_policy JOIN relations ON relations.oid = polrelid
    UNION ALL
    SELECT format('ALTER VIEW %I SET (%s)', relname, CASE WHEN option ~ '^security_'
        THEN split_part(option, '=', 1) || '=' || split_part(option, '=', 2)::boolean ELSE option END)
    FROM relations, unnest(reloptions) AS option WHERE relkind = 'v'
    UNION ALL
    SELECT format('ALTER TABLE %I %s TRIGGER %I', relname,
      CASE tgenabled WHEN 'O' THEN 'ENABLE' WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, tgname)
    FROM pg_trigger JOIN relations ON relations.oid = tgrelid WHERE NOT tgisinternal
    UNION ALL
    SELECT format('CREATE TRIGGER %I ON %I of type %s with function %s%s', tgname, relname, tgtype, tgfoid::regproc,
      CASE WHEN tgqual IS NOT NULL THEN ' and a condition' END)
    FROM pg_trigger JOIN relations ON relations.oid = tgrelid WHERE NOT tgisinternal
    UNION ALL
    SELECT format('CREATE FUNCTION %s SECURITY %s with the body %s', pg_proc.oid::regprocedure,
      CASE WHEN prosecdef THEN 'DEFINER' ELSE 'INVOKER' END, md5(concat(prosrc, pg_get_function_sqlbody(pg_proc.oid))))
    FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e')
    UNION ALL
    SELECT format('GRANT %s ON %s TO %s%s', privilege, object, name, CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END)
    FROM grants JOIN grantees ON grantees.oid = grantee
    UNION ALL
    SELECT format('GRANT %I TO %s', pg_get_userbyid(roleid), name)
    FROM pg_auth_members JOIN grantees ON grantees.oid = member
    UNION ALL
    SELECT format('migration %s', version) FROM _sqlx_migrations WHERE success";

/// What tables and views need, even if a migration created them without it. A view has the caller's rights. Tables that
/// the application's role can access, and tenant tables, have forced row-level security. A tenant table has a column
/// `tenant_id` or a foreign key to `tenants`. Extensions aren't included.
const REQUIRED_ACCESS: &str = "
    SELECT entry
    FROM pg_class AS c
    CROSS JOIN LATERAL (
      SELECT coalesce(bool_or(rolname = $1), false), count(*) > 0
      FROM pg_roles
      WHERE rolname IN ($1, $2) AND (has_any_column_privilege(pg_roles.oid, c.oid, 'SELECT, INSERT, UPDATE')
        OR has_table_privilege(pg_roles.oid, c.oid, 'DELETE, TRUNCATE'))
    ) AS accessible (by_app, by_any)
    CROSS JOIN LATERAL (
      SELECT format('ALTER TABLE %I %s ROW LEVEL SECURITY', relname, action)
      FROM unnest(ARRAY['ENABLE', 'FORCE']) AS action
      WHERE relkind IN ('r', 'p') AND (relname = 'tenants' OR by_app
        OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'tenant_id' AND NOT attisdropped)
        OR by_any AND EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND conrelid = c.oid AND confrelid = to_regclass('public.tenants')))
      UNION ALL
      SELECT format('ALTER VIEW %I SET (security_invoker=true)', relname) WHERE relkind = 'v' AND by_any
    ) AS required (entry)
    WHERE relnamespace = 'public'::regnamespace AND relname NOT IN ('_sqlx_migrations', '_tenantry_access')
      AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')";

/// Whether the record belongs to an older or newer schema: a run was interrupted before it recorded the access.
const RECORD_IS_STALE: &str = "
    SELECT EXISTS (
      (SELECT format('migration %s', version) FROM _sqlx_migrations WHERE success
       EXCEPT SELECT entry FROM _tenantry_access)
      UNION ALL
      (SELECT entry FROM _tenantry_access WHERE entry LIKE 'migration %'
       EXCEPT SELECT format('migration %s', version) FROM _sqlx_migrations WHERE success))";

/// Differences between the recorded access and the current one.
#[derive(Debug)]
pub(super) enum AccessCheck {
    /// There are none.
    Unchanged,
    /// These, in one line.
    Changed(String),
    /// The record is missing or older than the schema: no migration run has completed since.
    Unknown,
}

/// Compares the access with the record. The role must be the application's or the owner's. A new function is accepted if
/// it runs with the caller's privileges.
pub(super) async fn check(connection: &mut PgConnection, roles: &RoleNames) -> Result<AccessCheck, sqlx::Error> {
    let sql = format!(
        "WITH current AS ({CURRENT_ACCESS}), expected AS (SELECT entry FROM {ACCESS_TABLE} UNION {REQUIRED_ACCESS})
         (SELECT true, entry FROM (TABLE expected EXCEPT TABLE current) AS missing)
         UNION ALL
         (SELECT false, entry FROM (TABLE current EXCEPT TABLE expected) AS added
          WHERE entry NOT LIKE 'CREATE FUNCTION % SECURITY INVOKER %')
         ORDER BY 1 DESC, 2"
    );
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(roles.app()).bind(roles.system()).persistent(false);
    let differences: Vec<(bool, String)> = match query.fetch_all(connection).await {
        Err(error) if matches!(sqlstate(&error).as_deref(), Some(UNDEFINED_TABLE | INSUFFICIENT_PRIVILEGE)) => {
            return Ok(AccessCheck::Unknown);
        }
        outcome => outcome?,
    };
    if differences.is_empty() {
        return Ok(AccessCheck::Unchanged);
    }
    if differences.iter().any(|(_, entry)| entry.starts_with("migration ")) {
        return Ok(AccessCheck::Unknown);
    }
    let describe = |(is_missing, entry): &(bool, String)| {
        let entry = roles.substitute(entry);
        if *is_missing { format!("missing `{entry}`") } else { format!("unexpected `{entry}`") }
    };
    let mut shown: Vec<String> = differences.iter().take(MAX_SHOWN).map(describe).collect();
    if differences.len() > MAX_SHOWN {
        shown.push(format!("{} more", differences.len() - MAX_SHOWN));
    }
    Ok(AccessCheck::Changed(shown.join(", ")))
}

/// Records the current access. Must run as the owner.
pub(super) async fn record(connection: &mut PgConnection, roles: &RoleNames) -> Result<(), sqlx::Error> {
    let create = format!(
        "CREATE TABLE IF NOT EXISTS {ACCESS_TABLE} (entry text COLLATE \"C\" PRIMARY KEY); DELETE FROM {ACCESS_TABLE};
         GRANT SELECT ON {ACCESS_TABLE} TO {}",
        roles.quoted_app()
    );
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *connection).await?;
    let insert = format!("INSERT INTO {ACCESS_TABLE} SELECT DISTINCT entry FROM ({CURRENT_ACCESS}) AS current");
    let query = sqlx::query(AssertSqlSafe(insert)).bind(roles.app()).bind(roles.system());
    query.execute(connection).await.map(drop)
}

/// Whether the record belongs to the current schema. Waits for no table lock, unlike [`check`].
pub(super) async fn is_recorded(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    match sqlx::query_scalar(RECORD_IS_STALE).persistent(false).fetch_one(connection).await {
        Err(error) if sqlstate(&error).as_deref() == Some(UNDEFINED_TABLE) => Ok(false),
        outcome => outcome.map(|is_stale: bool| !is_stale),
    }
}

/// Returns statements that create the recorded policies and grants in a database without them, for these roles. They
/// fail if the record belongs to another schema.
pub(super) fn restore_sql(roles: &RoleNames) -> String {
    let (app, system) = (roles.quoted_app(), roles.quoted_system());
    // The character 1 stands for the application's role, since the name of the other one may contain the placeholder.
    format!(
        "DO $restore$
        DECLARE
          statement text;
        BEGIN
          IF ({RECORD_IS_STALE}) THEN
            RAISE EXCEPTION 'it was made after an interrupted migration run and lacks policies and grants; use another backup';
          END IF;
          FOR statement IN
            SELECT 'REVOKE CREATE ON SCHEMA public FROM PUBLIC'
            UNION ALL
            SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', pg_proc.oid::regprocedure)
            FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace AND prosecdef AND NOT EXISTS (
              SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e')
          LOOP
            EXECUTE statement;
          END LOOP;
          FOR statement IN
            SELECT replace(replace(replace(entry, 'tenantry_app', chr(1)), 'tenantry_system', '{system}'), chr(1), '{app}')
            FROM {ACCESS_TABLE}
            WHERE entry LIKE 'CREATE POLICY %' OR entry LIKE 'GRANT % ON %'
            ORDER BY entry
          LOOP
            EXECUTE statement;
          END LOOP;
        END
        $restore$;
        GRANT SELECT ON _sqlx_migrations, {ACCESS_TABLE} TO {app};"
    )
}
