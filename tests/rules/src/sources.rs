//! The workspace's files, and Rust as tokens.

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
    /// From the workspace's root, with `/`.
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

/// The names in a folder of the workspace, sorted.
pub(crate) fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let names: BTreeSet<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.into_iter().collect()
}

/// The Rust files below a folder of the workspace.
pub(crate) fn rust_below(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    for name in names(folder) {
        let path = format!("{folder}/{name}");
        if root().join(&path).is_dir() {
            found.extend(rust_below(&path));
        } else if name.ends_with(".rs") {
            found.push(read(&path));
        }
    }
    found
}

/// The Rust files of the modules, of the seeds and of the root package, without those that are compiled for tests alone.
pub(crate) fn program() -> Vec<Source> {
    let mut sources = rust_below("src");
    sources.extend(rust_below("seeds/src"));
    for module in names("modules") {
        sources.extend(rust_below(&format!("modules/{module}/src")));
    }
    let tests: Vec<String> = sources.iter().flat_map(only_for_tests).collect();
    sources.retain(|source| {
        !tests.iter().any(|module| {
            let rest = source.path.strip_prefix(module.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        })
    });
    sources
}

/// The paths, without `.rs`, of the modules that a file declares for tests alone.
fn only_for_tests(source: &Source) -> Vec<String> {
    let (folder, name) = source.path.rsplit_once('/').unwrap();
    let folder = match name {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        name => format!("{folder}/{}", name.trim_end_matches(".rs")),
    };
    let items = parse(source).items;
    let modules = items.iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_none() && is_for_tests(&module.attrs) => Some(module),
        _ => None,
    });
    modules.map(|module| format!("{folder}/{}", module.ident)).collect()
}

fn parse(source: &Source) -> syn::File {
    syn::parse_file(&source.text).unwrap_or_else(|error| panic!("{}: {error}", source.path))
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    })
}

/// The file's tokens, without those of its tests. Comments aren't among them; macros' arguments are, as written.
pub(crate) fn tokens(source: &Source) -> TokenStream {
    let mut file = parse(source);
    file.items.retain(|item| !is_for_tests(attributes(item)));
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

/// Calls with every list of tokens: the outermost one, and what is in each pair of brackets.
pub(crate) fn each_list(stream: TokenStream, look: &mut impl FnMut(&[TokenTree])) {
    let list: Vec<TokenTree> = stream.into_iter().collect();
    look(&list);
    for token in list {
        if let TokenTree::Group(group) = token {
            each_list(group.stream(), look);
        }
    }
}

/// Whether the token there is this word.
pub(crate) fn is_word(list: &[TokenTree], at: usize, word: &str) -> bool {
    matches!(list.get(at), Some(TokenTree::Ident(found)) if found == word)
}

/// Whether the token there is this sign.
pub(crate) fn is_sign(list: &[TokenTree], at: usize, sign: char) -> bool {
    matches!(list.get(at), Some(TokenTree::Punct(found)) if found.as_char() == sign)
}

/// The word there, if it is one.
pub(crate) fn word(list: &[TokenTree], at: usize) -> Option<String> {
    match list.get(at) {
        Some(TokenTree::Ident(word)) => Some(word.to_string()),
        _ => None,
    }
}

pub(crate) fn line(token: &TokenTree) -> usize {
    token.span().start().line
}

/// A made-up file, for the tests of the rules.
pub(crate) fn made_up(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn files_and_items_for_tests_alone_are_not_part_of_the_program() {
    let paths: Vec<String> = program().into_iter().map(|source| source.path).collect();
    for program in ["src/main.rs", "modules/authorization/src/domain/engine.rs", "seeds/src/lib.rs"] {
        assert!(paths.iter().any(|path| path == program), "{program} is missing in {paths:#?}");
    }
    for test in ["engine/tests.rs", "engine/cedar.rs", "engine/cedar/wrong.rs", "src/config/tests.rs"] {
        assert!(!paths.iter().any(|path| path.ends_with(test)), "{test} is among {paths:#?}");
    }
    let both = made_up("a.rs", "fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }");
    assert_eq!(tokens(&both).to_string(), "fn a () { }");
}
