//! What a migration may not say, because nobody could tell from it whose tables it touches.

use super::{SqlToken, sql_tokens};
use crate::{
    sources::{Source, fake_source},
    violation::{Violation, assert_no_violations},
};

/// Statements that touch tables without naming them.
const UNNAMED_TABLE_STATEMENTS: [&[&str]; 7] = [
    &["all", "tables"],
    &["all", "sequences"],
    &["all", "in", "tablespace"],
    &["default", "privileges"],
    &["drop", "owned"],
    &["reassign", "owned"],
    &["drop", "schema"],
];

/// The findings in one migration.
pub(super) fn violations(migration: &Source) -> Vec<Violation> {
    let sql_tokens = sql_tokens(&migration.text, 1);
    let mut found = Vec::new();
    for at in 0..sql_tokens.len() {
        if let Some((problem, help)) = refusal(&sql_tokens[at..]) {
            found.push(Violation::new(&migration.path, sql_tokens[at].1, problem, help));
        }
    }
    found
}

/// Why a migration can't say this, if so, and what to do instead.
fn refusal(rest: &[SqlToken]) -> Option<(String, &'static str)> {
    let word = |at: usize| rest.get(at).map_or("", |(word, _)| word.as_str());
    let (first, second) = (word(0), word(1));
    // `EXECUTE FUNCTION` is a trigger's, and `EXECUTE ON` a privilege.
    if first == "execute" && !["function", "procedure", "on"].contains(&second) {
        let help = "write the statement itself: in a text that is put together nobody sees whose table it is";
        return Some(("it runs a text by EXECUTE".to_owned(), help));
    }
    if ["query_to_xml", "table_to_xml", "schema_to_xml", "database_to_xml", "dblink"]
        .iter()
        .any(|name| first.starts_with(name))
    {
        return Some((format!("it runs a text by `{first}`"), "write the statement itself"));
    }
    let quoted = match first {
        "as" => second == "'",
        "do" => second == "'" || (second == "language" && word(3) == "'"),
        _ => false,
    };
    if quoted {
        return Some(("a body in single quotes".to_owned(), "write it between $$, where its tables are seen"));
    }
    let unnamed =
        UNNAMED_TABLE_STATEMENTS.iter().find(|words| words.iter().enumerate().all(|(at, one)| word(at) == *one))?;
    let problem = format!("it touches tables that it doesn't name, by `{}`", unnamed.join(" ").to_uppercase());
    Some((problem, "name the owner's tables"))
}

#[test]
fn dynamic_sql_in_migration_is_rejected() {
    let with = |sql: &str| violations(&fake_source("migrations/0002_billing.up.sql", sql));
    for (sql, problem) in [
        ("DO $$ BEGIN EXECUTE 'ALTER TABLE users ADD x int'; END $$;", "it runs a text by EXECUTE"),
        ("DO $$ BEGIN EXECUTE format('DROP TABLE %I', name); END $$;", "it runs a text by EXECUTE"),
        ("PREPARE p AS SELECT 1;\nEXECUTE p;", "it runs a text by EXECUTE"),
        ("SELECT query_to_xml('SELECT * FROM users', true, true, '');", "it runs a text by `query_to_xml`"),
        ("DO 'BEGIN DELETE FROM users; END';", "a body in single quotes"),
        ("DO LANGUAGE plpgsql E'BEGIN DELETE FROM users; END';", "a body in single quotes"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM users';", "a body in single quotes"),
        ("CREATE FUNCTION f() RETURNS int AS U&'SELECT 1 FROM users' LANGUAGE sql;", "a body in single quotes"),
        ("GRANT SELECT ON ALL TABLES IN SCHEMA public TO tenantry_app;", "it touches tables that it doesn't name"),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO tenantry_app;", "it touches tables that it doesn't"),
        ("DROP OWNED BY tenantry_app;", "it touches tables that it doesn't name, by `DROP OWNED`"),
    ] {
        let found = with(sql);
        let line = sql.lines().count();
        let beginning = format!("migrations/0002_billing.up.sql:{line}: {problem}");
        assert!(found.len() == 1 && found[0].to_string().starts_with(&beginning), "{sql}: {found:?}");
    }
    assert_no_violations(&with("CREATE TRIGGER t AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION f();"));
    assert_no_violations(&with("GRANT EXECUTE ON FUNCTION f TO tenantry_app;\nCREATE TYPE t AS ENUM ('a');"));
    assert_no_violations(&with(
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT 'execute'::text AS name $$;",
    ));
    assert_no_violations(&with("INSERT INTO a VALUES ('x') ON CONFLICT DO NOTHING; COMMENT ON TABLE a IS 'as';"));
}
