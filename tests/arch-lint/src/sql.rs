//! The SQL statements in a Rust file, which are the arguments of the `query!` macros, and their parser.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use sqlparser::{
    ast,
    dialect::PostgreSqlDialect,
    parser::Parser,
    tokenizer::{Token, Tokenizer},
};

use crate::{
    path_resolution::PathResolver,
    sources::{Source, fake_source, is_punct, line, tokens, word},
};

/// A statement in a source file.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) sql: String,
    /// Read from the comment above the statement.
    pub(crate) exemption: Option<TenantFilterExemption>,
    /// The parameters of the enclosing function.
    pub(crate) parameters: String,
}

/// Why a statement isn't filtered by one tenant, from the marker at the start of the comment above it.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum TenantFilterExemption {
    /// `// system: …`: it spans tenants, and runs as `tenantry_system`.
    System,
    /// `// user rows: …`: it reads a user's own rows across tenants, as row-level security permits.
    UserRows,
}

/// The minimum length of a reason, in bytes.
const MIN_REASON_LENGTH: usize = 12;

impl TenantFilterExemption {
    /// Reads the marker in the comment above a line. The `let` of the statement may be on an earlier line.
    fn above(source: &Source, line: usize) -> Option<Self> {
        let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
        let mut at = line - 1;
        while at > 0 && lines[at - 1].ends_with(['=', '{']) && !lines[at - 1].contains("fn ") {
            at -= 1;
        }
        while at > 0 && lines[at - 1].starts_with("// ") {
            at -= 1;
            for (marker, exemption) in [("// system: ", Self::System), ("// user rows: ", Self::UserRows)] {
                if lines[at].strip_prefix(marker).is_some_and(|reason| reason.len() >= MIN_REASON_LENGTH) {
                    return Some(exemption);
                }
            }
        }
        None
    }
}

/// Returns whether a statement writes rows.
pub(crate) fn is_write(sql: &str) -> bool {
    let words: Vec<String> = sql_tokens(sql, 1).into_iter().map(|(word, _)| word).collect();
    (0..words.len()).any(|at| match words[at].as_str() {
        "insert" | "delete" | "merge" => true,
        // Not `FOR UPDATE` or `FOR NO KEY UPDATE`, which lock.
        "update" => at == 0 || !["for", "key"].contains(&words[at - 1].as_str()),
        _ => false,
    })
}

/// Returns the statements of a file, except those in its test code.
pub(crate) fn statements(source: &Source) -> Vec<Statement> {
    statements_in(tokens(source), source)
}

/// Returns all statements of a file.
pub(crate) fn all_statements(source: &Source) -> Vec<Statement> {
    statements_in(source.text.parse().unwrap(), source)
}

fn statements_in(stream: TokenStream, source: &Source) -> Vec<Statement> {
    let mut statements = Vec::new();
    collect(stream.clone(), "", (source, &PathResolver::of(stream)), &mut statements);
    statements
}

fn collect(stream: TokenStream, parameters: &str, file: (&Source, &PathResolver), statements: &mut Vec<Statement>) {
    let (source, resolver) = file;
    let list: Vec<TokenTree> = stream.into_iter().collect();
    let mut parameters = parameters.to_owned();
    let mut in_signature = false;
    for (at, token) in list.iter().enumerate() {
        if word(&list, at).is_some_and(|word| word == "fn") {
            in_signature = true;
            parameters.clear();
        }
        let TokenTree::Group(group) = token else { continue };
        // The return type may have parentheses as well, as in `Result<(), DbError>`.
        if in_signature && group.delimiter() == Delimiter::Parenthesis {
            parameters.push_str(&group.stream().to_string());
        }
        in_signature &= group.delimiter() != Delimiter::Brace;
        let query =
            (at >= 2 && is_punct(&list, at - 1, '!')).then(|| query_macro_name(&list, at - 2, resolver)).flatten();
        if let Some(name) = query {
            let line = line(&list[at - 2]);
            // `query_file!` isn't supported: the empty statement is rejected.
            let sql = if name.contains("file") { String::new() } else { first_string_literal(group.stream()) };
            let exemption = TenantFilterExemption::above(source, line);
            statements.push(Statement {
                file: source.path.clone(),
                line,
                sql,
                exemption,
                parameters: parameters.clone(),
            });
        }
        collect(group.stream(), &parameters, file, statements);
    }
}

/// Returns the original name of the sqlx macro at this index, even if the file renames it.
fn query_macro_name(list: &[TokenTree], at: usize, resolver: &PathResolver) -> Option<String> {
    word(list, at)?;
    resolver
        .resolve_at(list, at)
        .into_iter()
        .filter_map(|path| path.last().cloned())
        .find(|name| name.starts_with("query"))
}

/// Returns the first string literal of a macro's arguments. Literals that are joined with `+` are one string.
fn first_string_literal(arguments: TokenStream) -> String {
    let literals = arguments.into_iter().skip_while(|token| !matches!(token, TokenTree::Literal(_)));
    let joined = literals.take_while(|token| match token {
        TokenTree::Literal(_) => true,
        TokenTree::Punct(sign) => sign.as_char() == '+',
        _ => false,
    });
    joined.filter_map(|token| syn::parse2::<syn::LitStr>(token.into()).ok()).map(|text| text.value()).collect()
}

/// Parses a single statement. The error says why it can't be parsed.
pub(crate) fn parse(sql: &str) -> Result<ast::Statement, String> {
    // The parser doesn't support these two lock modes. The locked tables are the same.
    let sql = sql.replace("FOR NO KEY UPDATE", "FOR UPDATE").replace("FOR KEY SHARE", "FOR SHARE");
    let statements = Parser::parse_sql(&PostgreSqlDialect {}, &sql).map_err(|error| error.to_string())?;
    let count = statements.len();
    let [statement] =
        <[ast::Statement; 1]>::try_from(statements).map_err(|_| format!("expected one statement, found {count}"))?;
    Ok(statement)
}

/// A token of SQL and its line. Unquoted words are in lower case.
pub(crate) type SqlToken = (String, usize);

/// Returns the tokens of a text, without comments, and including those in dollar-quoted strings.
pub(crate) fn sql_tokens(sql: &str, first_line: usize) -> Vec<SqlToken> {
    let dialect = PostgreSqlDialect {};
    let mut tokens = Vec::new();
    for token in Tokenizer::new(&dialect, sql).tokenize_with_location().unwrap() {
        let line = first_line + usize::try_from(token.span.start.line).unwrap() - 1;
        match token.token {
            Token::Whitespace(_) | Token::EOF => {}
            Token::Word(word) if word.quote_style.is_some() => tokens.push((word.value, line)),
            Token::Word(word) => tokens.push((word.value.to_lowercase(), line)),
            Token::DollarQuotedString(text) => tokens.extend(sql_tokens(&text.value, line)),
            // A quoted string contains no table names: executing one is rejected (`dynamic_sql`).
            Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::UnicodeStringLiteral(_) => tokens.push(("'".to_owned(), line)),
            other => tokens.push((other.to_string(), line)),
        }
    }
    tokens
}

/// Splits at the commas that aren't in parentheses.
pub(crate) fn split_at_commas(tokens: &[SqlToken]) -> Vec<&[SqlToken]> {
    let (mut depth, mut begin, mut parts) = (0_usize, 0, Vec::new());
    for (at, (word, _)) in tokens.iter().enumerate() {
        match word.as_str() {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            "," if depth == 0 => {
                parts.push(&tokens[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tokens[begin..]);
    parts
}

#[test]
fn statements_and_reasons_are_extracted() {
    let source = fake_source(
        "modules/user/src/users.rs",
        r##"
async fn all(&self, tx: &mut SystemTx) {
    // system: the operator counts users
    // of all tenants.
    let all =
        sqlx::query_scalar!(r#"SELECT "id" FROM users"#);
    let query = || query_as!(User, "SELECT 1 " + "FROM a", id);
    // system: so
    select! { _ = sqlx::query!("SELECT 2") => {} }
    use sqlx::{query as q};
    q!("SELECT 3");
}
"##,
    );
    let statements = statements(&source);
    let actual: Vec<_> =
        statements.iter().map(|statement| (statement.line, statement.sql.as_str(), statement.exemption)).collect();
    let all = "SELECT \"id\" FROM users";
    assert_eq!(
        actual,
        [
            (6, all, Some(TenantFilterExemption::System)),
            (7, "SELECT 1 FROM a", None),
            (9, "SELECT 2", None),
            (11, "SELECT 3", None)
        ]
    );
    assert!(statements.iter().all(|statement| statement.parameters.contains("SystemTx")));
}
