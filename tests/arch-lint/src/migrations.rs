//! Which tables there are, whose they are, and that a migration keeps to its owner's.

use std::collections::{BTreeMap, BTreeSet};

use sqlparser::{
    dialect::PostgreSqlDialect,
    tokenizer::{Token, Tokenizer},
};

use crate::{
    module_doc_table::{ModuleDocTable, fake_doc_table},
    sources::{Source, fake_source, names, read},
    violation::{Violation, assert_no_violations, assert_one_violation},
};

mod dynamic_sql;

/// The tables and views that the migrations make.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// By name: the module that owns it.
    pub(crate) owners: BTreeMap<String, String>,
    /// By a tenant table's name: the column that says whose a row is.
    pub(crate) keys: BTreeMap<String, String>,
    /// By name: the file and the line that made it.
    places: BTreeMap<String, (String, usize)>,
}

/// A word or a sign of SQL, and its line. Words without quotes are lower-case.
type SqlToken = (String, usize);

/// The pieces of a text. Comments aren't among them; what a function's or a block's text says is.
fn sql_tokens(sql: &str, first_line: usize) -> Vec<SqlToken> {
    let dialect = PostgreSqlDialect {};
    let mut found = Vec::new();
    for token in Tokenizer::new(&dialect, sql).tokenize_with_location().unwrap() {
        let line = first_line + usize::try_from(token.span.start.line).unwrap() - 1;
        match token.token {
            Token::Whitespace(_) | Token::EOF => {}
            Token::Word(word) if word.quote_style.is_some() => found.push((word.value, line)),
            Token::Word(word) => found.push((word.value.to_lowercase(), line)),
            Token::DollarQuotedString(text) => found.extend(sql_tokens(&text.value, line)),
            // A text in quotes names no table: what would run it is refused (`dynamic_sql`).
            Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::UnicodeStringLiteral(_) => found.push(("'".to_owned(), line)),
            other => found.push((other.to_string(), line)),
        }
    }
    found
}

/// The module that a migration's name begins with.
fn owner(source: &Source) -> &str {
    let name = source.path.rsplit('/').next().unwrap();
    name.split(['_', '.']).nth(1).unwrap_or_default()
}

/// The words after these, without what may stand between.
fn after<'a>(statement: &'a [SqlToken], words: &[&str]) -> Option<&'a [SqlToken]> {
    let mut rest = statement;
    for word in words {
        (rest.first()?.0 == *word).then_some(())?;
        rest = &rest[1..];
    }
    let skipped = ["if", "not", "exists", "only", "concurrently"];
    let begin = rest.iter().position(|(word, _)| !skipped.contains(&word.as_str()))?;
    Some(&rest[begin..])
}

/// A created table's or view's name, and the rest of its statement.
fn created(statement: &[SqlToken]) -> Option<(&str, &[SqlToken])> {
    let ways: [&[&str]; 5] = [
        &["create", "table"],
        &["create", "unlogged", "table"],
        &["create", "view"],
        &["create", "or", "replace", "view"],
        &["create", "materialized", "view"],
    ];
    let rest = ways.iter().find_map(|way| after(statement, way))?;
    Some((rest.first()?.0.as_str(), &rest[1..]))
}

/// The names that a statement drops.
fn dropped(statement: &[SqlToken]) -> Vec<&str> {
    let rest = ["table", "view"].iter().find_map(|kind| after(statement, &["drop", kind])).unwrap_or_default();
    rest.iter().map(|(word, _)| word.as_str()).filter(|word| !matches!(*word, "," | "cascade" | "restrict")).collect()
}

/// The definitions of a table's columns: what is between the outermost brackets, at each comma.
fn columns(rest: &[SqlToken]) -> Vec<&[SqlToken]> {
    let (mut depth, mut begin, mut found) = (0, 0, Vec::new());
    for (at, (word, _)) in rest.iter().enumerate() {
        match word.as_str() {
            "(" => {
                depth += 1;
                if depth == 1 {
                    begin = at + 1;
                }
            }
            ")" | "," if depth == 1 => {
                found.push(&rest[begin..at]);
                begin = at + 1;
                depth -= i32::from(word == ")");
            }
            ")" => depth -= 1,
            _ => {}
        }
    }
    found
}

impl Tables {
    /// What is there after all of these migrations, in their order.
    fn after(migrations: &[Source]) -> (Self, Vec<Violation>) {
        let (mut tables, mut found) = (Self::default(), Vec::new());
        for migration in migrations.iter().filter(|migration| migration.path.ends_with(".up.sql")) {
            for statement in sql_tokens(&migration.text, 1).split(|(word, _)| word == ";") {
                tables.apply(statement, migration, &mut found);
            }
        }
        (tables, found)
    }

    fn apply(&mut self, statement: &[SqlToken], migration: &Source, found: &mut Vec<Violation>) {
        for name in dropped(statement) {
            self.owners.remove(name);
            self.keys.remove(name);
        }
        if let Some((name, rest)) = created(statement) {
            let line = statement[0].1;
            if let Some(other) = self.owners.get(name).filter(|other| *other != owner(migration)) {
                let problem = format!("it makes `{name}`, which is {other}'s");
                found.push(Violation::new(
                    &migration.path,
                    line,
                    problem,
                    "give it another name: a table has one owner",
                ));
            }
            self.owners.insert(name.to_owned(), owner(migration).to_owned());
            self.places.insert(name.to_owned(), (migration.path.clone(), line));
            for column in columns(rest) {
                self.column(name, column);
            }
        } else if let Some([(name, _), rest @ ..]) = after(statement, &["alter", "table"]) {
            for addition in rest.split(|(word, _)| word == ",") {
                let column = after(addition, &["add", "column"]).or_else(|| after(addition, &["add"]));
                self.column(&name.clone(), column.unwrap_or_default());
            }
        }
    }

    /// A column `tenant_id` makes a table a tenant's; what it refers to is the table of tenants itself.
    fn column(&mut self, table: &str, column: &[SqlToken]) {
        if column.first().is_none_or(|(name, _)| name != "tenant_id") {
            return;
        }
        self.keys.insert(table.to_owned(), "tenant_id".to_owned());
        let of = column.iter().position(|(word, _)| word == "references").and_then(|at| column.get(at + 1));
        if let Some((tenants, _)) = of {
            self.keys.insert(tenants.clone(), "id".to_owned());
        }
    }

    /// Those of this workspace.
    pub(crate) fn of_workspace() -> Self {
        Self::after(&migrations()).0
    }
}

fn migrations() -> Vec<Source> {
    names("migrations").into_iter().map(|name| read(&format!("migrations/{name}"))).collect()
}

/// Where migrations leave their owner's tables, or canvases say something else than the migrations.
fn violations(migrations: &[Source], doc_tables: &[ModuleDocTable]) -> Vec<Violation> {
    let (tables, mut found) = Tables::after(migrations);
    // Tables that are gone were somebody's, too.
    let mut ever: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for migration in migrations {
        for statement in sql_tokens(&migration.text, 1).split(|(word, _)| word == ";") {
            if let Some((name, _)) = created(statement) {
                ever.entry(name.to_owned()).or_default().insert(owner(migration));
            }
        }
    }
    for migration in migrations {
        let sql_tokens = sql_tokens(&migration.text, 1);
        for (at, (word, line)) in sql_tokens.iter().enumerate() {
            let owners = ever.get(word).filter(|owners| !owners.contains(owner(migration)));
            let refers = at > 0 && sql_tokens[at - 1].0 == "references";
            if let Some(owners) = owners.filter(|_| !refers) {
                let whose = owners.iter().copied().collect::<Vec<_>>().join(" and ");
                let problem = format!("it names `{word}`, which is {whose}'s");
                let help =
                    "put it into a migration of the owner's; a foreign key alone may name another module's table";
                found.push(Violation::new(&migration.path, *line, problem, help));
            }
        }
    }
    found.extend(migrations.iter().flat_map(dynamic_sql::violations));
    found.extend(check_doc_tables(&tables, doc_tables));
    found
}

fn check_doc_tables(tables: &Tables, doc_tables: &[ModuleDocTable]) -> Vec<Violation> {
    let mut found = Vec::new();
    for doc_table in doc_tables {
        for name in doc_table.owns.iter().filter(|name| tables.owners.get(*name) != Some(&doc_table.module)) {
            let problem = match tables.owners.get(name) {
                Some(other) => format!("{} says that it owns `{name}`, which is {other}'s", doc_table.module),
                None => format!("{} says that it owns `{name}`, which no migration makes", doc_table.module),
            };
            found.push(Violation::new(&doc_table.place.0, doc_table.place.1, problem, "take it out of the canvas"));
        }
    }
    for (name, owner) in &tables.owners {
        if !doc_tables.iter().any(|doc_table| doc_table.module == *owner && doc_table.owns.contains(name)) {
            let (file, line) = &tables.places[name];
            let problem = format!("it makes `{name}`, which {owner} doesn't say that it owns");
            found.push(Violation::new(
                file,
                *line,
                problem,
                "list it under \"owns\" at the head of the module's module.rs",
            ));
        }
    }
    found
}

#[test]
fn migrations_touch_only_owned_tables() {
    assert_no_violations(&violations(&migrations(), &ModuleDocTable::all()));
    let tables = Tables::of_workspace();
    assert_eq!(tables.owners["memberships"], "authorization");
    assert_eq!((tables.keys["memberships"].as_str(), tables.keys["tenants"].as_str()), ("tenant_id", "id"));
    assert!(!tables.keys.contains_key("users") && tables.keys.contains_key("billing_accounts"));
}

/// What is found in a migration of billing's beside one of user's.
fn with(sql: &str) -> Vec<Violation> {
    let user = fake_source("migrations/0001_user.up.sql", "CREATE TABLE users (id uuid PRIMARY KEY);");
    let doc_tables = [fake_doc_table("user", "", "`users`"), fake_doc_table("billing", "", "`invoices`")];
    let billing = format!("CREATE TABLE invoices (id uuid PRIMARY KEY, user_id uuid REFERENCES users);\n{sql}");
    violations(&[user, fake_source("migrations/0002_billing.up.sql", &billing)], &doc_tables)
}

#[test]
fn cross_module_migration_is_rejected() {
    assert_no_violations(&with(
        "ALTER TABLE invoices ADD COLUMN paid boolean; -- users pay\nGRANT SELECT ON invoices TO tenantry_app;",
    ));
    for sql in [
        "ALTER TABLE users ADD COLUMN paid boolean;",
        "DROP TABLE IF EXISTS invoices, users;",
        "CREATE INDEX users_name ON users (id);",
        "CREATE POLICY mine ON users USING (true);",
        "CREATE TRIGGER paid AFTER INSERT ON users EXECUTE FUNCTION pay();",
        "GRANT SELECT ON invoices, users TO tenantry_app;",
        "UPDATE \"users\" SET id = id;",
        "CREATE FUNCTION pay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users; END $$;",
        "COMMENT ON TABLE public.users IS 'ours';",
    ] {
        let found = with(sql);
        let named: Vec<_> = found.iter().filter(|finding| finding.to_string().contains("it names `users`")).collect();
        assert_eq!(named.len(), 1, "{sql}: {found:?}");
        assert!(
            named[0].to_string().starts_with("migrations/0002_billing.up.sql:2: it names `users`, which is user's")
        );
    }
}

#[test]
fn table_needs_exactly_one_owner() {
    assert_one_violation(
        &with("CREATE TABLE payments (id uuid);"),
        "migrations/0002_billing.up.sql:2: it makes `payments`, which billing",
    );
    assert_one_violation(
        &with("DROP TABLE invoices;"),
        "modules/billing/src/module.rs:3: billing says that it owns `invoices`",
    );
    let twice = with("CREATE TABLE users (id uuid);");
    assert!(twice.iter().any(|finding| finding.to_string().contains("it makes `users`, which is user's")), "{twice:?}");
    let claimed = [fake_doc_table("user", "", "`users`"), fake_doc_table("auth", "", "`users`")];
    let user = fake_source("migrations/0001_user.up.sql", "CREATE TABLE users (id uuid PRIMARY KEY);");
    assert_one_violation(
        &violations(&[user], &claimed),
        "modules/auth/src/module.rs:3: auth says that it owns `users`, which is user's",
    );
}

#[test]
fn added_tenant_id_makes_table_tenant_scoped() {
    let sql =
        "CREATE TABLE notes (id uuid, tenant uuid);\nALTER TABLE notes DROP COLUMN tenant, ADD COLUMN tenant_id uuid;";
    let (tables, _) = Tables::after(&[fake_source("migrations/0001_user.up.sql", sql)]);
    assert_eq!(tables.keys["notes"], "tenant_id");
}
