//! The tables that the migrations create, and their owners. A migration belongs to a module, and may only change that
//! module's tables.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    module_doc_table::{ModuleDocTable, fake_doc_table},
    sources::{Source, fake_source, list_dir, read},
    sql::{SqlToken, split_at_commas, sql_tokens},
    violation::{Violation, assert_all_pass, assert_no_violations, assert_one_violation, assert_rule},
};

mod blocking;
mod dynamic_sql;

/// The tables and views that the migrations create.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// The owning module by table.
    pub(crate) owners: BTreeMap<String, String>,
    /// The same, including earlier owners and tables that were dropped later.
    all_owners: BTreeMap<String, BTreeSet<String>>,
    /// The column with the tenant's id, by tenant table.
    pub(crate) keys: BTreeMap<String, String>,
    /// The file and the line that create it, by table.
    locations: BTreeMap<String, (String, usize)>,
}

/// Returns the module that a migration belongs to: `user` for `0002_user.up.sql`.
fn owner(source: &Source) -> &str {
    let name = source.path.rsplit('/').next().unwrap();
    name.split(['_', '.']).nth(1).unwrap_or_default()
}

/// Returns the tokens after `words`, without optional words such as `IF EXISTS`.
fn tokens_after<'a>(statement: &'a [SqlToken], words: &[&str]) -> Option<&'a [SqlToken]> {
    let mut rest = statement;
    for word in words {
        (rest.first()?.0 == *word).then_some(())?;
        rest = &rest[1..];
    }
    let skipped = ["if", "not", "exists", "only", "concurrently"];
    let begin = rest.iter().position(|(word, _)| !skipped.contains(&word.as_str()))?;
    Some(&rest[begin..])
}

/// Returns the name of a created table or view, and the rest of the statement.
fn created(statement: &[SqlToken]) -> Option<(&str, &[SqlToken])> {
    let prefixes: [&[&str]; 5] = [
        &["create", "table"],
        &["create", "unlogged", "table"],
        &["create", "view"],
        &["create", "or", "replace", "view"],
        &["create", "materialized", "view"],
    ];
    let rest = prefixes.iter().find_map(|prefix| tokens_after(statement, prefix))?;
    Some((rest.first()?.0.as_str(), &rest[1..]))
}

/// Returns the names of tables and views that a statement drops.
fn dropped(statement: &[SqlToken]) -> Vec<&str> {
    let rest = ["table", "view"].iter().find_map(|kind| tokens_after(statement, &["drop", kind])).unwrap_or_default();
    rest.iter().map(|(word, _)| word.as_str()).filter(|word| !matches!(*word, "," | "cascade" | "restrict")).collect()
}

/// Returns the table of a statement that drops a row-level security policy, or creates one that depends on an own table
/// of the module. Only the module of that table can create it.
fn row_level_security_table(statement: &[SqlToken], is_own: impl Fn(&String) -> bool) -> Option<&str> {
    let creates = || statement.iter().any(|(word, _)| is_own(word)).then_some(statement);
    let rest = tokens_after(statement, &["drop", "policy"])
        .or_else(|| creates().and_then(|statement| tokens_after(statement, &["create", "policy"])))?;
    rest.iter().skip_while(|(word, _)| word != "on").nth(1).map(|(table, _)| table.as_str())
}

impl Tables {
    /// Returns the tables after running these migrations in order.
    fn from_migrations(migrations: &[Source]) -> (Self, Vec<Violation>) {
        let (mut tables, mut violations) = (Self::default(), Vec::new());
        for migration in migrations.iter().filter(|migration| migration.path.ends_with(".up.sql")) {
            for statement in sql_tokens(&migration.text, 1).split(|(word, _)| word == ";") {
                tables.apply(statement, migration, &mut violations);
            }
        }
        (tables, violations)
    }

    fn apply(&mut self, statement: &[SqlToken], migration: &Source, violations: &mut Vec<Violation>) {
        for name in dropped(statement) {
            self.owners.remove(name);
            self.keys.remove(name);
        }
        if let Some((name, rest)) = created(statement) {
            let line = statement[0].1;
            if let Some(other) = self.owners.get(name).filter(|other| *other != owner(migration)) {
                let problem = format!("creates `{name}`, which belongs to {other}");
                let help = "choose another name; a table has one owner";
                violations.push(Violation::new(&migration.path, line, problem, help));
            }
            self.owners.insert(name.to_owned(), owner(migration).to_owned());
            self.all_owners.entry(name.to_owned()).or_default().insert(owner(migration).to_owned());
            self.locations.insert(name.to_owned(), (migration.path.clone(), line));
            self.add_columns(name, rest);
        } else if let Some([(name, _), rest @ ..]) = tokens_after(statement, &["alter", "table"]) {
            self.add_columns(name, rest);
        }
    }

    /// A column `tenant_id`, or a foreign key to a tenant's id, makes a table tenant-scoped. The table that `tenant_id`
    /// references is the table of tenants.
    fn add_columns(&mut self, table: &str, definitions: &[SqlToken]) {
        let inner = match definitions {
            [(open, _), inner @ .., (close, _)] if open == "(" && close == ")" => inner,
            // A view, or the actions of `ALTER TABLE`.
            _ => definitions,
        };
        for definition in split_at_commas(inner) {
            let words: Vec<&str> = definition.iter().map(|(word, _)| word.as_str()).collect();
            let words: Vec<&str> = words.into_iter().filter(|word| !["public", "."].contains(word)).collect();
            let is_before_name = |word: &&&str| ["add", "column", "if", "not", "exists"].contains(*word);
            let column = words.iter().find(|word| !is_before_name(word)).copied();
            let references = words.iter().position(|word| *word == "references");
            let referenced = references.and_then(|at| words.get(at + 1)).copied();
            if column == Some("tenant_id") {
                self.keys.insert(table.to_owned(), "tenant_id".to_owned());
                self.keys.extend(referenced.map(|tenants| (tenants.to_owned(), "id".to_owned())));
                continue;
            }
            // `CONSTRAINT name FOREIGN KEY (columns)`, or one column.
            let foreign = words.iter().position(|word| *word == "foreign");
            let columns = foreign.map_or(column.into_iter().collect(), |at| in_parentheses(&words[at..]));
            let target = references.map(|at| in_parentheses(&words[at..])).unwrap_or_default();
            let Some(key) = referenced.and_then(|table| self.keys.get(table)) else { continue };
            let is_tenants = referenced == Some("tenants") && target.is_empty();
            // Without columns, a composite key references the primary key, which begins with the tenant's id.
            let at = target.iter().position(|column| *column == key).or((is_tenants || columns.len() > 1).then_some(0));
            let at = at.filter(|_| target.is_empty() || target.contains(&key.as_str()));
            if let Some(column) = at.and_then(|at| columns.get(at)) {
                self.keys.entry(table.to_owned()).or_insert_with(|| (*column).to_owned());
            }
        }
    }

    /// Returns the tables of this workspace.
    pub(crate) fn of_workspace() -> Self {
        Self::from_migrations(&migrations()).0
    }
}

/// Returns the names in the first parentheses.
fn in_parentheses<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let inner = words.iter().copied().skip_while(|word| *word != "(").skip(1).take_while(|word| *word != ")");
    inner.filter(|word| *word != ",").collect()
}

fn migrations() -> Vec<Source> {
    list_dir("migrations").into_iter().map(|name| read(&format!("migrations/{name}"))).collect()
}

/// Checks that migrations only change tables of their module, and that the doc tables match the migrations.
fn violations(migrations: &[Source], doc_tables: &[ModuleDocTable]) -> Vec<Violation> {
    let (tables, mut violations) = Tables::from_migrations(migrations);
    for migration in migrations {
        for statement in sql_tokens(&migration.text, 1).split(|(word, _)| word == ";") {
            let is_own = |word: &String| tables.all_owners.get(word).is_some_and(|all| all.contains(owner(migration)));
            let protected = row_level_security_table(statement, is_own);
            for (at, (word, line)) in statement.iter().enumerate() {
                let owners = tables.all_owners.get(word).filter(|owners| !owners.contains(owner(migration)));
                let before = if at > 0 { statement[at - 1].0.as_str() } else { "" };
                // A function may read the views that the module's statements may read.
                let is_read =
                    ["from", "join"].contains(&before) && is_readable_view(owner(migration), word, doc_tables);
                let is_allowed = before == "references" || protected == Some(word.as_str()) || is_read;
                if let Some(owners) = owners.filter(|_| !is_allowed) {
                    let owner_names = owners.iter().map(String::as_str).collect::<Vec<_>>().join(" and ");
                    let problem = format!("names `{word}`, which belongs to {owner_names}");
                    let help = "move it to a migration of the owner; only a foreign key, and a row-level security \
                                policy that depends on an own table, may name another module's table";
                    violations.push(Violation::new(&migration.path, *line, problem, help));
                }
            }
        }
    }
    violations.extend(migrations.iter().flat_map(dynamic_sql::violations));
    violations.extend(migrations.iter().flat_map(blocking::violations));
    violations.extend(check_doc_tables(&tables, doc_tables));
    violations
}

/// Whether this is a public view of another module, and the module lists it under "needs".
fn is_readable_view(module: &str, name: &str, doc_tables: &[ModuleDocTable]) -> bool {
    let is_public = doc_tables.iter().any(|one| one.public_views.iter().any(|view| view == name));
    let is_needed = |one: &ModuleDocTable| one.module == module && one.needs.iter().any(|view| view == name);
    is_public && doc_tables.iter().any(is_needed)
}

fn check_doc_tables(tables: &Tables, doc_tables: &[ModuleDocTable]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for table in doc_tables {
        for name in table.owns.iter().filter(|name| tables.owners.get(*name) != Some(&table.module)) {
            let owner = tables.owners.get(name);
            let reason = owner.map_or("no migration creates".to_owned(), |owner| format!("belongs to {owner}"));
            let problem = format!("{} documents that it owns `{name}`, which {reason}", table.module);
            let (file, line) = &table.location;
            violations.push(Violation::new(file, *line, problem, "remove it from the doc table"));
        }
    }
    for (name, owner) in &tables.owners {
        if !doc_tables.iter().any(|doc_table| doc_table.module == *owner && doc_table.owns.contains(name)) {
            let (file, line) = &tables.locations[name];
            let problem = format!("creates `{name}`, which the doc table of {owner} doesn't list");
            violations.push(Violation::new(file, *line, problem, "list it under \"owns\" at the top of module.rs"));
        }
    }
    violations
}

/// Checks that a migration can be read in any encoding: psql and a database of another encoding would store other
/// characters.
fn non_ascii(migration: &Source) -> Vec<Violation> {
    let lines = migration.text.lines().zip(1..).filter(|(line, _)| !line.is_ascii());
    let violation = |(_, number)| {
        let help = "use only ASCII; in a literal write U&'\\00e9' or chr(233)";
        Violation::new(&migration.path, number, "contains a character that isn't ASCII", help)
    };
    lines.map(violation).collect()
}

#[test]
fn migrations_are_ascii() {
    assert_all_pass(non_ascii, &migrations());
    let (accepted, rejected) = ("-- Owner: user.", ("-- Owner: user.\nSELECT 'caf\u{e9}'", "2: contains a character"));
    assert_rule(non_ascii, "migrations/0009_user.up.sql", &[accepted], &[rejected]);
}

#[test]
fn migrations_touch_only_owned_tables() {
    assert_no_violations(&violations(&migrations(), &ModuleDocTable::all()));
    let tables = Tables::of_workspace();
    assert_eq!(tables.owners["memberships"], "authorization");
    assert_eq!((tables.keys["memberships"].as_str(), tables.keys["tenants"].as_str()), ("tenant_id", "id"));
    assert!(!tables.keys.contains_key("users") && tables.keys.contains_key("subscriptions"));
}

/// Returns the violations of a migration of `billing`, after one of `user`.
fn billing_violations(sql: &str) -> Vec<Violation> {
    let user = "CREATE TABLE users (id uuid PRIMARY KEY);\n\
                CREATE VIEW user_profiles AS SELECT id FROM users; CREATE VIEW addresses AS SELECT id FROM users;";
    let user = fake_source("migrations/0001_user.up.sql", user);
    let doc_tables = [
        fake_doc_table("user", "", "`users`, the view `user_profiles`, the view `addresses`"),
        fake_doc_table("billing", "the view `user_profiles`", "`invoices`"),
    ];
    let billing = format!("CREATE TABLE invoices (id uuid PRIMARY KEY, user_id uuid REFERENCES users);\n{sql}");
    violations(&[user, fake_source("migrations/0002_billing.up.sql", &billing)], &doc_tables)
}

#[test]
fn cross_module_migration_is_rejected() {
    assert_no_violations(&billing_violations(
        "ALTER TABLE invoices ADD COLUMN paid boolean; -- users pay\nGRANT SELECT ON invoices TO tenantry_app;
         CREATE POLICY payers ON users USING (EXISTS (SELECT FROM invoices AS i WHERE i.user_id = users.id));
         DROP POLICY payers ON users;
         CREATE FUNCTION payer() RETURNS uuid LANGUAGE sql AS $$ SELECT id FROM user_profiles $$;",
    ));
    assert_one_violation(
        &billing_violations("CREATE FUNCTION f() RETURNS uuid LANGUAGE sql AS $$ SELECT id FROM addresses $$;"),
        "migrations/0002_billing.up.sql:2: names `addresses`, which belongs to user",
    );
    assert_one_violation(
        &billing_violations("GRANT SELECT ON user_profiles TO tenantry_app;"),
        "migrations/0002_billing.up.sql:2: names `user_profiles`, which belongs to user",
    );
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
        let violations = billing_violations(sql);
        let named: Vec<_> =
            violations.iter().filter(|violation| violation.to_string().contains("names `users`")).collect();
        assert_eq!(named.len(), 1, "{sql}: {violations:?}");
        assert!(
            named[0].to_string().starts_with("migrations/0002_billing.up.sql:2: names `users`, which belongs to user")
        );
    }
}

#[test]
fn table_needs_exactly_one_owner() {
    assert_one_violation(
        &billing_violations("CREATE TABLE payments (id uuid);"),
        "migrations/0002_billing.up.sql:2: creates `payments`, which the doc table of billing",
    );
    assert_one_violation(
        &billing_violations("DROP TABLE invoices;"),
        "modules/billing/src/module.rs:3: billing documents that it owns `invoices`",
    );
    let twice = billing_violations("CREATE TABLE users (id uuid);");
    assert!(
        twice.iter().any(|violation| violation.to_string().contains("creates `users`, which belongs to user")),
        "{twice:?}"
    );
    let claimed = [fake_doc_table("user", "", "`users`"), fake_doc_table("auth", "", "`users`")];
    let user = fake_source("migrations/0001_user.up.sql", "CREATE TABLE users (id uuid PRIMARY KEY);");
    assert_one_violation(
        &violations(&[user], &claimed),
        "modules/auth/src/module.rs:3: auth documents that it owns `users`, which belongs to user",
    );
}

#[test]
fn added_tenant_id_makes_table_tenant_scoped() {
    let sql =
        "CREATE TABLE notes (id uuid, tenant uuid);\nALTER TABLE notes DROP COLUMN tenant, ADD COLUMN tenant_id uuid;";
    let (tables, _) = Tables::from_migrations(&[fake_source("migrations/0001_user.up.sql", sql)]);
    assert_eq!(tables.keys["notes"], "tenant_id");
}

#[test]
fn foreign_key_to_tenants_makes_table_tenant_scoped() {
    for (sql, expected) in [
        ("CREATE TABLE notes (id uuid, organization uuid NOT NULL REFERENCES tenants);", Some("organization")),
        (
            "CREATE TABLE notes (organization uuid, FOREIGN KEY (organization) REFERENCES tenants (id));",
            Some("organization"),
        ),
        (
            "CREATE TABLE notes (id uuid);\nALTER TABLE notes ADD COLUMN owner uuid REFERENCES tenants (id);",
            Some("owner"),
        ),
        ("CREATE TABLE notes (a uuid, CONSTRAINT b FOREIGN KEY (a) REFERENCES tenants);", Some("a")),
        ("CREATE TABLE notes (tenant_id uuid, copied_from uuid REFERENCES tenants);", Some("tenant_id")),
        ("CREATE TABLE notes (id uuid, author uuid REFERENCES users);", None),
        ("CREATE TABLE notes (organization uuid REFERENCES public.tenants);", Some("organization")),
        ("CREATE TABLE notes (a uuid, b uuid, FOREIGN KEY (b, a) REFERENCES members (user_id, tenant_id));", Some("a")),
        ("CREATE TABLE notes (a uuid, b uuid, FOREIGN KEY (a, b) REFERENCES public.members);", Some("a")),
        ("CREATE TABLE notes (a uuid, b uuid, FOREIGN KEY (b) REFERENCES members (user_id));", None),
        ("CREATE TABLE notes (id uuid, amount numeric(10, 2), tenant_id uuid);", Some("tenant_id")),
    ] {
        let tenants = "CREATE TABLE tenants (id uuid);\n\
                       CREATE TABLE members (tenant_id uuid REFERENCES tenants, user_id uuid UNIQUE);";
        let sql = format!("{tenants}\n{sql}");
        let (tables, _) = Tables::from_migrations(&[fake_source("migrations/0001_user.up.sql", &sql)]);
        assert_eq!(tables.keys.get("notes").map(String::as_str), expected, "{sql}");
    }
}
