//! The SQL of a module only uses the module's tables and shared views, and only rows of one tenant. A shared view is
//! listed at the top of `module.rs`: by its owner under "owns", and by the module that reads it under "needs".
//! Members' changes in the module `authorization` are guarded.

use crate::{
    migrations::Tables,
    module_doc_table::{ModuleDocTable, fake_doc_table},
    sources::{Source, for_each_token_list, line, program_sources, tokens, word},
    sql::{Statement, TenantFilterExemption, is_write, statements},
    tenant_filter::{StatementTables, statement_tables},
    violation::{Message, Violation, assert_all_pass, assert_no_violations, assert_rule},
};

/// Checks one statement.
fn violations(statement: &Statement, tables: &Tables, doc_tables: &[ModuleDocTable]) -> Vec<Violation> {
    let violation = |problem: String, help| Violation::new(&statement.file, statement.line, problem, help);
    let is_module = |table: &&ModuleDocTable| statement.file.starts_with(&format!("modules/{}/src/", table.module));
    let Some(doc_table) = doc_tables.iter().find(is_module) else {
        let problem = "a statement outside of a module's src".to_owned();
        let help = "move it to the src of the module that owns the table; api crates and the kernel have no statements";
        return vec![violation(problem, help)];
    };
    let statement_tables = match statement_tables(&statement.sql, &tables.keys) {
        Ok(statement_tables) => statement_tables,
        Err(error) => {
            let problem = format!("the statement can't be parsed ({error})");
            return vec![violation(problem, "write it in one string literal, or extend the parser in tests/arch-lint")];
        }
    };
    let mut violations: Vec<Violation> = statement_tables
        .relations
        .iter()
        .filter_map(|relation| {
            let (problem, help) = foreign_relation(relation, doc_table, tables, doc_tables)?;
            Some(violation(problem, help))
        })
        .collect();
    for name in statement_tables.defined_names.iter().filter(|name| tables.owners.contains_key(*name)) {
        let problem = format!("a CTE or function has the name of the table `{name}`");
        violations.push(violation(problem, "rename it, so that uses of the table can be identified"));
    }
    if statement_tables.has_unjoined_users && doc_table.module != "user" && statement.exemption.is_none() {
        let problem = "`user_profiles` isn't joined with the tenant's members".to_owned();
        violations
            .push(violation(problem, "write `JOIN user_profiles AS p ON p.id = m.user_id`, with memberships AS m"));
    }
    violations.extend(unguarded_write(statement, &doc_table.module).map(|(problem, help)| violation(problem, help)));
    violations
        .extend(tenant_filter_violation(statement, &statement_tables).map(|(problem, help)| violation(problem, help)));
    violations
}

/// Returns why a module may not use a table, and what to do instead.
fn foreign_relation(
    relation: &str,
    doc_table: &ModuleDocTable,
    tables: &Tables,
    doc_tables: &[ModuleDocTable],
) -> Option<Message> {
    let module = &doc_table.module;
    let owner = tables.owners.get(relation);
    let is_public = doc_tables.iter().any(|other| other.public_views.iter().any(|view| view == relation));
    let is_listed = doc_table.needs.iter().any(|view| view == relation);
    match owner {
        Some(owner) if owner == module || (is_public && is_listed) => None,
        Some(owner) if is_public => {
            let problem = format!("{module} reads the view `{relation}` of {owner}");
            Some((problem, "list it under \"needs\" at the top of its module.rs, as \"the view `…`\""))
        }
        Some(owner) => {
            let problem = format!("{module} uses `{relation}`, which belongs to {owner}");
            Some((problem, "call the owner through a trait of its api crate"))
        }
        None => Some((format!("{module} uses `{relation}`, which no migration creates"), "use a table of the module")),
    }
}

/// Returns an error for a statement of `authorization` that writes outside of a guarded change and of a system
/// transaction. A guarded change locks the tenant and reauthorizes the caller; `TenantTx` and `Tx` do neither.
fn unguarded_write(statement: &Statement, module: &str) -> Option<Message> {
    let is_guarded = ["GuardedTx", "SystemTx"].iter().any(|tx| statement.parameters.contains(tx));
    let is_unguarded = module == "authorization" && !is_guarded && is_write(&statement.sql);
    let problem = "a change to a tenant that isn't guarded".to_owned();
    is_unguarded.then_some((problem, "take `&mut GuardedTx`, from GuardedChange::begin, instead of a TenantTx"))
}

/// Returns why the tenant filter or the exemption of a statement is wrong, and what to do instead.
fn tenant_filter_violation(statement: &Statement, statement_tables: &StatementTables) -> Option<Message> {
    let Some(exemption) = statement.exemption else {
        let table = statement_tables.unfiltered.first()?;
        let help = "compare its tenant_id with a parameter, or write the reason in a comment above: `// system: …` or \
                    `// user rows: …`";
        return Some((format!("`{table}` isn't filtered by tenant"), help));
    };
    if statement_tables.unfiltered.is_empty() {
        let problem = "the statement has an exemption, but is filtered by tenant".to_owned();
        return Some((problem, "remove the marker from the comment"));
    }
    let matches = match exemption {
        TenantFilterExemption::System => statement.parameters.contains("SystemTx"),
        TenantFilterExemption::UserRows => {
            statement.parameters.contains("UserTx") || statement.sql.contains("user_scope($1)")
        }
    };
    let problem = "the marker doesn't match the transaction".to_owned();
    let help = "use `// system:` with a SystemTx, and `// user rows:` with a UserTx or user_scope($1)";
    (!matches).then_some((problem, help))
}

/// Finds queries that aren't checked at compile time. Clippy can't ban `__query…`, since each macro expands to it.
fn unchecked_queries(source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    for_each_token_list(tokens(source), &mut |list| {
        for at in 0..list.len() {
            let Some(name) = word(list, at).filter(|word| word.contains("query")) else { continue };
            let (problem, help) = if name.starts_with("__query") {
                (format!("`{name}` is internal to sqlx"), "use sqlx::query!, which checks the SQL")
            } else if name.ends_with("_unchecked") {
                (format!("`{name}` doesn't check the types"), "use the macro without `_unchecked`")
            } else {
                continue;
            };
            violations.push(Violation::new(&source.path, line(&list[at]), problem, help));
        }
    });
    violations
}

#[test]
fn every_statement_is_checked() {
    assert_all_pass(unchecked_queries, &program_sources());
}

#[test]
fn unchecked_query_is_rejected() {
    assert_rule(
        unchecked_queries,
        SAMPLE_FILE,
        &["fn f() { sqlx::query!(\"SELECT 1\"); }"],
        &[
            (
                "fn f() {\n sqlx::__query_with_result::<Postgres, _>(\"SELECT 1\", Ok(x));\n}",
                "2: `__query_with_result` is internal to sqlx; use sqlx::query!",
            ),
            ("use sqlx::__query_scalar_with_result as q;", "1: `__query_scalar_with_result` is internal"),
            (
                "fn f() { sqlx::query_as_unchecked!(User, \"SELECT 1\"); }",
                "1: `query_as_unchecked` doesn't check the types",
            ),
        ],
    );
}

#[test]
fn statements_are_module_and_tenant_scoped() {
    let (tables, doc_tables) = (Tables::of_workspace(), ModuleDocTable::all());
    let statements: Vec<Statement> = program_sources().iter().flat_map(statements).collect();
    assert!(statements.len() > 50, "expected more than 50 statements, found {}", statements.len());
    assert_no_violations(
        &statements.iter().flat_map(|statement| violations(statement, &tables, &doc_tables)).collect::<Vec<_>>(),
    );
}

/// Returns the violations of the statements in a file. The modules are `user`, `authorization` and `billing`.
fn sample_violations(source: &Source) -> Vec<Violation> {
    let doc_tables = [
        fake_doc_table("user", "", "`users`, the view `user_profiles`, the view `addresses`"),
        fake_doc_table("authorization", "", "`tenants`, `roles`"),
        fake_doc_table("billing", "the view `user_profiles`", "`invoices`"),
    ];
    let mut tables = Tables::default();
    for doc_table in &doc_tables {
        tables.owners.extend(doc_table.owns.iter().map(|table| (table.clone(), doc_table.module.clone())));
    }
    tables.keys.extend([("invoices", "tenant_id"), ("tenants", "id")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    statements(source).iter().flat_map(|statement| violations(statement, &tables, &doc_tables)).collect()
}

const SAMPLE_FILE: &str = "modules/billing/src/invoices/store.rs";

/// Checks statements of `billing`, each with its transaction, the comment above it, and the violation if it has one.
#[track_caller]
fn assert_statements(statements: &[(&str, &str, &str, &str)]) {
    for (transaction, comment, sql, expected) in statements {
        let text = format!("fn f(tx: &mut {transaction}) {{\n{comment}\nsqlx::query!(\"{sql}\");\n}}");
        let expected = format!("3: {expected}");
        match expected.as_str() {
            "3: " => assert_rule(sample_violations, SAMPLE_FILE, &[&text], &[]),
            expected => assert_rule(sample_violations, SAMPLE_FILE, &[], &[(&text, expected)]),
        }
    }
}

#[test]
fn statement_on_another_modules_table_is_rejected() {
    let join = "SELECT FROM invoices AS i JOIN user_profiles AS p ON p.id = i.user_id WHERE i.tenant_id = $1";
    let subquery = "SELECT FROM user_profiles AS p JOIN invoices AS i ON p.id = i.user_id \
                    WHERE i.tenant_id = $1 AND p.id IN (SELECT id FROM roles)";
    let unjoined = "`user_profiles` isn't joined with the tenant's members; write `JOIN user_profiles AS p";
    assert_statements(
        &[
            (join, ""),
            ("SELECT FROM invoices AS i JOIN user_profiles AS p ON p.id = $2 WHERE i.tenant_id = $1", unjoined),
            ("SELECT email FROM user_profiles WHERE id = $1", unjoined),
            ("SELECT FROM invoices WHERE tenant_id = $1 UNION TABLE user_profiles", unjoined),
            ("SELECT id FROM users", "billing uses `users`, which belongs to user; call the owner through a trait"),
            ("INSERT INTO users (id) VALUES ($1)", "billing uses `users`, which belongs to user"),
            (subquery, "billing uses `roles`, which belongs to authorization"),
            ("SELECT id FROM addresses", "billing reads the view `addresses` of user; list it under \"needs\""),
            ("SELECT id FROM payments", "billing uses `payments`, which no migration creates"),
            ("SELEKT id FROM invoices", "the statement can't be parsed"),
        ]
        .map(|(sql, expected)| ("TenantTx", "", sql, expected)),
    );
}

#[test]
fn alias_shadowing_table_is_rejected() {
    let problem = "a CTE or function has the name of the table `users`; rename";
    assert_statements(
        &[
            ("WITH u AS (SELECT * FROM invoices WHERE tenant_id = $1) SELECT * FROM u", ""),
            ("WITH users AS (SELECT * FROM users) SELECT * FROM users", problem),
            (
                "SELECT FROM invoices WHERE tenant_id = $1 AND EXISTS (WITH users AS (SELECT 1) SELECT FROM users)",
                problem,
            ),
            ("SELECT FROM users(), users", problem),
        ]
        .map(|(sql, expected)| ("TenantTx", "", sql, expected)),
    );
}

#[test]
fn sql_outside_modules_is_rejected() {
    let rejected = [("fn f() { query_scalar!(\"SELECT 1\"); }", "1: a statement outside of a module's src; move")];
    for path in ["src/http/access.rs", "modules/kernel/src/identity.rs", "modules/billing/api/src/lib.rs"] {
        assert_rule(sample_violations, path, &[], &rejected);
    }
}

#[test]
fn unguarded_change_to_tenant_is_rejected() {
    let sample = |transaction: &str, sql: &str| {
        format!("fn f(tx: &mut {transaction}) -> Result<(), Error> {{ sqlx::query!(\"{sql}\"); }}")
    };
    let lock = "SELECT id FROM tenants WHERE id = $1 FOR NO KEY UPDATE";
    let writes = [
        "UPDATE tenants SET name = $2 WHERE id = $1",
        "DELETE FROM tenants WHERE id = $1",
        "INSERT INTO tenants (id) VALUES ($1)",
        "WITH t AS (UPDATE tenants SET name = $2 WHERE id = $1 RETURNING id) SELECT id FROM t",
    ];
    let path = "modules/authorization/src/tenants/store.rs";
    for write in writes {
        let accepted = [sample("GuardedTx", write), sample("SystemTx", write), sample("TenantTx", lock)];
        assert_rule(sample_violations, path, &accepted.each_ref().map(String::as_str), &[]);
        for transaction in ["TenantTx", "Tx", "PgConnection"] {
            let rejected = sample(transaction, write);
            assert_rule(sample_violations, path, &[], &[(&rejected, "1: a change to a tenant that isn't guarded")]);
        }
    }
}

#[test]
fn unfiltered_statement_needs_reason() {
    let (all, one) = ("SELECT id FROM invoices WHERE paid", "SELECT id FROM invoices WHERE tenant_id = $1");
    let system = "// system: reminders are sent to all tenants.";
    let own = "// user rows: the invoices of the user in all tenants.";
    assert_statements(&[
        ("TenantTx", "", one, ""),
        ("TenantTx", "", all, "`invoices` isn't filtered by tenant; compare"),
        ("SystemTx", "", all, "`invoices` isn't filtered by tenant"),
        ("SystemTx", system, all, ""),
        ("TenantTx", system, all, "the marker doesn't match the transaction"),
        ("UserTx", own, all, ""),
        ("TenantTx", own, all, "the marker doesn't match the transaction"),
    ]);
}

#[test]
fn invalid_or_unneeded_marker_is_rejected() {
    let (all, one) = ("SELECT id FROM invoices WHERE paid", "SELECT id FROM invoices WHERE tenant_id = $1");
    let filtered = "the statement has an exemption, but is filtered by tenant";
    assert_statements(&[
        ("SystemTx", "// system: yes", all, "`invoices` isn't filtered by tenant"),
        ("SystemTx", "// system: it needs no reason.", one, filtered),
    ]);
}
