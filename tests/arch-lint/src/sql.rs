//! The SQL statements in a Rust file: what the `query!` macros are given.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::{
    path_resolution::PathResolver,
    sources::{Source, fake_source, is_sign, line, tokens, word},
};

/// A statement that the program sends.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) sql: String,
    /// What the comment above says of a statement that isn't bounded by one tenant.
    pub(crate) exemption: Option<TenantFilterExemption>,
    /// The parameters of the function around it.
    pub(crate) parameters: String,
}

/// Why a statement isn't bounded by one tenant, as the first words of the comment above it say.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum TenantFilterExemption {
    /// `// system: …`: it spans tenants, in the system role.
    System,
    /// `// user rows: …`: it reads a person's own rows across tenants, as row-level security lets them.
    UserRows,
}

/// The shortest reason that says something.
const MIN_REASON_LENGTH: usize = 12;

impl TenantFilterExemption {
    /// The mark of the comment that ends on the line before this one. A declaration may begin a line earlier.
    fn above(source: &Source, line: usize) -> Option<Self> {
        let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
        let mut at = line - 1;
        while at > 0 && lines[at - 1].ends_with(['=', '{']) && !lines[at - 1].contains("fn ") {
            at -= 1;
        }
        while at > 0 && lines[at - 1].starts_with("// ") {
            at -= 1;
            for (words, exemption) in [("// system: ", Self::System), ("// user rows: ", Self::UserRows)] {
                if lines[at].strip_prefix(words).is_some_and(|reason| reason.len() >= MIN_REASON_LENGTH) {
                    return Some(exemption);
                }
            }
        }
        None
    }
}

/// The statements of a file, without those of its tests.
pub(crate) fn statements(source: &Source) -> Vec<Statement> {
    of_tokens(tokens(source), source)
}

/// All statements of a file.
pub(crate) fn all_statements(source: &Source) -> Vec<Statement> {
    of_tokens(source.text.parse().unwrap(), source)
}

fn of_tokens(stream: TokenStream, source: &Source) -> Vec<Statement> {
    let mut found = Vec::new();
    collect(stream.clone(), "", (source, &PathResolver::of(stream)), &mut found);
    found
}

fn collect(stream: TokenStream, parameters: &str, file: (&Source, &PathResolver), found: &mut Vec<Statement>) {
    let (source, names) = file;
    let list: Vec<TokenTree> = stream.into_iter().collect();
    let mut parameters = parameters.to_owned();
    let mut in_signature = false;
    for (at, token) in list.iter().enumerate() {
        in_signature |= word(&list, at).is_some_and(|word| word == "fn");
        let TokenTree::Group(group) = token else { continue };
        if in_signature && group.delimiter() == Delimiter::Parenthesis {
            parameters = group.stream().to_string();
        }
        in_signature &= group.delimiter() != Delimiter::Brace;
        let query = (at >= 2 && is_sign(&list, at - 1, '!')).then(|| query_macro_name(&list, at - 2, names)).flatten();
        if let Some(name) = query {
            let line = line(&list[at - 2]);
            // A statement in a file of its own is nothing that is read here: an empty one is refused.
            let sql = if name.contains("file") { String::new() } else { text(group.stream()) };
            let exemption = TenantFilterExemption::above(source, line);
            found.push(Statement { file: source.path.clone(), line, sql, exemption, parameters: parameters.clone() });
        }
        collect(group.stream(), &parameters, file, found);
    }
}

/// The macro of sqlx's whose name is there, by its own name, whatever the file calls it.
fn query_macro_name(list: &[TokenTree], at: usize, names: &PathResolver) -> Option<String> {
    word(list, at)?;
    names.at(list, at).into_iter().filter_map(|path| path.last().cloned()).find(|name| name.starts_with("query"))
}

/// The first text among a macro's arguments; texts that are added up are one.
fn text(arguments: TokenStream) -> String {
    let literals = arguments.into_iter().skip_while(|token| !matches!(token, TokenTree::Literal(_)));
    let added = literals.take_while(|token| match token {
        TokenTree::Literal(_) => true,
        TokenTree::Punct(sign) => sign.as_char() == '+',
        _ => false,
    });
    added.filter_map(|token| syn::parse2::<syn::LitStr>(token.into()).ok()).map(|text| text.value()).collect()
}

#[test]
fn sql_extraction() {
    let source = fake_source(
        "modules/user/src/postgres/mod.rs",
        r##"
async fn all(&self, tx: &mut SystemTx) {
    // system: the operator counts people,
    // whoever they are.
    let all =
        sqlx::query_scalar!(r#"SELECT "id" FROM users"#);
    let query = || query_as!(User, "SELECT 1 " + "FROM a", id);
    // system: so
    select! { _ = sqlx::query!("SELECT 2") => {} }
    use sqlx::{query as ask};
    ask!("SELECT 3");
}
"##,
    );
    let found = statements(&source);
    let seen: Vec<_> = found.iter().map(|found| (found.line, found.sql.as_str(), found.exemption)).collect();
    let all = "SELECT \"id\" FROM users";
    assert_eq!(
        seen,
        [
            (6, all, Some(TenantFilterExemption::System)),
            (7, "SELECT 1 FROM a", None),
            (9, "SELECT 2", None),
            (11, "SELECT 3", None)
        ]
    );
    assert!(found.iter().all(|found| found.parameters.contains("SystemTx")));
}
