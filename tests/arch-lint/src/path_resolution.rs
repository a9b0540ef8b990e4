//! The paths that a Rust file says, each written out by what the file imports: `fs::read` is `std::fs::read` where there is
//! a `use std::{fs, sync::Arc}`, and so is `f::read` after `use std::fs as f`.
//!
//! What can't be seen in a file alone, isn't: what comes in by `use x::*`, what another file exports anew under a name of
//! its own, and what a type alias or a macro stands for.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::{ItemExternCrate, ItemUse, UseTree};

use crate::sources::{fake_source, is_sign, is_word, line, tokens, word};

/// A path's parts. One that imports all there is ends in `*`.
pub(crate) type Path = Vec<String>;

/// A path that a file says, in a `use` or elsewhere.
#[derive(Debug)]
pub(crate) struct ResolvedPath {
    pub(crate) path: Path,
    pub(crate) line: usize,
}

/// What the names in a file mean.
#[derive(Debug, Default)]
pub(crate) struct PathResolver {
    /// By a name in the file: the paths that it is imported for. They are several where parts of a file differ.
    imports: BTreeMap<String, BTreeSet<Path>>,
    /// All paths of more than one part, and imported names.
    pub(crate) said: Vec<ResolvedPath>,
}

/// Imports that follow one another, at the most: two may name each other.
const MAX_IMPORT_DEPTH: usize = 8;

impl PathResolver {
    pub(crate) fn of(stream: TokenStream) -> Self {
        let mut names = Self::default();
        let mut uses = Vec::new();
        names.import(stream.clone(), &mut uses);
        for (path, line) in uses {
            names.say(&path, line);
        }
        names.read(stream);
        names
    }

    /// The paths that these parts may stand for: themselves where nothing is imported by the first one's name.
    pub(crate) fn resolve(&self, parts: &[String]) -> Vec<Path> {
        let mut paths = vec![parts.to_vec()];
        for _ in 0..MAX_IMPORT_DEPTH {
            let before = paths.clone();
            paths = before.iter().flat_map(|path| self.one_step(path)).collect::<BTreeSet<_>>().into_iter().collect();
            if paths == before {
                break;
            }
        }
        paths
    }

    /// The paths that the name there may stand for, with what is before it in its path.
    pub(crate) fn at(&self, list: &[TokenTree], at: usize) -> Vec<Path> {
        let mut begin = at;
        while begin >= 3 && is_sign(list, begin - 1, ':') && is_sign(list, begin - 2, ':') {
            if word(list, begin - 3).is_none() {
                break;
            }
            begin -= 3;
        }
        let parts: Path = (begin..=at).step_by(3).filter_map(|at| word(list, at)).collect();
        self.resolve(&parts)
    }

    fn one_step(&self, path: &Path) -> Vec<Path> {
        let Some(imported) = path.first().and_then(|first| self.imports.get(first)) else { return vec![path.clone()] };
        // `use std;` and the like stand for themselves.
        let stays = |to: &Path| to.first() == path.first();
        imported.iter().map(|to| if stays(to) { path.clone() } else { [to, &path[1..]].concat() }).collect()
    }

    fn say(&mut self, path: &[String], line: usize) {
        self.said.extend(self.resolve(path).into_iter().map(|path| ResolvedPath { path, line }));
    }

    /// Takes the imports, wherever in the file they are; they are for all of it.
    fn import(&mut self, stream: TokenStream, uses: &mut Vec<(Path, usize)>) {
        let list: Vec<TokenTree> = stream.into_iter().collect();
        for at in 0..list.len() {
            if let Some(end) = end_of_import(&list, at) {
                let item: TokenStream = list[at..=end].iter().cloned().collect();
                if let Ok(item) = syn::parse2::<ItemUse>(item.clone()) {
                    self.import_tree(&item.tree, &mut Vec::new(), uses);
                } else if let Ok(ItemExternCrate { ident, rename: Some((_, name)), .. }) = syn::parse2(item) {
                    self.imports.entry(name.to_string()).or_default().insert(vec![ident.to_string()]);
                }
            }
            if let TokenTree::Group(group) = &list[at] {
                self.import(group.stream(), uses);
            }
        }
    }

    fn import_tree(&mut self, tree: &UseTree, before: &mut Path, uses: &mut Vec<(Path, usize)>) {
        let (name, last, ident) = match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.import_tree(&path.tree, before, uses);
                before.pop();
                return;
            }
            UseTree::Group(group) => return group.items.iter().for_each(|tree| self.import_tree(tree, before, uses)),
            UseTree::Glob(glob) => {
                let path = [before.as_slice(), &["*".to_owned()]].concat();
                return uses.push((path, glob.star_token.spans[0].start().line));
            }
            UseTree::Name(name) => (&name.ident, &name.ident, &name.ident),
            UseTree::Rename(rename) => (&rename.rename, &rename.ident, &rename.ident),
        };
        let mut path = before.clone();
        // `use a::{self}` is `use a`.
        if *last != "self" || path.is_empty() {
            path.push(last.to_string());
        }
        let name = if *name == "self" { path.last().cloned().unwrap_or_default() } else { name.to_string() };
        uses.push((path.clone(), ident.span().start().line));
        self.imports.entry(name).or_default().insert(path);
    }

    /// Takes the paths outside of imports.
    fn read(&mut self, stream: TokenStream) {
        let list: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while at < list.len() {
            if let Some(end) = end_of_import(&list, at) {
                at = end;
            } else if let TokenTree::Group(group) = &list[at] {
                self.read(group.stream());
            } else if begins_path(&list, at) {
                let (place, mut parts) = (line(&list[at]), Path::from_iter(word(&list, at)));
                while is_sign(&list, at + 1, ':') && is_sign(&list, at + 2, ':') {
                    let Some(part) = word(&list, at + 3) else { break };
                    parts.push(part);
                    at += 3;
                }
                if parts.len() > 1 || self.imports.contains_key(&parts[0]) {
                    self.say(&parts, place);
                }
            }
            at += 1;
        }
    }
}

/// Where an import ends that begins there.
pub(crate) fn end_of_import(list: &[TokenTree], at: usize) -> Option<usize> {
    let begins = (is_word(list, at, "use") && !is_sign(list, at + 1, '<'))
        || (is_word(list, at, "extern") && is_word(list, at + 1, "crate"));
    let end =
        list.get(at..)?.iter().position(|token| matches!(token, TokenTree::Punct(sign) if sign.as_char() == ';'))?;
    begins.then_some(at + end)
}

/// Whether a path begins there: with a word that is no field, no method, no lifetime, and no part of a path before it.
fn begins_path(list: &[TokenTree], at: usize) -> bool {
    let before = |sign| at >= 1 && is_sign(list, at - 1, sign);
    let of_value = before('.') && !(at >= 2 && is_sign(list, at - 2, '.'));
    let goes_on = before(':') && at >= 3 && is_sign(list, at - 2, ':') && {
        word(list, at - 3).is_some() || is_sign(list, at - 3, '>')
    };
    word(list, at).is_some() && !of_value && !goes_on && !before('\'')
}

#[test]
fn paths_resolve_through_imports() {
    let said = |text: &str| -> Vec<String> {
        let names = PathResolver::of(tokens(&fake_source("a.rs", text)));
        names.said.iter().map(|said| format!("{}:{}", said.line, said.path.join("::"))).collect()
    };
    for (text, expected) in [
        ("use std::{fs, sync::Arc};\nfn f() { fs::read(x); }", "1:std::fs 1:std::sync::Arc 2:std::fs::read"),
        (
            "use std::{\n fs as f,\n fs::File as F,\n};\nfn g(_: F) { f::x(); }",
            "2:std::fs 3:std::fs::File 5:std::fs::File 5:std::fs::x",
        ),
        (
            "use std as s; use s::env::{self, *}; fn f() { env::var(x) }",
            "1:std 1:std::env 1:std::env::* 1:std::env::var",
        ),
        ("extern crate std as s; fn f() { s::env::args(); }", "1:std::env::args"),
        ("fn f() { use tokio::spawn; go!(spawn(w())); }", "1:tokio::spawn"),
        ("fn f<'a>(b: &'a B) { ::std::fs::read(b.c, d::<e::F>()); }", "1:std::fs::read 1:e::F"),
        ("use a::fs; use b::fs; fn f() { fs::x; }", "1:a::fs 1:b::fs 1:a::fs::x 1:b::fs::x"),
        ("fn f() -> impl X + use<'_> { a::c; 0..b::D }", "1:a::c 1:b::D"),
    ] {
        let mut said = said(text);
        let mut expected: Vec<&str> = expected.split(' ').collect();
        said.sort();
        said.dedup();
        expected.sort_unstable();
        assert_eq!(said, expected, "{text}");
    }
}
