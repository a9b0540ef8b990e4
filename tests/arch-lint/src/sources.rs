//! The files of the workspace, and Rust sources as tokens.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::Item;

/// A file of the workspace.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the workspace root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

pub(crate) fn read(path: &str) -> Source {
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    Source { path: path.to_owned(), text }
}

/// Returns the names in a folder of the workspace, sorted.
pub(crate) fn list_dir(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let names: BTreeSet<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.into_iter().collect()
}

/// Returns the paths of all files below a folder of the workspace.
pub(crate) fn files_in(folder: &str) -> Vec<String> {
    let mut files = Vec::new();
    for name in list_dir(folder) {
        let path = format!("{folder}/{name}");
        if root().join(&path).is_dir() {
            files.extend(files_in(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// Reads the Rust files below a folder of the workspace.
pub(crate) fn rust_files_in(folder: &str) -> Vec<Source> {
    files_in(folder).iter().filter(|path| path.ends_with(".rs")).map(|path| read(path)).collect()
}

/// Returns the folders that match a path in which one or more names may be `*`.
pub(crate) fn folders(pattern: &str) -> Vec<String> {
    let Some((before, after)) = pattern.split_once("/*") else {
        return if root().join(pattern).is_dir() { vec![pattern.to_owned()] } else { Vec::new() };
    };
    list_dir(before).iter().flat_map(|name| folders(&format!("{before}/{name}{after}"))).collect()
}

/// The folders of the root package, the seeds and the modules.
pub(crate) const PROGRAM: [&str; 4] = ["src", "seeds/src", "modules/*/src", "modules/*/api/src"];

/// Reads the Rust files in [`PROGRAM`], except those that are only compiled for tests.
pub(crate) fn program_sources() -> Vec<Source> {
    program_sources_in(&PROGRAM)
}

/// Reads the Rust files in these folders, except those that are only compiled for tests.
pub(crate) fn program_sources_in(patterns: &[&str]) -> Vec<Source> {
    let mut sources: Vec<Source> =
        patterns.iter().flat_map(|pattern| folders(pattern)).flat_map(|folder| rust_files_in(&folder)).collect();
    let test_modules: Vec<String> = sources.iter().flat_map(test_only_modules).collect();
    sources.retain(|source| {
        !test_modules.iter().any(|module| {
            let rest = source.path.strip_prefix(module.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        })
    });
    sources
}

/// Returns the paths, without `.rs`, of the modules that a file declares under `#[cfg(test)]`.
fn test_only_modules(source: &Source) -> Vec<String> {
    let (folder, name) = source.path.rsplit_once('/').unwrap();
    let folder = match name {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        name => format!("{folder}/{}", name.trim_end_matches(".rs")),
    };
    let items = parse(source).items;
    let modules = items.iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_none() && is_test_only(item) => Some(module),
        _ => None,
    });
    modules.map(|module| format!("{folder}/{}", module.ident)).collect()
}

fn parse(source: &Source) -> syn::File {
    syn::parse_file(&source.text).unwrap_or_else(|error| panic!("{}: {error}", source.path))
}

/// Returns whether an item is only compiled for tests or documentation.
fn is_test_only(item: &Item) -> bool {
    let list: Vec<TokenTree> = item.to_token_stream().into_iter().collect();
    let mut attributes = list.chunks(2).take_while(|pair| is_punct(pair, 0, '#')).map(|pair| pair[1].to_string());
    attributes.any(|attribute| {
        ["[cfg (test)]", "[cfg (doc)]"].contains(&attribute.as_str()) || attribute.starts_with("[cfg (all (test ,")
    })
}

/// Returns the tokens of a file, without items under `#[cfg(test)]` and without comments. Macros aren't expanded.
pub(crate) fn tokens(source: &Source) -> TokenStream {
    let mut file = parse(source);
    file.items.retain(|item| !is_test_only(item));
    file.into_token_stream()
}

/// Calls `visit` with each list of tokens: the outermost one, and the contents of each pair of delimiters.
pub(crate) fn for_each_token_list(stream: TokenStream, visit: &mut impl FnMut(&[TokenTree])) {
    let list: Vec<TokenTree> = stream.into_iter().collect();
    visit(&list);
    for token in list {
        if let TokenTree::Group(group) = token {
            for_each_token_list(group.stream(), visit);
        }
    }
}

/// Returns whether the token at this index is the identifier `word`.
pub(crate) fn is_ident(list: &[TokenTree], at: usize, word: &str) -> bool {
    matches!(list.get(at), Some(TokenTree::Ident(ident)) if ident == word)
}

/// Returns whether the token at this index is the punctuation character `sign`.
pub(crate) fn is_punct(list: &[TokenTree], at: usize, sign: char) -> bool {
    matches!(list.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

/// Returns whether the token at this index is a group with this delimiter.
pub(crate) fn is_group(list: &[TokenTree], at: usize, delimiter: Delimiter) -> bool {
    matches!(list.get(at), Some(TokenTree::Group(group)) if group.delimiter() == delimiter)
}

/// Returns the identifier at this index, if the token is one.
pub(crate) fn word(list: &[TokenTree], at: usize) -> Option<String> {
    match list.get(at) {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

pub(crate) fn line(token: &TokenTree) -> usize {
    token.span().start().line
}

/// Returns the texts in backticks.
pub(crate) fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Creates a sample file for the tests of the rules.
pub(crate) fn fake_source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn test_only_code_is_excluded() {
    let paths: Vec<String> = program_sources().into_iter().map(|source| source.path).collect();
    for program in
        ["src/main.rs", "modules/authorization/src/engine/mod.rs", "modules/user/api/src/lib.rs", "seeds/src/lib.rs"]
    {
        assert!(paths.iter().any(|path| path == program), "{program} is missing in {paths:#?}");
    }
    for test in ["escalation/tests.rs", "compiled_policies/cedar.rs", "cedar/mutants.rs", "src/config/tests.rs"] {
        assert!(!paths.iter().any(|path| path.ends_with(test)), "{test} is among {paths:#?}");
    }
    let source = fake_source("a.rs", "fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }");
    assert_eq!(tokens(&source).to_string(), "fn a () { }");
}
