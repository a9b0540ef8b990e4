//! Statements that set their own scope. `OFFSET 0` and `LIMIT` are optimization fences: without them, the planner
//! may read rows before the scope is set, and return none. Such a statement may only consist of the fenced scope,
//! fenced LATERAL parts that depend on it, a projection and ORDER BY (`modules/db/src/single_statement.rs`).

use std::{collections::BTreeSet, ops::ControlFlow};

use sqlparser::ast::{
    Expr, GroupByExpr, LimitClause, Query, Select, SelectItem, SetExpr, Statement, TableFactor, TableWithJoins, Visit,
    Visitor,
};

use crate::{
    sources::{Source, fake_source, program_sources},
    sql::{parse, statements},
    violation::{Violation, assert_all_pass, assert_no_violations, assert_one_violation},
};

/// The functions that set a scope, each with the alias of its column.
const SCOPES: [(&str, &str); 3] =
    [("admitted_scope", "tenant_id"), ("tenant_scope", "tenant_id"), ("user_scope", "user_id")];

/// Returns why a statement that sets a scope isn't fenced, if so.
fn unfenced(sql: &str) -> Option<&'static str> {
    let Ok(Statement::Query(query)) = parse(sql) else { return Some("isn't a single SELECT") };
    let SetExpr::Select(select) = query.body.as_ref() else { return Some("isn't a single SELECT") };
    let limits = query.limit_clause.is_some() || query.fetch.is_some() || !query.locks.is_empty();
    if query.with.is_some() || limits || !only_projects(select) {
        return Some("the outer SELECT has clauses other than FROM and ORDER BY");
    }
    if has_query(&select.projection) || query.order_by.as_ref().is_some_and(has_query) {
        return Some("the outer SELECT has a subquery outside of FROM");
    }
    let Some((scope, parts)) = select.from.split_first() else { return Some("doesn't start with the scope") };
    let Some(scope) = scope_name(scope) else { return Some("doesn't start with the scope, fenced by OFFSET 0") };
    if parts.is_empty() || !parts.iter().all(|part| is_fenced_lateral(part, &scope)) {
        return Some("has parts other than LATERAL subqueries that use the scope, each with OFFSET 0 or LIMIT");
    }
    None
}

/// Returns whether a SELECT only has a projection and FROM.
fn only_projects(select: &Select) -> bool {
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, with) if by.is_empty() && with.is_empty());
    let clauses = [&select.prewhere, &select.selection, &select.having, &select.qualify];
    !grouped && clauses.iter().all(|clause| clause.is_none()) && select.distinct.is_none() && select.into.is_none()
}

/// Returns the alias of the scope, if this is a fenced subquery that sets one.
fn scope_name(from: &TableWithJoins) -> Option<String> {
    let TableFactor::Derived { lateral: false, subquery, alias: Some(alias), .. } = &from.relation else { return None };
    let SetExpr::Select(select) = subquery.body.as_ref() else { return None };
    let [SelectItem::ExprWithAlias { expr: Expr::Function(function), alias: column }] = select.projection.as_slice()
    else {
        return None;
    };
    let name = function.name.to_string();
    let sets_scope = SCOPES.iter().any(|(scope, of)| name == *scope && column.value == *of);
    let is_alone = from.joins.is_empty() && select.from.is_empty() && only_projects(select) && subquery.with.is_none();
    (sets_scope && is_alone && has_offset_0(subquery)).then(|| alias.name.value.clone())
}

/// Returns whether this is a fenced LATERAL subquery that depends on the scope.
fn is_fenced_lateral(from: &TableWithJoins, scope: &str) -> bool {
    let TableFactor::Derived { lateral: true, subquery, .. } = &from.relation else { return false };
    let has_limit = matches!(&subquery.limit_clause, Some(LimitClause::LimitOffset { limit: Some(_), .. }));
    from.joins.is_empty() && (has_offset_0(subquery) || has_limit) && uses(subquery.as_ref(), scope)
}

fn has_offset_0(query: &Query) -> bool {
    let Some(LimitClause::LimitOffset { offset: Some(offset), .. }) = &query.limit_clause else { return false };
    offset.value.to_string() == "0"
}

/// Returns whether the part refers to a column of the scope.
fn uses(part: &impl Visit, scope: &str) -> bool {
    QueryFinder::of(part).names.contains(scope)
}

fn has_query(part: &impl Visit) -> bool {
    QueryFinder::of(part).queries > 0
}

/// Counts queries, and collects the qualifiers of columns.
#[derive(Default)]
struct QueryFinder {
    queries: usize,
    names: BTreeSet<String>,
}

impl QueryFinder {
    fn of(part: &impl Visit) -> Self {
        let mut finder = Self::default();
        let _ = part.visit(&mut finder);
        finder
    }
}

impl Visitor for QueryFinder {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(names) = expression {
            self.names.extend(names.first().map(|name| name.value.clone()));
        }
        ControlFlow::Continue(())
    }
}

fn sets_scope(sql: &str) -> bool {
    SCOPES.iter().any(|(scope, _)| sql.to_lowercase().contains(scope))
}

/// Checks the statements of a file.
fn violations(source: &Source) -> Vec<Violation> {
    let help = "write it as modules/db/src/single_statement.rs describes";
    let all = statements(source);
    let scoped = all.iter().filter(|statement| sets_scope(&statement.sql));
    let unfenced = scoped.filter_map(|statement| Some((statement.line, unfenced(&statement.sql)?)));
    let unfenced = unfenced
        .map(|(line, problem)| Violation::new(&source.path, line, format!("sets a scope, but {problem}"), help));
    // `TenantReader` records that each of its statements has compared the admission.
    let unconfirmed = all.iter().filter(|statement| {
        let takes = |reader| statement.parameters.split(|c: char| !c.is_alphanumeric()).any(|word| word == reader);
        let has = |scope| statement.sql.contains(scope);
        match (takes("Reader"), takes("TenantReader")) {
            (true, _) => has("admitted_scope"),
            (_, true) => !has("admitted_scope"),
            _ => has("tenant_scope"),
        }
    });
    let unconfirmed = unconfirmed.map(|statement| {
        let help = "the statements of a TenantReader call `admitted_scope($1)` with `reader.scope_argument()`; those of a Reader call \
                    `tenant_scope` or `user_scope`";
        Violation::new(&source.path, statement.line, "doesn't set the scope of its reader", help)
    });
    unfenced.chain(unconfirmed).collect()
}

#[test]
fn scoped_statements_are_fenced() {
    let program = program_sources();
    let scoped = program.iter().flat_map(statements).filter(|statement| sets_scope(&statement.sql)).count();
    assert!(scoped >= 9, "expected at least 9 statements, found {scoped}");
    assert_all_pass(violations, &program);
}

#[test]
fn unfenced_statement_is_rejected() {
    let scope = "FROM (SELECT tenant_scope($1) AS tenant_id OFFSET 0) AS s";
    let read = "SELECT * FROM roles AS r WHERE r.tenant_id = s.tenant_id";
    let check = |sql: &str| {
        violations(&fake_source("modules/x/src/store.rs", &format!("fn f(r: &Reader) {{ query!(\"{sql}\") }}")))
    };
    for fenced in [
        format!("SELECT r.id {scope}, LATERAL ({read} OFFSET 0) AS r"),
        format!("SELECT r.id {scope}, LATERAL ({read} LIMIT $2) AS r ORDER BY r.id"),
        format!("SELECT r.id {scope}, LATERAL ({read} OFFSET 0) AS r, LATERAL ({read} LIMIT 1) AS q"),
        "SELECT p.id FROM (SELECT user_scope($1) AS user_id OFFSET 0) AS s,
           LATERAL (SELECT p.id FROM user_profiles AS p WHERE p.id = s.user_id OFFSET 0) AS p"
            .to_owned(),
        "SELECT id FROM roles WHERE tenant_id = $1".to_owned(),
    ] {
        assert_no_violations(&check(&fenced));
    }
    let join = "JOIN memberships AS m ON m.tenant_id = s.tenant_id";
    for unfenced in [
        format!("SELECT r.id {scope}, LATERAL ({read}) AS r"),
        format!("SELECT r.id {scope}, LATERAL ({read} OFFSET 0) AS r {join}"),
        format!(
            "SELECT r.id {scope}, LATERAL ({read} OFFSET 0) AS r, memberships AS m WHERE m.tenant_id = s.tenant_id"
        ),
        format!("SELECT r.id {scope} {join}, LATERAL ({read} OFFSET 0) AS r"),
        format!("SELECT r.id {scope}, LATERAL (SELECT * FROM roles AS r WHERE r.tenant_id = $1 OFFSET 0) AS r"),
        format!("SELECT r.id {scope}, ({read} OFFSET 0) AS r"),
        format!("SELECT r.id, (SELECT count(*) FROM roles) {scope}, LATERAL ({read} OFFSET 0) AS r"),
        format!("SELECT r.id {scope}, LATERAL ({read} OFFSET 0) AS r ORDER BY (SELECT max(id) FROM roles)"),
        format!("SELECT r.id {scope}, LATERAL ({read} OFFSET 0) AS r WHERE r.id IN (SELECT id FROM roles)"),
        format!("WITH m AS (SELECT FROM roles) SELECT r.id {scope}, LATERAL ({read} OFFSET 0) AS r"),
        format!("SELECT r.id {scope}, LATERAL ({read} OFFSET 0) AS r UNION SELECT id FROM roles"),
        format!("SELECT r.id {scope}, roles AS r WHERE r.tenant_id = s.tenant_id OFFSET 0"),
        format!("SELECT r.id {}, LATERAL ({read} OFFSET 0) AS r", scope.replace(" OFFSET 0", "")),
        format!("SELECT r.id {}, LATERAL ({read} OFFSET 0) AS r", scope.replace(" OFFSET", " FROM roles OFFSET")),
        format!("SELECT s.tenant_id {scope}"),
        "SELECT tenant_scope($1), r.id FROM roles AS r".to_owned(),
        "UPDATE roles SET name = '' WHERE tenant_id = tenant_scope($1)".to_owned(),
    ] {
        assert_one_violation(&check(&unfenced), "modules/x/src/store.rs:1: sets a scope, but ");
    }
}

#[test]
fn statement_of_reader_without_its_scope_is_rejected() {
    let check = |parameter: &str, scope: &str| {
        let sql = format!(
            "SELECT r.id FROM (SELECT {scope}($1) AS tenant_id OFFSET 0) AS s,
             LATERAL (SELECT * FROM roles AS r WHERE r.tenant_id = s.tenant_id OFFSET 0) AS r"
        );
        let text = format!("async fn f(&self, reader: &{parameter}) {{ query!(\"{sql}\") }}");
        violations(&fake_source("modules/x/src/store.rs", &text))
    };
    assert_no_violations(&check("TenantReader", "admitted_scope"));
    assert_no_violations(&check("Reader", "tenant_scope"));
    // With `self.database.tenant_reader(…)`.
    assert_no_violations(&check("Permit<P>", "admitted_scope"));
    for (parameter, scope) in [
        ("TenantReader", "tenant_scope"),
        ("TenantReader", "lower"),
        ("Permit<P>", "tenant_scope"),
        ("Reader", "admitted_scope"),
    ] {
        assert_one_violation(
            &check(parameter, scope),
            "modules/x/src/store.rs:1: doesn't set the scope of its reader; the statements of a TenantReader call",
        );
    }
}
