//! The paths in a Rust file, resolved by the imports of the file: `fs::read` is `std::fs::read` after
//! `use std::{fs, sync::Arc}`, and so is `f::read` after `use std::fs as f`.
//!
//! Only imports in the file itself are resolved. Glob imports, re-exports under other names, type aliases and macros
//! aren't.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::{ItemExternCrate, ItemUse, UseTree};

use crate::sources::{fake_source, is_ident, is_punct, line, tokens, word};

/// The segments of a path. A glob import ends in `*`.
pub(crate) type Path = Vec<String>;

/// A path in a file, in a `use` or elsewhere.
#[derive(Debug)]
pub(crate) struct ResolvedPath {
    pub(crate) path: Path,
    pub(crate) line: usize,
    /// Whether this is a `use` with a visibility.
    pub(crate) is_reexport: bool,
}

/// Resolves the names in a file.
#[derive(Debug, Default)]
pub(crate) struct PathResolver {
    /// The imported paths by name. A name has several if parts of the file import different items under that name.
    imports: BTreeMap<String, BTreeSet<Path>>,
    /// All paths with more than one segment, and all imported names.
    pub(crate) paths: Vec<ResolvedPath>,
}

/// The maximum length of a chain of imports. It ends cycles: two imports can refer to each other.
pub(crate) const MAX_IMPORT_DEPTH: usize = 8;

impl PathResolver {
    pub(crate) fn of(stream: TokenStream) -> Self {
        let mut resolver = Self::default();
        let mut uses = Vec::new();
        resolver.read_imports(stream.clone(), &mut uses);
        for (path, line, is_reexport) in uses {
            resolver.record(&path, line, is_reexport);
        }
        resolver.read_paths(stream);
        resolver
    }

    /// Returns the paths that these segments may refer to. Segments whose first name isn't imported are returned
    /// unchanged.
    pub(crate) fn resolve(&self, segments: &[String]) -> Vec<Path> {
        let mut paths = vec![segments.to_vec()];
        for _ in 0..MAX_IMPORT_DEPTH {
            let before = paths.clone();
            paths =
                before.iter().flat_map(|path| self.resolve_once(path)).collect::<BTreeSet<_>>().into_iter().collect();
            if paths == before {
                break;
            }
        }
        paths
    }

    /// Returns the paths that the name at this index may refer to, including the segments before it.
    pub(crate) fn resolve_at(&self, list: &[TokenTree], at: usize) -> Vec<Path> {
        let mut begin = at;
        while begin >= 3 && is_punct(list, begin - 1, ':') && is_punct(list, begin - 2, ':') {
            if word(list, begin - 3).is_none() {
                break;
            }
            begin -= 3;
        }
        let segments: Path = (begin..=at).step_by(3).filter_map(|at| word(list, at)).collect();
        self.resolve(&segments)
    }

    fn resolve_once(&self, path: &Path) -> Vec<Path> {
        let Some(imported) = path.first().and_then(|first| self.imports.get(first)) else { return vec![path.clone()] };
        // `use std;` resolves to itself.
        let is_itself = |to: &Path| to.first() == path.first();
        imported.iter().map(|to| if is_itself(to) { path.clone() } else { [to, &path[1..]].concat() }).collect()
    }

    fn record(&mut self, path: &[String], line: usize, is_reexport: bool) {
        self.paths.extend(self.resolve(path).into_iter().map(|path| ResolvedPath { path, line, is_reexport }));
    }

    /// Collects the imports from all scopes of the file. Each is treated as valid in the whole file.
    fn read_imports(&mut self, stream: TokenStream, uses: &mut Vec<(Path, usize, bool)>) {
        let list: Vec<TokenTree> = stream.into_iter().collect();
        for at in 0..list.len() {
            if let Some(end) = end_of_import(&list, at) {
                let item: TokenStream = list[at..=end].iter().cloned().collect();
                if let Ok(item) = syn::parse2::<ItemUse>(item.clone()) {
                    let mut imported = Vec::new();
                    self.import_tree(&item.tree, &mut Vec::new(), &mut imported);
                    // After `pub` or `pub(crate)`.
                    let is_reexport = [1, 2].iter().any(|back| at >= *back && is_ident(&list, at - back, "pub"));
                    uses.extend(imported.into_iter().map(|(path, line)| (path, line, is_reexport)));
                } else if let Ok(ItemExternCrate { ident, rename: Some((_, name)), .. }) = syn::parse2(item) {
                    self.imports.entry(name.to_string()).or_default().insert(vec![ident.to_string()]);
                }
            }
            if let TokenTree::Group(group) = &list[at] {
                self.read_imports(group.stream(), uses);
            }
        }
    }

    fn import_tree(&mut self, tree: &UseTree, prefix: &mut Path, uses: &mut Vec<(Path, usize)>) {
        let (name, ident) = match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.import_tree(&path.tree, prefix, uses);
                prefix.pop();
                return;
            }
            UseTree::Group(group) => return group.items.iter().for_each(|tree| self.import_tree(tree, prefix, uses)),
            UseTree::Glob(glob) => {
                let path = [prefix.as_slice(), &["*".to_owned()]].concat();
                return uses.push((path, glob.star_token.spans[0].start().line));
            }
            UseTree::Name(name) => (&name.ident, &name.ident),
            UseTree::Rename(rename) => (&rename.rename, &rename.ident),
        };
        let mut path = prefix.clone();
        // `use a::{self}` is `use a`.
        if *ident != "self" || path.is_empty() {
            path.push(ident.to_string());
        }
        let name = if *name == "self" { path.last().cloned().unwrap_or_default() } else { name.to_string() };
        uses.push((path.clone(), ident.span().start().line));
        self.imports.entry(name).or_default().insert(path);
    }

    /// Collects the paths outside of imports.
    fn read_paths(&mut self, stream: TokenStream) {
        let list: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while at < list.len() {
            if let Some(end) = end_of_import(&list, at) {
                at = end;
            } else if let TokenTree::Group(group) = &list[at] {
                self.read_paths(group.stream());
            } else if begins_path(&list, at) {
                let (line, mut segments) = (line(&list[at]), Path::from_iter(word(&list, at)));
                while is_punct(&list, at + 1, ':') && is_punct(&list, at + 2, ':') {
                    let Some(segment) = word(&list, at + 3) else { break };
                    segments.push(segment);
                    at += 3;
                }
                if segments.len() > 1 || self.imports.contains_key(&segments[0]) {
                    self.record(&segments, line, false);
                }
            }
            at += 1;
        }
    }
}

/// Returns the index of the last token of an import that begins at this index.
fn end_of_import(list: &[TokenTree], at: usize) -> Option<usize> {
    let begins = (is_ident(list, at, "use") && !is_punct(list, at + 1, '<'))
        || (is_ident(list, at, "extern") && is_ident(list, at + 1, "crate"));
    let end =
        list.get(at..)?.iter().position(|token| matches!(token, TokenTree::Punct(sign) if sign.as_char() == ';'))?;
    begins.then_some(at + end)
}

/// Returns whether a path begins at this index: an identifier that isn't a field, method, lifetime or later segment.
fn begins_path(list: &[TokenTree], at: usize) -> bool {
    let follows = |sign| at >= 1 && is_punct(list, at - 1, sign);
    let is_member = follows('.') && !(at >= 2 && is_punct(list, at - 2, '.'));
    let is_later_segment = follows(':') && at >= 3 && is_punct(list, at - 2, ':') && {
        word(list, at - 3).is_some() || is_punct(list, at - 3, '>')
    };
    word(list, at).is_some() && !is_member && !is_later_segment && !follows('\'')
}

#[test]
fn paths_resolve_through_imports() {
    let resolved = |text: &str| -> Vec<String> {
        let resolver = PathResolver::of(tokens(&fake_source("a.rs", text)));
        resolver.paths.iter().map(|path| format!("{}:{}", path.line, path.path.join("::"))).collect()
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
        let mut resolved = resolved(text);
        let mut expected: Vec<&str> = expected.split(' ').collect();
        resolved.sort();
        resolved.dedup();
        expected.sort_unstable();
        assert_eq!(resolved, expected, "{text}");
    }
}
