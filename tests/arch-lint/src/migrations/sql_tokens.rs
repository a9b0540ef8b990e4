//! The tokens of a migration.

use sqlparser::{
    dialect::PostgreSqlDialect,
    tokenizer::{Token, Tokenizer},
};

/// A token of SQL and its line. Unquoted words are in lower case.
pub(super) type SqlToken = (String, usize);

/// Returns the tokens of a text, without comments, and including those in dollar-quoted strings.
pub(super) fn sql_tokens(sql: &str, first_line: usize) -> Vec<SqlToken> {
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
