//! Constructs that migrations must not use, because they hide which tables are changed.

use crate::{
    sources::Source,
    sql::{SqlToken, sql_tokens},
    violation::{Message, Violation, assert_rule},
};

/// Statements that change tables without naming them.
const UNNAMED_TABLE_STATEMENTS: [&[&str]; 7] = [
    &["all", "tables"],
    &["all", "sequences"],
    &["all", "in", "tablespace"],
    &["default", "privileges"],
    &["drop", "owned"],
    &["reassign", "owned"],
    &["drop", "schema"],
];

/// Checks one migration.
pub(super) fn violations(migration: &Source) -> Vec<Violation> {
    let sql_tokens = sql_tokens(&migration.text, 1);
    let mut violations = Vec::new();
    for at in 0..sql_tokens.len() {
        if let Some((problem, help)) = dynamic_sql_violation(&sql_tokens[at..]) {
            violations.push(Violation::new(&migration.path, sql_tokens[at].1, problem, help));
        }
    }
    violations
}

/// Returns why a migration may not contain the statement that starts here, and what to do instead.
fn dynamic_sql_violation(rest: &[SqlToken]) -> Option<Message> {
    let word = |at: usize| rest.get(at).map_or("", |(word, _)| word.as_str());
    let (first, second) = (word(0), word(1));
    // `EXECUTE FUNCTION` belongs to a trigger, and `EXECUTE ON` to a privilege.
    if first == "execute" && !["function", "procedure", "on"].contains(&second) {
        let help = "write a static statement, so that its tables can be checked";
        return Some(("runs dynamic SQL with EXECUTE".to_owned(), help));
    }
    if ["query_to_xml", "table_to_xml", "schema_to_xml", "database_to_xml", "dblink"]
        .iter()
        .any(|name| first.starts_with(name))
    {
        return Some((format!("runs dynamic SQL with `{first}`"), "write a static statement"));
    }
    let quoted = match first {
        "as" => second == "'",
        "do" => second == "'" || (second == "language" && word(3) == "'"),
        _ => false,
    };
    if quoted {
        return Some(("a body in single quotes".to_owned(), "write it between $$, so that its tables can be checked"));
    }
    let unnamed = UNNAMED_TABLE_STATEMENTS
        .iter()
        .find(|words| words.iter().enumerate().all(|(at, expected)| word(at) == *expected))?;
    let problem = format!("changes tables without naming them, with `{}`", unnamed.join(" ").to_uppercase());
    Some((problem, "name the tables"))
}

#[test]
fn dynamic_sql_in_migration_is_rejected() {
    assert_rule(
        violations,
        "migrations/0002_billing.up.sql",
        &[
            "CREATE TRIGGER t AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION f();",
            "GRANT EXECUTE ON FUNCTION f TO tenantry_app;\nCREATE TYPE t AS ENUM ('a');",
            "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT 'execute'::text AS name $$;",
            "INSERT INTO a VALUES ('x') ON CONFLICT DO NOTHING; COMMENT ON TABLE a IS 'as';",
        ],
        &[
            ("DO $$ BEGIN EXECUTE 'ALTER TABLE users ADD x int'; END $$;", "1: runs dynamic SQL with EXECUTE"),
            ("DO $$ BEGIN EXECUTE format('DROP TABLE %I', name); END $$;", "1: runs dynamic SQL with EXECUTE"),
            ("PREPARE p AS SELECT 1;\nEXECUTE p;", "2: runs dynamic SQL with EXECUTE"),
            ("SELECT query_to_xml('SELECT * FROM users', true, true, '');", "1: runs dynamic SQL with `query_to_xml`"),
            ("DO 'BEGIN DELETE FROM users; END';", "1: a body in single quotes"),
            ("DO LANGUAGE plpgsql E'BEGIN DELETE FROM users; END';", "1: a body in single quotes"),
            ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM users';", "1: a body in single quotes"),
            ("CREATE FUNCTION f() RETURNS int AS U&'SELECT 1 FROM users' LANGUAGE sql;", "1: a body in single quotes"),
            ("GRANT SELECT ON ALL TABLES IN SCHEMA public TO tenantry_app;", "1: changes tables without naming them"),
            ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO tenantry_app;", "1: changes tables without"),
            ("DROP OWNED BY tenantry_app;", "1: changes tables without naming them, with `DROP OWNED`"),
        ],
    );
}
