//! What the modules' SQL keeps to: its own tables, and one tenant.

use crate::{
    canvas::{Canvas, made_up_canvas},
    finding::{Finding, assert_none, assert_one},
    migrations::Tables,
    sources::{Source, each_list, line, made_up, program, tokens, word},
    sql::{Mark, Statement, statements},
    tenant_filter::{Touched, touched},
};

/// The findings about one statement.
fn findings(statement: &Statement, tables: &Tables, canvases: &[Canvas]) -> Vec<Finding> {
    let finding = |broke: String, instead| Finding::new(&statement.file, statement.line, broke, instead);
    let module = statement.file.strip_prefix("modules/").and_then(|rest| rest.split('/').next());
    let canvas = canvases.iter().find(|canvas| Some(canvas.module.as_str()) == module);
    let Some(canvas) = canvas.filter(|_| statement.file.contains("/src/postgres/")) else {
        let broke = "a statement outside of a module's src/postgres".to_owned();
        return vec![finding(broke, "put it into a repository of the module that owns the table")];
    };
    let touched = match touched(&statement.sql, &tables.keys) {
        Ok(touched) => touched,
        Err(error) => {
            let broke = format!("the statement can't be read ({error})");
            return vec![finding(broke, "write it as the others are, in one literal, or teach tests/rules to read it")];
        }
    };
    let mut found: Vec<Finding> = touched
        .relations
        .iter()
        .filter_map(|relation| {
            let (broke, instead) = not_its_own(relation, canvas, tables, canvases)?;
            Some(finding(broke, instead))
        })
        .collect();
    for name in touched.given.iter().filter(|name| tables.owners.contains_key(*name)) {
        let broke = format!("a part of the statement is called `{name}`, as a table is");
        found.push(finding(broke, "give it a name of its own, so that what reads the table can be told"));
    }
    found.extend(bounds(statement, &touched).map(|(broke, instead)| finding(broke, instead)));
    found
}

/// Why a module can't touch a table, if so, and what to do instead.
fn not_its_own(
    relation: &str,
    canvas: &Canvas,
    tables: &Tables,
    canvases: &[Canvas],
) -> Option<(String, &'static str)> {
    let module = &canvas.module;
    let owner = tables.owners.get(relation);
    let offered = canvases.iter().any(|other| other.offers.iter().any(|view| view == relation));
    let needed = canvas.needs.iter().any(|view| view == relation);
    match owner {
        Some(owner) if owner == module || (offered && needed) => None,
        Some(owner) if offered => {
            let broke = format!("{module} reads the view `{relation}`, which is {owner}'s");
            Some((broke, "list it under \"needs\" at the head of its module.rs, as \"the view `…`\""))
        }
        Some(owner) => {
            let broke = format!("{module} touches `{relation}`, which is {owner}'s");
            Some((broke, "ask its owner through a contract in the kernel"))
        }
        None => {
            Some((format!("{module} touches `{relation}`, which no migration makes"), "name a table of the module's"))
        }
    }
}

/// Why a statement's tenant isn't right, if so, and what to do instead.
fn bounds(statement: &Statement, touched: &Touched) -> Option<(String, &'static str)> {
    let Some(mark) = statement.mark else {
        let table = touched.unbounded.first()?;
        let instead = "compare its tenant_id with a parameter, or say why not in a comment above: `// system: …` or \
                       `// own rows: …`";
        return Some((format!("`{table}` isn't filtered by tenant"), instead));
    };
    if touched.unbounded.is_empty() {
        let broke = "it says why it isn't filtered by tenant, and it is".to_owned();
        return Some((broke, "take the mark out of the comment"));
    }
    let held = match mark {
        Mark::System => statement.parameters.contains("SystemTx"),
        Mark::OwnRows => statement.parameters.contains("OwnTx") || statement.sql.contains("own_scope($1)"),
    };
    let broke = "its mark names a way in that it doesn't take".to_owned();
    let instead = "`// system:` is for what takes a SystemTx, `// own rows:` for an OwnTx or own_scope($1)";
    (!held).then_some((broke, instead))
}

/// Ways past the check that the macros make. clippy can't ban the first: it is in each macro.
fn past_the_check(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    each_list(tokens(source), &mut |list| {
        for at in 0..list.len() {
            let Some(name) = word(list, at).filter(|word| word.contains("query")) else { continue };
            let (broke, instead) = if name.starts_with("__query") {
                (format!("`{name}` is for sqlx's macros"), "use sqlx::query!, which checks the text")
            } else if name.ends_with("_unchecked") {
                (format!("`{name}` doesn't check the types"), "use the macro without `_unchecked`")
            } else {
                continue;
            };
            found.push(Finding::new(&source.path, line(&list[at]), broke, instead));
        }
    });
    found
}

#[test]
fn no_statement_goes_past_the_check() {
    assert_none(&program().iter().flat_map(past_the_check).collect::<Vec<_>>());
}

#[test]
fn a_statement_that_goes_past_the_check_is_refused() {
    let past = |text: &str| past_the_check(&made_up(HERE, text));
    assert_one(
        &past("fn f() {\n sqlx::__query_with_result::<Postgres, _>(\"SELECT 1\", Ok(x));\n}"),
        &format!("{HERE}:2: `__query_with_result` is for sqlx's macros; use sqlx::query!"),
    );
    assert_one(&past("use sqlx::__query_scalar_with_result as ask;"), &format!("{HERE}:1:"));
    assert_one(
        &past("fn f() { sqlx::query_as_unchecked!(User, \"SELECT 1\"); }"),
        &format!("{HERE}:1: `query_as_unchecked` doesn't check the types"),
    );
    assert_none(&past("fn f() { sqlx::query!(\"SELECT 1\"); }"));
}

#[test]
fn every_statement_keeps_to_its_modules_tables_and_to_one_tenant() {
    let (tables, canvases) = (Tables::of_workspace(), Canvas::all());
    let statements: Vec<Statement> = program().iter().flat_map(statements).collect();
    assert!(statements.len() > 50, "only {} statements were found", statements.len());
    assert_none(&statements.iter().flat_map(|one| findings(one, &tables, &canvases)).collect::<Vec<_>>());
}

/// What is found in a function of billing's, beside users and their view, and the tenants' roles.
fn with(parameters: &str, statement: &str) -> Vec<Finding> {
    in_file("modules/billing/src/postgres/mod.rs", parameters, statement)
}

fn in_file(path: &str, parameters: &str, statement: &str) -> Vec<Finding> {
    let canvases = [
        made_up_canvas("user", "", "`users`, the view `people`, the view `addresses`"),
        made_up_canvas("authorization", "", "`tenants`, `roles`"),
        made_up_canvas("billing", "the view `people`", "`invoices`"),
    ];
    let mut tables = Tables::default();
    for canvas in &canvases {
        tables.owners.extend(canvas.owns.iter().map(|table| (table.clone(), canvas.module.clone())));
    }
    tables.keys.extend([("invoices", "tenant_id"), ("tenants", "id")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    let source = made_up(path, &format!("fn f({parameters}) {{\n{statement}\n}}"));
    statements(&source).iter().flat_map(|one| findings(one, &tables, &canvases)).collect()
}

const HERE: &str = "modules/billing/src/postgres/mod.rs";

#[test]
fn a_statement_on_another_modules_table_is_refused() {
    let own = "SELECT FROM invoices AS i JOIN people AS p ON p.id = i.user_id WHERE i.tenant_id = $1";
    assert_none(&with("tx: &mut TenantTx", &format!("sqlx::query!(\"{own}\");")));
    for (sql, broke) in [
        ("SELECT id FROM users", "billing touches `users`, which is user's; ask its owner through a contract"),
        ("INSERT INTO users (id) VALUES ($1)", "billing touches `users`, which is user's"),
        ("SELECT FROM people WHERE id IN (SELECT id FROM roles)", "billing touches `roles`, which is authorization's"),
        ("SELECT id FROM addresses", "billing reads the view `addresses`, which is user's; list it under \"needs\""),
        ("SELECT id FROM payments", "billing touches `payments`, which no migration makes"),
        ("SELEKT id FROM invoices", "the statement can't be read"),
    ] {
        assert_one(&with("tx: &mut TenantTx", &format!("sqlx::query!(\"{sql}\");")), &format!("{HERE}:2: {broke}"));
    }
}

#[test]
fn a_part_of_a_statement_that_is_called_as_a_table_is_refused() {
    for sql in [
        "WITH users AS (SELECT * FROM users) SELECT * FROM users",
        "SELECT FROM people WHERE EXISTS (WITH users AS (SELECT 1) SELECT FROM users)",
        "SELECT FROM users(), users",
    ] {
        let found = with("tx: &mut TenantTx", &format!("sqlx::query!(\"{sql}\");"));
        assert_one(&found, &format!("{HERE}:2: a part of the statement is called `users`, as a table is; give it"));
    }
    assert_none(&with("tx: &mut TenantTx", "sqlx::query!(\"WITH u AS (SELECT * FROM people) SELECT * FROM u\");"));
}

#[test]
fn a_statement_outside_of_a_modules_repositories_is_refused() {
    for path in ["src/http/guard.rs", "modules/kernel/src/db/pool.rs", "modules/billing/src/subscriptions.rs"] {
        let found = in_file(path, "", "sqlx::query_scalar!(\"SELECT 1\");");
        assert_one(&found, &format!("{path}:2: a statement outside of a module's src/postgres"));
    }
}

#[test]
fn a_statement_that_is_not_filtered_by_tenant_says_why() {
    let all = "sqlx::query!(\"SELECT id FROM invoices WHERE paid\");";
    let one = "sqlx::query!(\"SELECT id FROM invoices WHERE tenant_id = $1\");";
    assert_none(&with("tx: &mut TenantTx", one));
    assert_one(&with("tx: &mut TenantTx", all), &format!("{HERE}:2: `invoices` isn't filtered by tenant; compare"));
    assert_one(&with("tx: &mut SystemTx", all), &format!("{HERE}:2: `invoices` isn't filtered by tenant"));

    let system = format!("// system: reminders go out to all tenants at once.\n{all}");
    assert_none(&with("tx: &mut SystemTx", &system));
    assert_one(&with("tx: &mut TenantTx", &system), &format!("{HERE}:3: its mark names a way in that it doesn't take"));
    let own = format!("// own rows: what a person pays for, wherever.\n{all}");
    assert_none(&with("tx: &mut OwnTx", &own));
    assert_one(&with("tx: &mut TenantTx", &own), &format!("{HERE}:3: its mark names a way in that it doesn't take"));
}

#[test]
fn a_mark_without_a_reason_or_without_need_is_refused() {
    let all = "sqlx::query!(\"SELECT id FROM invoices WHERE paid\");";
    let found = with("tx: &mut SystemTx", &format!("// system: yes\n{all}"));
    assert_one(&found, &format!("{HERE}:3: `invoices` isn't filtered by tenant"));
    let one = "// system: it needs no reason.\nsqlx::query!(\"SELECT id FROM invoices WHERE tenant_id = $1\");";
    assert_one(
        &with("tx: &mut SystemTx", one),
        &format!("{HERE}:3: it says why it isn't filtered by tenant, and it is"),
    );
}
