//! The files of the workspace, and Rust sources as tokens.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Item, Meta};

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

/// Reads the Rust files of the modules, the seeds and the root package, except those that are only compiled for tests.
pub(crate) fn program_sources() -> Vec<Source> {
    let mut sources = rust_files_in("src");
    sources.extend(rust_files_in("seeds/src"));
    for module in list_dir("modules") {
        sources.extend(rust_files_in(&format!("modules/{module}/src")));
    }
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
        Item::Mod(module) if module.content.is_none() && is_test_only(&module.attrs) => Some(module),
        _ => None,
    });
    modules.map(|module| format!("{folder}/{}", module.ident)).collect()
}

fn parse(source: &Source) -> syn::File {
    syn::parse_file(&source.text).unwrap_or_else(|error| panic!("{}: {error}", source.path))
}

fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    })
}

/// Returns the tokens of a file, without items under `#[cfg(test)]` and without comments. Macros aren't expanded.
pub(crate) fn tokens(source: &Source) -> TokenStream {
    let mut file = parse(source);
    file.items.retain(|item| !is_test_only(attributes(item)));
    file.into_token_stream()
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
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

/// Whether the token at this index is the identifier `word`.
pub(crate) fn is_ident(list: &[TokenTree], at: usize, word: &str) -> bool {
    matches!(list.get(at), Some(TokenTree::Ident(ident)) if ident == word)
}

/// Whether the token at this index is the punctuation character `sign`.
pub(crate) fn is_punct(list: &[TokenTree], at: usize, sign: char) -> bool {
    matches!(list.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
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

/// Creates a sample file for the tests of the rules.
pub(crate) fn fake_source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn test_only_code_is_excluded() {
    let paths: Vec<String> = program_sources().into_iter().map(|source| source.path).collect();
    for program in ["src/main.rs", "modules/authorization/src/domain/engine.rs", "seeds/src/lib.rs"] {
        assert!(paths.iter().any(|path| path == program), "{program} is missing in {paths:#?}");
    }
    for test in ["engine/tests.rs", "engine/cedar.rs", "engine/cedar/mutants.rs", "src/config/tests.rs"] {
        assert!(!paths.iter().any(|path| path.ends_with(test)), "{test} is among {paths:#?}");
    }
    let source = fake_source("a.rs", "fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }");
    assert_eq!(tokens(&source).to_string(), "fn a () { }");
}
