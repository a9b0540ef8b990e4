//! What the modules' SQL keeps to: its own tables, and one tenant.

use crate::{
    migrations::Tables,
    module_doc_table::{ModuleDocTable, fake_doc_table},
    sources::{Source, fake_source, for_each_token_list, line, program, tokens, word},
    sql::{Statement, TenantFilterExemption, statements},
    tenant_filter::{StatementTables, statement_tables},
    violation::{Violation, assert_no_violations, assert_one_violation},
};

/// The findings about one statement.
fn violations(statement: &Statement, tables: &Tables, doc_tables: &[ModuleDocTable]) -> Vec<Violation> {
    let finding = |problem: String, help| Violation::new(&statement.file, statement.line, problem, help);
    let module = statement.file.strip_prefix("modules/").and_then(|rest| rest.split('/').next());
    let doc_table = doc_tables.iter().find(|doc_table| Some(doc_table.module.as_str()) == module);
    let Some(doc_table) = doc_table.filter(|_| statement.file.contains("/src/postgres/")) else {
        let problem = "a statement outside of a module's src/postgres".to_owned();
        return vec![finding(problem, "put it into a repository of the module that owns the table")];
    };
    let statement_tables = match statement_tables(&statement.sql, &tables.keys) {
        Ok(statement_tables) => statement_tables,
        Err(error) => {
            let problem = format!("the statement can't be read ({error})");
            return vec![finding(
                problem,
                "write it as the others are, in one literal, or teach tests/arch-lint to read it",
            )];
        }
    };
    let mut found: Vec<Violation> = statement_tables
        .relations
        .iter()
        .filter_map(|relation| {
            let (problem, help) = foreign_relation(relation, doc_table, tables, doc_tables)?;
            Some(finding(problem, help))
        })
        .collect();
    for name in statement_tables.defined_names.iter().filter(|name| tables.owners.contains_key(*name)) {
        let problem = format!("a part of the statement is called `{name}`, as a table is");
        found.push(finding(problem, "give it a name of its own, so that what reads the table can be told"));
    }
    found.extend(tenant_filter_violation(statement, &statement_tables).map(|(problem, help)| finding(problem, help)));
    found
}

/// Why a module can't touch a table, if so, and what to do instead.
fn foreign_relation(
    relation: &str,
    doc_table: &ModuleDocTable,
    tables: &Tables,
    doc_tables: &[ModuleDocTable],
) -> Option<(String, &'static str)> {
    let module = &doc_table.module;
    let owner = tables.owners.get(relation);
    let offered = doc_tables.iter().any(|other| other.public_views.iter().any(|view| view == relation));
    let needed = doc_table.needs.iter().any(|view| view == relation);
    match owner {
        Some(owner) if owner == module || (offered && needed) => None,
        Some(owner) if offered => {
            let problem = format!("{module} reads the view `{relation}`, which is {owner}'s");
            Some((problem, "list it under \"needs\" at the head of its module.rs, as \"the view `…`\""))
        }
        Some(owner) => {
            let problem = format!("{module} touches `{relation}`, which is {owner}'s");
            Some((problem, "ask its owner through a contract in the kernel"))
        }
        None => {
            Some((format!("{module} touches `{relation}`, which no migration makes"), "name a table of the module's"))
        }
    }
}

/// Why a statement's tenant isn't right, if so, and what to do instead.
fn tenant_filter_violation(
    statement: &Statement,
    statement_tables: &StatementTables,
) -> Option<(String, &'static str)> {
    let Some(exemption) = statement.exemption else {
        let table = statement_tables.unfiltered.first()?;
        let help = "compare its tenant_id with a parameter, or say why not in a comment above: `// system: …` or \
                       `// user rows: …`";
        return Some((format!("`{table}` isn't filtered by tenant"), help));
    };
    if statement_tables.unfiltered.is_empty() {
        let problem = "it says why it isn't filtered by tenant, and it is".to_owned();
        return Some((problem, "take the mark out of the comment"));
    }
    let held = match exemption {
        TenantFilterExemption::System => statement.parameters.contains("SystemTx"),
        TenantFilterExemption::UserRows => {
            statement.parameters.contains("UserTx") || statement.sql.contains("user_scope($1)")
        }
    };
    let problem = "its mark names a way in that it doesn't take".to_owned();
    let help = "`// system:` is for what takes a SystemTx, `// user rows:` for a UserTx or user_scope($1)";
    (!held).then_some((problem, help))
}

/// Ways past the check that the macros make. clippy can't ban the first: it is in each macro.
fn unchecked_queries(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    for_each_token_list(tokens(source), &mut |list| {
        for at in 0..list.len() {
            let Some(name) = word(list, at).filter(|word| word.contains("query")) else { continue };
            let (problem, help) = if name.starts_with("__query") {
                (format!("`{name}` is for sqlx's macros"), "use sqlx::query!, which checks the text")
            } else if name.ends_with("_unchecked") {
                (format!("`{name}` doesn't check the types"), "use the macro without `_unchecked`")
            } else {
                continue;
            };
            found.push(Violation::new(&source.path, line(&list[at]), problem, help));
        }
    });
    found
}

#[test]
fn every_statement_is_checked() {
    assert_no_violations(&program().iter().flat_map(unchecked_queries).collect::<Vec<_>>());
}

#[test]
fn unchecked_query_is_rejected() {
    let past = |text: &str| unchecked_queries(&fake_source(HERE, text));
    assert_one_violation(
        &past("fn f() {\n sqlx::__query_with_result::<Postgres, _>(\"SELECT 1\", Ok(x));\n}"),
        &format!("{HERE}:2: `__query_with_result` is for sqlx's macros; use sqlx::query!"),
    );
    assert_one_violation(&past("use sqlx::__query_scalar_with_result as ask;"), &format!("{HERE}:1:"));
    assert_one_violation(
        &past("fn f() { sqlx::query_as_unchecked!(User, \"SELECT 1\"); }"),
        &format!("{HERE}:1: `query_as_unchecked` doesn't check the types"),
    );
    assert_no_violations(&past("fn f() { sqlx::query!(\"SELECT 1\"); }"));
}

#[test]
fn statements_are_module_and_tenant_scoped() {
    let (tables, doc_tables) = (Tables::of_workspace(), ModuleDocTable::all());
    let statements: Vec<Statement> = program().iter().flat_map(statements).collect();
    assert!(statements.len() > 50, "only {} statements were found", statements.len());
    assert_no_violations(&statements.iter().flat_map(|one| violations(one, &tables, &doc_tables)).collect::<Vec<_>>());
}

/// What is found in a function of billing's, beside users and their view, and the tenants' roles.
fn with(parameters: &str, statement: &str) -> Vec<Violation> {
    in_file("modules/billing/src/postgres/mod.rs", parameters, statement)
}

fn in_file(path: &str, parameters: &str, statement: &str) -> Vec<Violation> {
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
    let source = fake_source(path, &format!("fn f({parameters}) {{\n{statement}\n}}"));
    statements(&source).iter().flat_map(|one| violations(one, &tables, &doc_tables)).collect()
}

const HERE: &str = "modules/billing/src/postgres/mod.rs";

#[test]
fn statement_on_another_modules_table_is_rejected() {
    let own = "SELECT FROM invoices AS i JOIN user_profiles AS p ON p.id = i.user_id WHERE i.tenant_id = $1";
    assert_no_violations(&with("tx: &mut TenantTx", &format!("sqlx::query!(\"{own}\");")));
    for (sql, problem) in [
        ("SELECT id FROM users", "billing touches `users`, which is user's; ask its owner through a contract"),
        ("INSERT INTO users (id) VALUES ($1)", "billing touches `users`, which is user's"),
        (
            "SELECT FROM user_profiles WHERE id IN (SELECT id FROM roles)",
            "billing touches `roles`, which is authorization's",
        ),
        ("SELECT id FROM addresses", "billing reads the view `addresses`, which is user's; list it under \"needs\""),
        ("SELECT id FROM payments", "billing touches `payments`, which no migration makes"),
        ("SELEKT id FROM invoices", "the statement can't be read"),
    ] {
        assert_one_violation(
            &with("tx: &mut TenantTx", &format!("sqlx::query!(\"{sql}\");")),
            &format!("{HERE}:2: {problem}"),
        );
    }
}

#[test]
fn alias_shadowing_table_is_rejected() {
    for sql in [
        "WITH users AS (SELECT * FROM users) SELECT * FROM users",
        "SELECT FROM user_profiles WHERE EXISTS (WITH users AS (SELECT 1) SELECT FROM users)",
        "SELECT FROM users(), users",
    ] {
        let found = with("tx: &mut TenantTx", &format!("sqlx::query!(\"{sql}\");"));
        assert_one_violation(
            &found,
            &format!("{HERE}:2: a part of the statement is called `users`, as a table is; give it"),
        );
    }
    assert_no_violations(&with(
        "tx: &mut TenantTx",
        "sqlx::query!(\"WITH u AS (SELECT * FROM user_profiles) SELECT * FROM u\");",
    ));
}

#[test]
fn sql_outside_repositories_is_rejected() {
    for path in ["src/http/access.rs", "modules/kernel/src/db/pool.rs", "modules/billing/src/subscriptions.rs"] {
        let found = in_file(path, "", "sqlx::query_scalar!(\"SELECT 1\");");
        assert_one_violation(&found, &format!("{path}:2: a statement outside of a module's src/postgres"));
    }
}

#[test]
fn unfiltered_statement_needs_reason() {
    let all = "sqlx::query!(\"SELECT id FROM invoices WHERE paid\");";
    let one = "sqlx::query!(\"SELECT id FROM invoices WHERE tenant_id = $1\");";
    assert_no_violations(&with("tx: &mut TenantTx", one));
    assert_one_violation(
        &with("tx: &mut TenantTx", all),
        &format!("{HERE}:2: `invoices` isn't filtered by tenant; compare"),
    );
    assert_one_violation(&with("tx: &mut SystemTx", all), &format!("{HERE}:2: `invoices` isn't filtered by tenant"));

    let system = format!("// system: reminders go out to all tenants at once.\n{all}");
    assert_no_violations(&with("tx: &mut SystemTx", &system));
    assert_one_violation(
        &with("tx: &mut TenantTx", &system),
        &format!("{HERE}:3: its mark names a way in that it doesn't take"),
    );
    let own = format!("// user rows: what a person pays for, wherever.\n{all}");
    assert_no_violations(&with("tx: &mut UserTx", &own));
    assert_one_violation(
        &with("tx: &mut TenantTx", &own),
        &format!("{HERE}:3: its mark names a way in that it doesn't take"),
    );
}

#[test]
fn invalid_or_unneeded_marker_is_rejected() {
    let all = "sqlx::query!(\"SELECT id FROM invoices WHERE paid\");";
    let found = with("tx: &mut SystemTx", &format!("// system: yes\n{all}"));
    assert_one_violation(&found, &format!("{HERE}:3: `invoices` isn't filtered by tenant"));
    let one = "// system: it needs no reason.\nsqlx::query!(\"SELECT id FROM invoices WHERE tenant_id = $1\");";
    assert_one_violation(
        &with("tx: &mut SystemTx", one),
        &format!("{HERE}:3: it says why it isn't filtered by tenant, and it is"),
    );
}
