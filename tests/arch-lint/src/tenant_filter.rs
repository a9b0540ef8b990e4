//! Which tables a statement touches, and whether each tenant table among them is bounded by a tenant.
//!
//! Bounded is a table's key that is compared by `=` with a parameter, with the scope that the statement itself opens, or
//! with another column that is bounded; and an inserted row that has one. Only what every row must satisfy counts: a part
//! of an `OR` doesn't, nor does an outer join's condition for the side that is kept anyway.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use sqlparser::{
    ast::{
        BinaryOperator, Delete, Expr, FromTable, Ident, Insert, JoinConstraint, JoinOperator, ObjectName, Query,
        Select, SelectItem, SetExpr, Statement, TableFactor, TableObject, TableWithJoins, Update, UpdateTableFromKind,
        Value, Visit, Visitor,
    },
    dialect::PostgreSqlDialect,
    parser::Parser,
};

#[cfg(test)]
mod tests;

/// What a statement touches.
#[derive(Debug, Default)]
pub(crate) struct StatementTables {
    /// Tables and views, each once.
    pub(crate) relations: BTreeSet<String>,
    /// Tenant tables, once for each place that isn't bounded.
    pub(crate) unfiltered: Vec<String>,
    /// Names that a WITH or a function gives to something that isn't a table. They aren't among the relations, wherever
    /// in the statement they are, so none of them may be a table's.
    pub(crate) defined_names: BTreeSet<String>,
}

/// Reads a statement. `keys` are the tenant tables, each with the column that says whose a row is.
///
/// # Errors
/// Why it can't be read.
pub(crate) fn statement_tables(sql: &str, keys: &BTreeMap<String, String>) -> Result<StatementTables, String> {
    // The parser knows the two locks that PostgreSQL had first. What is locked is the same.
    let sql = sql.replace("FOR NO KEY UPDATE", "FOR UPDATE").replace("FOR KEY SHARE", "FOR SHARE");
    let statements = Parser::parse_sql(&PostgreSqlDialect {}, &sql).map_err(|error| error.to_string())?;
    let [statement] = statements.as_slice() else {
        return Err(format!("{} statements instead of one", statements.len()));
    };
    let known =
        matches!(statement, Statement::Query(_) | Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_));
    if !known {
        return Err("neither SELECT nor INSERT, UPDATE or DELETE".to_owned());
    }
    let mut visitor = StatementVisitor { keys, statement_tables: StatementTables::default(), scopes: Vec::new() };
    let _ = statement.visit(&mut visitor);
    let mut statement_tables = visitor.statement_tables;
    statement_tables.relations.retain(|name| !statement_tables.defined_names.contains(name));
    Ok(statement_tables)
}

/// A column of something in FROM, by the name that it has there.
type Column = (String, String);

/// The columns whose tenant is given.
type FilteredColumns = BTreeSet<Column>;

struct StatementVisitor<'a> {
    keys: &'a BTreeMap<String, String>,
    statement_tables: StatementTables,
    /// From the outermost statement to the innermost.
    scopes: Vec<FilteredColumns>,
}

impl StatementVisitor<'_> {
    /// Enters a FROM with its conditions, and notes which of its tables aren't bounded.
    fn enter(&mut self, from: &[&TableWithJoins], selection: Option<&Expr>, written: Option<Column>) {
        let outer = self.scopes.last().cloned().unwrap_or_default();
        let (mut scope, tables) = FromClause::new(from, selection, &outer);
        scope.filtered.extend(written);
        scope.close();
        for (alias, table) in tables {
            if self.keys.get(&table).is_some_and(|key| !scope.filtered.contains(&(alias, key.clone()))) {
                self.statement_tables.unfiltered.push(table);
            }
        }
        self.scopes.push(scope.filtered);
    }

    /// A row that is written says whose it is.
    fn enter_insert(&mut self, insert: &Insert) {
        let TableObject::TableName(name) = &insert.table else { return self.enter(&[], None, None) };
        let table = unqualified(name);
        let alias = insert.table_alias.as_ref().map_or_else(|| table.clone(), |alias| text(&alias.alias));
        let key = self.keys.get(&table).cloned();
        let written = key.clone().filter(|key| insert.columns.iter().any(|column| unqualified(column) == *key));
        if key.is_some() && written.is_none() {
            self.statement_tables.unfiltered.push(table);
        }
        self.enter(&[], None, written.map(|key| (alias, key)));
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
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let with = query.with.iter().flat_map(|with| &with.cte_tables);
        self.statement_tables.defined_names.extend(with.map(|cte| text(&cte.alias.name)));
        for name in whole_tables(&query.body) {
            self.statement_tables.unfiltered.extend(self.keys.contains_key(&name).then(|| name.clone()));
            self.statement_tables.relations.insert(name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.enter(&select.from.iter().collect::<Vec<_>>(), select.selection.as_ref(), None);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &Select) -> ControlFlow<()> {
        self.scopes.pop();
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

/// A FROM with its conditions.
#[derive(Default)]
struct FromClause {
    filtered: FilteredColumns,
    /// The names in it, with the table's where it is one.
    names: Vec<(String, Option<String>)>,
    /// Where the first column is bounded, so is the second.
    equalities: Vec<(Column, Column)>,
}

impl FromClause {
    /// Gives the tables in it as well, each by its name there and by its own.
    fn new(from: &[&TableWithJoins], selection: Option<&Expr>, outer: &FilteredColumns) -> (Self, Vec<Column>) {
        let mut scope = Self { filtered: outer.clone(), ..Self::default() };
        let mut on = Vec::new();
        for one in from {
            scope.add_joined(one, &mut on);
        }
        for (condition, preserved) in on {
            scope.apply_condition(condition, &preserved);
        }
        if let Some(condition) = selection {
            scope.apply_condition(condition, &PreservedRows::Nothing);
        }
        scope.close();
        let tables = scope.names.iter().filter_map(|(name, table)| Some((name.clone(), table.clone()?))).collect();
        (scope, tables)
    }

    fn add_joined<'a>(&mut self, joined: &'a TableWithJoins, on: &mut Vec<(&'a Expr, PreservedRows)>) {
        self.add(&joined.relation, on);
        for join in &joined.joins {
            let before: BTreeSet<String> = self.names.iter().map(|(name, _)| name.clone()).collect();
            self.add(&join.relation, on);
            let joined =
                self.names.iter().map(|(name, _)| name.clone()).filter(|name| !before.contains(name)).collect();
            let (constraint, preserved) = match &join.join_operator {
                JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => {
                    (constraint, PreservedRows::Nothing)
                }
                JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                    (constraint, PreservedRows::AllBut(joined))
                }
                JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                    (constraint, PreservedRows::AllBut(before))
                }
                _ => continue,
            };
            if let JoinConstraint::On(condition) = constraint {
                on.push((condition, preserved));
            }
        }
    }

    fn add<'a>(&mut self, factor: &'a TableFactor, on: &mut Vec<(&'a Expr, PreservedRows)>) {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let table = unqualified(name);
                let alias = alias.as_ref().map_or_else(|| table.clone(), |alias| text(&alias.name));
                self.shadow(&alias);
                self.names.push((alias, Some(table)));
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.add_joined(table_with_joins, on),
            TableFactor::Derived { subquery, alias: Some(alias), .. } => {
                let alias = text(&alias.name);
                let filtered = filtered_columns(subquery, &self.filtered);
                self.shadow(&alias);
                self.filtered.extend(filtered.into_iter().map(|column| (alias.clone(), column)));
                self.names.push((alias, None));
            }
            TableFactor::Table { alias: Some(alias), .. } | TableFactor::UNNEST { alias: Some(alias), .. } => {
                self.shadow(&text(&alias.name));
                self.names.push((text(&alias.name), None));
            }
            // Whatever else there is has no name by which a column of it could be meant.
            _ => self.names.push((String::new(), None)),
        }
    }

    /// A name in here hides the same name outside.
    fn shadow(&mut self, alias: &str) {
        self.filtered.retain(|(name, _)| name != alias);
    }

    /// Takes from a condition what each row must satisfy, for the names that it decides about.
    fn apply_condition(&mut self, condition: &Expr, preserved: &PreservedRows) {
        let (left, right) = match condition {
            Expr::Nested(inner) => return self.apply_condition(inner, preserved),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.apply_condition(left, preserved);
                return self.apply_condition(right, preserved);
            }
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right }
            | Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => (self.side(left), self.side(right)),
            _ => return,
        };
        match (left, right) {
            (Operand::Column(column), Operand::Parameter) | (Operand::Parameter, Operand::Column(column))
                if preserved.allows_filter_on(&column) =>
            {
                self.filtered.insert(column);
            }
            (Operand::Column(left), Operand::Column(right)) => {
                for (first, second) in [(left.clone(), right.clone()), (right, left)] {
                    if preserved.allows_filter_on(&second) {
                        self.equalities.push((first, second));
                    }
                }
            }
            _ => {}
        }
    }

    fn side(&self, expression: &Expr) -> Operand {
        match expression {
            Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => self.side(inner),
            Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => Operand::Parameter,
            Expr::CompoundIdentifier(names) if names.len() == 2 => Operand::Column((text(&names[0]), text(&names[1]))),
            // Without a name before it, a column is known where there is but one thing that it can be of.
            Expr::Identifier(column) if self.names.len() == 1 => {
                Operand::Column((self.names[0].0.clone(), text(column)))
            }
            _ => Operand::Other,
        }
    }

    /// Follows what is bounded to all that is bounded with it.
    fn close(&mut self) {
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

/// What a join's condition doesn't decide about: rows that are kept whether it holds or not.
enum PreservedRows {
    Nothing,
    AllBut(BTreeSet<String>),
}

impl PreservedRows {
    fn allows_filter_on(&self, (name, _): &Column) -> bool {
        match self {
            Self::Nothing => true,
            Self::AllBut(names) => names.contains(name),
        }
    }
}

/// One side of an equation.
enum Operand {
    Column(Column),
    /// A parameter.
    Parameter,
    Other,
}

/// The tables that are read whole, by `TABLE name`.
fn whole_tables(body: &SetExpr) -> Vec<String> {
    match body {
        SetExpr::Table(table) => vec![table.table_name.clone().unwrap_or_default().to_lowercase()],
        SetExpr::SetOperation { left, right, .. } => [whole_tables(left), whole_tables(right)].concat(),
        _ => Vec::new(),
    }
}

/// The columns of a subquery whose tenant is given.
fn filtered_columns(query: &Query, outer: &FilteredColumns) -> Vec<String> {
    let select = match query.body.as_ref() {
        SetExpr::Select(select) => select,
        SetExpr::Query(inner) => return filtered_columns(inner, outer),
        _ => return Vec::new(),
    };
    let (scope, _) = FromClause::new(&select.from.iter().collect::<Vec<_>>(), select.selection.as_ref(), outer);
    let columns = select.projection.iter().filter_map(|item| {
        let (expression, name) = match item {
            SelectItem::UnnamedExpr(expression) => (expression, None),
            SelectItem::ExprWithAlias { expr, alias } => (expr, Some(text(alias))),
            _ => return None,
        };
        match (expression, scope.side(expression)) {
            (_, Operand::Column(column)) => scope.filtered.contains(&column).then(|| name.unwrap_or(column.1)),
            (Expr::Function(function), _) if unqualified(&function.name) == "tenant_scope" => name,
            _ => None,
        }
    });
    columns.collect()
}

/// A name as PostgreSQL compares it.
fn text(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

/// A name without its schema.
fn unqualified(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(text).unwrap_or_default()
}
