//! The tables that a statement uses, and whether each tenant table among them is filtered by tenant.
//!
//! A tenant table is filtered if its key is compared by `=` with a parameter, with the scope that the statement sets,
//! or with another filtered column. An inserted row must set the key. Only conditions that every row must satisfy
//! count: not the operands of `OR`, and not the condition of an outer join for the preserved side.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use sqlparser::ast::{
    BinaryOperator, Delete, Expr, FromTable, Ident, Insert, JoinConstraint, JoinOperator, ObjectName, Query, Select,
    SelectItem, SetExpr, Statement, TableFactor, TableObject, TableWithJoins, Update, UpdateTableFromKind, Value,
    Visit, Visitor,
};

use crate::sql::parse;

#[cfg(test)]
mod tests;

/// The view of the users of all tenants.
const USERS: &str = "user_profiles";

/// The tables that a statement uses.
#[derive(Debug, Default)]
pub(crate) struct StatementTables {
    /// Tables and views, without duplicates.
    pub(crate) relations: BTreeSet<String>,
    /// Tenant tables, once for each use that isn't filtered.
    pub(crate) unfiltered: Vec<String>,
    /// Whether [`USERS`] is used without a comparison of its id with a `user_id`.
    pub(crate) has_unjoined_users: bool,
    /// Names of CTEs and functions. They are removed from the relations regardless of their scope, so they must not be
    /// names of tables.
    pub(crate) defined_names: BTreeSet<String>,
}

/// Parses a statement. `keys` contains the tenant tables, each with the column of the tenant's id. The error says why
/// the statement can't be parsed.
pub(crate) fn statement_tables(sql: &str, keys: &BTreeMap<String, String>) -> Result<StatementTables, String> {
    let statement = parse(sql)?;
    let is_supported =
        matches!(statement, Statement::Query(_) | Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_));
    if !is_supported {
        return Err("not a SELECT, INSERT, UPDATE or DELETE".to_owned());
    }
    let mut visitor =
        StatementVisitor { keys, statement_tables: StatementTables::default(), filtered_stack: Vec::new() };
    let _ = statement.visit(&mut visitor);
    let mut statement_tables = visitor.statement_tables;
    statement_tables.relations.retain(|name| !statement_tables.defined_names.contains(name));
    Ok(statement_tables)
}

/// A column of an item in FROM: the item's alias and the column's name.
type Column = (String, String);

/// The columns that are filtered by tenant.
type FilteredColumns = BTreeSet<Column>;

struct StatementVisitor<'a> {
    keys: &'a BTreeMap<String, String>,
    statement_tables: StatementTables,
    /// The filtered columns of each open query, from the outermost to the innermost.
    filtered_stack: Vec<FilteredColumns>,
}

impl StatementVisitor<'_> {
    /// Enters a FROM with its conditions, and records its unfiltered tables.
    fn enter(&mut self, from: &[&TableWithJoins], selection: Option<&Expr>, inserted: Option<Column>) {
        let outer = self.filtered_stack.last().cloned().unwrap_or_default();
        let mut clause = FromClause::new(from, selection, &outer);
        clause.filtered.extend(inserted);
        clause.apply_equalities();
        for (alias, table) in &clause.aliases {
            let key = table.as_ref().and_then(|table| self.keys.get(table));
            if key.is_some_and(|key| !clause.filtered.contains(&(alias.clone(), key.clone()))) {
                self.statement_tables.unfiltered.extend(table.clone());
            }
        }
        for (alias, _) in clause.aliases.iter().filter(|(_, table)| table.as_deref() == Some(USERS)) {
            let id = (alias.clone(), "id".to_owned());
            let is_joined = clause.equalities.iter().any(|((_, first), second)| first == "user_id" && *second == id);
            self.statement_tables.has_unjoined_users |= !is_joined;
        }
        self.filtered_stack.push(clause.filtered);
    }

    /// An inserted row must set the key of the table.
    fn enter_insert(&mut self, insert: &Insert) {
        let TableObject::TableName(name) = &insert.table else { return self.enter(&[], None, None) };
        let table = unqualified(name);
        let alias = insert.table_alias.as_ref().map_or_else(|| table.clone(), |alias| normalize(&alias.alias));
        let key = self.keys.get(&table).cloned();
        let inserted = key.clone().filter(|key| insert.columns.iter().any(|column| unqualified(column) == *key));
        if key.is_some() && inserted.is_none() {
            self.statement_tables.unfiltered.push(table);
        }
        self.enter(&[], None, inserted.map(|key| (alias, key)));
    }
}

impl Visitor for StatementVisitor<'_> {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        match statement {
            Statement::Update(Update { table, from, selection, .. }) => {
                let others = match from {
                    Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) => from.as_slice(),
                    None => &[],
                };
                let from: Vec<_> = [table].into_iter().chain(others).collect();
                self.enter(&from, selection.as_ref(), None);
            }
            Statement::Delete(Delete { from, using, selection, .. }) => {
                let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = from;
                let from: Vec<_> = from.iter().chain(using.iter().flatten()).collect();
                self.enter(&from, selection.as_ref(), None);
            }
            Statement::Insert(insert) => self.enter_insert(insert),
            _ => self.enter(&[], None, None),
        }
        ControlFlow::Continue(())
    }

    fn post_visit_statement(&mut self, _: &Statement) -> ControlFlow<()> {
        self.filtered_stack.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let with = query.with.iter().flat_map(|with| &with.cte_tables);
        self.statement_tables.defined_names.extend(with.map(|cte| normalize(&cte.alias.name)));
        for name in whole_tables(&query.body) {
            self.statement_tables.unfiltered.extend(self.keys.contains_key(&name).then(|| name.clone()));
            self.statement_tables.has_unjoined_users |= name == USERS;
            self.statement_tables.relations.insert(name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.enter(&select.from.iter().collect::<Vec<_>>(), select.selection.as_ref(), None);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &Select) -> ControlFlow<()> {
        self.filtered_stack.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        self.statement_tables.relations.insert(unqualified(relation));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: Some(_), .. } = factor {
            self.statement_tables.defined_names.insert(unqualified(name));
        }
        ControlFlow::Continue(())
    }
}

/// A FROM clause with its conditions.
#[derive(Default)]
struct FromClause {
    filtered: FilteredColumns,
    /// The items' aliases, each with its table. `None`: the item isn't a table.
    aliases: Vec<(String, Option<String>)>,
    /// Pairs of columns that are compared: if the first is filtered, so is the second.
    equalities: Vec<(Column, Column)>,
}

impl FromClause {
    fn new(from: &[&TableWithJoins], selection: Option<&Expr>, outer: &FilteredColumns) -> Self {
        let mut clause = Self { filtered: outer.clone(), ..Self::default() };
        let mut on = Vec::new();
        for joined in from {
            clause.add_joined(joined, &mut on);
        }
        for (condition, aliases) in on {
            clause.apply_condition(condition, &aliases);
        }
        if let Some(condition) = selection {
            clause.apply_condition(condition, &None);
        }
        clause.apply_equalities();
        clause
    }

    fn add_joined<'a>(&mut self, joined: &'a TableWithJoins, on: &mut Vec<(&'a Expr, FilteredAliases)>) {
        self.add(&joined.relation, on);
        for join in &joined.joins {
            let before: BTreeSet<String> = self.aliases.iter().map(|(alias, _)| alias.clone()).collect();
            self.add(&join.relation, on);
            let added =
                self.aliases.iter().map(|(alias, _)| alias.clone()).filter(|alias| !before.contains(alias)).collect();
            let (constraint, filtered) = match &join.join_operator {
                JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => (constraint, None),
                JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (constraint, Some(added)),
                JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => (constraint, Some(before)),
                _ => continue,
            };
            if let JoinConstraint::On(condition) = constraint {
                on.push((condition, filtered));
            }
        }
    }

    fn add<'a>(&mut self, factor: &'a TableFactor, on: &mut Vec<(&'a Expr, FilteredAliases)>) {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let table = unqualified(name);
                let alias = alias.as_ref().map_or_else(|| table.clone(), |alias| normalize(&alias.name));
                self.shadow(&alias);
                self.aliases.push((alias, Some(table)));
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.add_joined(table_with_joins, on),
            TableFactor::Derived { subquery, alias: Some(alias), .. } => {
                let alias = normalize(&alias.name);
                let filtered = filtered_columns(subquery, &self.filtered);
                self.shadow(&alias);
                self.filtered.extend(filtered.into_iter().map(|column| (alias.clone(), column)));
                self.aliases.push((alias, None));
            }
            TableFactor::Table { alias: Some(alias), .. } | TableFactor::UNNEST { alias: Some(alias), .. } => {
                self.shadow(&normalize(&alias.name));
                self.aliases.push((normalize(&alias.name), None));
            }
            // Other items have no alias, so no column can refer to them.
            _ => self.aliases.push((String::new(), None)),
        }
    }

    /// An alias hides the same alias of the outer query.
    fn shadow(&mut self, alias: &str) {
        self.filtered.retain(|(name, _)| name != alias);
    }

    /// Records the comparisons of a condition, as far as they filter the rows of these aliases.
    fn apply_condition(&mut self, condition: &Expr, aliases: &FilteredAliases) {
        let (left, right) = match condition {
            Expr::Nested(inner) => return self.apply_condition(inner, aliases),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.apply_condition(left, aliases);
                return self.apply_condition(right, aliases);
            }
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right }
            | Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
                (self.operand(left), self.operand(right))
            }
            _ => return,
        };
        match (left, right) {
            (Operand::Column(column), Operand::Parameter) | (Operand::Parameter, Operand::Column(column))
                if allows_filter_on(aliases, &column) =>
            {
                self.filtered.insert(column);
            }
            (Operand::Column(left), Operand::Column(right)) => {
                for (first, second) in [(left.clone(), right.clone()), (right, left)] {
                    if allows_filter_on(aliases, &second) {
                        self.equalities.push((first, second));
                    }
                }
            }
            _ => {}
        }
    }

    fn operand(&self, expression: &Expr) -> Operand {
        match expression {
            Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => self.operand(inner),
            Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => Operand::Parameter,
            Expr::CompoundIdentifier(names) if names.len() == 2 => {
                Operand::Column((normalize(&names[0]), normalize(&names[1])))
            }
            // An unqualified column is only known if FROM has a single item.
            Expr::Identifier(column) if self.aliases.len() == 1 => {
                Operand::Column((self.aliases[0].0.clone(), normalize(column)))
            }
            _ => Operand::Other,
        }
    }

    /// Marks all columns that equal a filtered column as filtered.
    fn apply_equalities(&mut self) {
        loop {
            let next = self
                .equalities
                .iter()
                .filter(|(first, second)| self.filtered.contains(first) && !self.filtered.contains(second));
            let next: Vec<Column> = next.map(|(_, second)| second.clone()).collect();
            if next.is_empty() {
                return;
            }
            self.filtered.extend(next);
        }
    }
}

/// The aliases that a condition filters. `None`: all. The condition of an outer join doesn't filter the preserved side.
type FilteredAliases = Option<BTreeSet<String>>;

fn allows_filter_on(aliases: &FilteredAliases, (alias, _): &Column) -> bool {
    aliases.as_ref().is_none_or(|aliases| aliases.contains(alias))
}

/// An operand of a comparison.
enum Operand {
    Column(Column),
    Parameter,
    Other,
}

/// Returns the tables that are read with `TABLE name`.
fn whole_tables(body: &SetExpr) -> Vec<String> {
    match body {
        SetExpr::Table(table) => vec![table.table_name.clone().unwrap_or_default().to_lowercase()],
        SetExpr::SetOperation { left, right, .. } => [whole_tables(left), whole_tables(right)].concat(),
        _ => Vec::new(),
    }
}

/// Returns the columns of a subquery that are filtered by tenant.
fn filtered_columns(query: &Query, outer: &FilteredColumns) -> Vec<String> {
    let select = match query.body.as_ref() {
        SetExpr::Select(select) => select,
        SetExpr::Query(inner) => return filtered_columns(inner, outer),
        _ => return Vec::new(),
    };
    let clause = FromClause::new(&select.from.iter().collect::<Vec<_>>(), select.selection.as_ref(), outer);
    let columns = select.projection.iter().filter_map(|item| {
        let (expression, name) = match item {
            SelectItem::UnnamedExpr(expression) => (expression, None),
            SelectItem::ExprWithAlias { expr, alias } => (expr, Some(normalize(alias))),
            _ => return None,
        };
        match (expression, clause.operand(expression)) {
            (_, Operand::Column(column)) => clause.filtered.contains(&column).then(|| name.unwrap_or(column.1)),
            (Expr::Function(function), _)
                if ["admitted_scope", "tenant_scope"].contains(&unqualified(&function.name).as_str()) =>
            {
                name
            }
            _ => None,
        }
    });
    columns.collect()
}

/// Folds an unquoted name to lower case, as PostgreSQL does.
fn normalize(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

/// Returns a name without its schema.
fn unqualified(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(normalize).unwrap_or_default()
}
