//! No import cycles between the files of a crate. A file imports another if it names an item that the other defines.
//! Re-exports are followed to the defining file, and are no imports themselves; neither are `mod` declarations.
//!
//! Test code and the bodies of `macro_rules!` are skipped. Calls of exported macros aren't imports.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proc_macro2::TokenTree;
use quote::ToTokens;

use crate::{
    path_resolution::{MAX_IMPORT_DEPTH, Path, PathResolver},
    sources::{PROGRAM, Source, fake_source, for_each_token_list, is_punct, program_sources_in, tokens, word},
    violation::{Violation, assert_no_violations, assert_one_violation},
};

/// The keywords before the name of an item.
const ITEM_KEYWORDS: [&str; 9] = ["const", "enum", "fn", "mod", "static", "struct", "trait", "type", "union"];

const HELP: &str = "move the shared items to a file that imports neither, and compose in one file above";

/// A file as a module of its crate.
struct Module<'a> {
    file: &'a str,
    /// The names of its items, including all words in calls of item macros.
    items: BTreeSet<String>,
    resolver: PathResolver,
}

impl<'a> Module<'a> {
    fn new(source: &'a Source) -> Self {
        let mut file: syn::File = syn::parse2(tokens(source)).unwrap();
        file.items.retain(|item| !matches!(item, syn::Item::Macro(item) if item.mac.path.is_ident("macro_rules")));
        let list: Vec<TokenTree> = file.to_token_stream().into_iter().collect();
        let mut items = BTreeSet::new();
        for (at, token) in list.iter().enumerate() {
            match token {
                TokenTree::Ident(keyword) if ITEM_KEYWORDS.iter().any(|known| keyword == known) => {
                    items.extend(word(&list, at + 1));
                }
                TokenTree::Group(group) if at > 0 && is_punct(&list, at - 1, '!') => {
                    for_each_token_list(group.stream(), &mut |list| {
                        items.extend((0..list.len()).filter_map(|at| word(list, at)));
                    });
                }
                _ => {}
            }
        }
        Self { file: &source.path, items, resolver: PathResolver::of(list.into_iter().collect()) }
    }

    /// Returns the paths that a name which the file doesn't define may stand for.
    fn imported(&self, name: &String) -> impl Iterator<Item = Path> {
        let named =
            self.resolver.resolve(std::slice::from_ref(name)).into_iter().filter(move |path| *path != [name.as_str()]);
        let globs = self.resolver.paths.iter().filter_map(|resolved| resolved.path.split_last());
        let globs = globs.filter(|(last, _)| *last == "*");
        named.chain(globs.map(move |(_, module)| [module, std::slice::from_ref(name)].concat()))
    }
}

/// The modules of a crate by path. The path of the root is empty.
#[derive(Default)]
struct Modules<'a>(BTreeMap<Path, Module<'a>>);

impl<'a> Modules<'a> {
    /// Returns the file and the name of the item that a path in the module `at` refers to. `None`: it is a module, or
    /// from another crate.
    fn definition(&self, mut at: Path, path: &[String], depth: usize) -> Option<(&'a str, String)> {
        for (index, name) in path.iter().enumerate() {
            match name.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()?),
                _ => {
                    at.push(name.clone());
                    if self.0.contains_key(&at) {
                        continue;
                    }
                    at.pop();
                    let module = self.0.get(&at)?;
                    if name == "*" || module.items.contains(name) {
                        return Some((module.file, name.clone()));
                    }
                    let depth = depth.checked_sub(1)?;
                    let rest = &path[index + 1..];
                    return module
                        .imported(name)
                        .find_map(|to| self.definition(at.clone(), &[&to, rest].concat(), depth));
                }
            }
        }
        None
    }

    /// Returns the imports of each file: the files, each with the line of the first import and the items.
    fn imports(&self) -> Imports<'a> {
        let mut imports = Imports::new();
        for (at, module) in &self.0 {
            for resolved in module.resolver.paths.iter().filter(|resolved| !resolved.is_reexport) {
                let definition = self.definition(at.clone(), &resolved.path, MAX_IMPORT_DEPTH);
                let Some((file, name)) = definition.filter(|(file, _)| *file != module.file) else { continue };
                let import = imports.entry(module.file).or_default().entry(file).or_default();
                import.0 = if import.1.is_empty() { resolved.line } else { import.0.min(resolved.line) };
                import.1.insert(name);
            }
        }
        imports
    }
}

type Imports<'a> = BTreeMap<&'a str, BTreeMap<&'a str, (usize, BTreeSet<String>)>>;

/// Returns the shortest cycle from a file back to itself.
fn shortest_cycle<'a>(imports: &Imports<'a>, start: &'a str) -> Option<Vec<&'a str>> {
    let (mut queue, mut seen) = (VecDeque::from([vec![start]]), BTreeSet::new());
    while let Some(path) = queue.pop_front() {
        for next in imports.get(path[path.len() - 1]).into_iter().flat_map(BTreeMap::keys) {
            if *next == start {
                return Some(path);
            }
            if seen.insert(next) {
                queue.push_back([path.as_slice(), &[next]].concat());
            }
        }
    }
    None
}

/// Sorts files into crates, by the folder of the crate's root. A `main.rs` next to a `lib.rs` is treated as a module
/// that no other imports, and so are the files of `src/bin`.
fn crates(sources: &[Source]) -> BTreeMap<&str, Modules<'_>> {
    let is_file = |path: String| sources.iter().any(|source| source.path == path);
    let mut crates: BTreeMap<&str, Modules<'_>> = BTreeMap::new();
    for source in sources {
        let mut folders = source.path.match_indices('/').rev().map(|(at, _)| &source.path[..at]);
        let is_root = |folder: &&str| ["lib", "main"].iter().any(|name| is_file(format!("{folder}/{name}.rs")));
        let root = folders.find(is_root).unwrap_or_else(|| panic!("{}: no lib.rs or main.rs", source.path));
        let mut path: Path = source.path[root.len() + 1..].trim_end_matches(".rs").split('/').map(Into::into).collect();
        let is_main_only = path == ["main"] && !is_file(format!("{root}/lib.rs"));
        if path == ["lib"] || is_main_only || path.last().is_some_and(|name| name == "mod") {
            path.pop();
        }
        crates.entry(root).or_default().0.insert(path, Module::new(source));
    }
    crates
}

fn violations(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (root, modules) in crates(sources) {
        let imports = modules.imports();
        let mut cycles = BTreeSet::new();
        for mut cycle in imports.keys().filter_map(|file| shortest_cycle(&imports, file)) {
            // Each cycle is reported once, from its first file.
            let first = (0..cycle.len()).min_by_key(|at| cycle[*at]).unwrap_or_default();
            cycle.rotate_left(first);
            cycles.insert(cycle);
        }
        for cycle in cycles {
            let short = |file: &str| file[root.len() + 1..].to_owned();
            let mut text = short(cycle[0]);
            for (from, to) in cycle.iter().zip(cycle.iter().cycle().skip(1)) {
                let names: Vec<&str> = imports[from][to].1.iter().map(String::as_str).collect();
                text += &format!(" → {} ({})", short(to), names.join(", "));
            }
            let line = imports[cycle[0]][cycle[1]].0;
            violations.push(Violation::new(cycle[0], line, format!("import cycle: {text}"), HELP));
        }
    }
    violations
}

#[test]
fn files_have_no_import_cycles() {
    let other = ["tests/arch-lint/src", "tests/support/src", "tools/*/src"];
    assert_no_violations(&violations(&program_sources_in(&[&PROGRAM[..], &other].concat())));
}

fn violations_of(files: &[(&str, &str)]) -> Vec<Violation> {
    let source = |(path, text): &(&str, &str)| fake_source(&format!("modules/x/src/{path}"), text);
    violations(&files.iter().map(source).collect::<Vec<_>>())
}

#[test]
fn import_cycle_is_rejected() {
    let root = ("lib.rs", "mod a;\nmod b;\nmod c;");
    assert_one_violation(
        &violations_of(&[
            root,
            ("a.rs", "struct Foo;\nuse super::c::{Baz, baz};\nimpl Baz for Foo {}"),
            ("b.rs", "fn bar(_: crate::a::Foo) {}"),
            ("c.rs", "use super::b;\ntrait Baz {}\nfn baz() { log!(b::bar()); }"),
        ]),
        "modules/x/src/a.rs:2: import cycle: a.rs → c.rs (Baz, baz) → b.rs (bar) → a.rs (Foo); move the shared items",
    );
    // Both cycles of a file are reported.
    let two = [root, ("a.rs", "struct A;\nuse crate::{b::B, c::C};"), ("b.rs", "enum B { X(super::a::A) }")];
    let found = violations_of(&[&two[..], &[("c.rs", "use crate::a as d; type C = d::A;")]].concat());
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(lines.len() == 2 && lines[0].contains("a.rs → b.rs (B) → a.rs (A);"), "{lines:#?}");
    assert!(lines[1].contains("a.rs → c.rs (C) → a.rs (A);"), "{lines:#?}");
}

#[test]
fn import_cycle_through_reexport_is_rejected() {
    for reexport in ["pub use b::Bar;", "pub(crate) use b::*;", "use b::Bar;", "use self::b as other; use other::Bar;"]
    {
        for usage in ["use super::Bar;", "fn f(_: crate::a::Bar) {}"] {
            let found = violations_of(&[
                ("lib.rs", "mod a;"),
                ("a/mod.rs", &format!("mod b;\nmod c;\n{reexport}")),
                ("a/b.rs", "use super::c; struct Bar(c::Foo);"),
                ("a/c.rs", &format!("new_type! {{ pub Foo }}\n{usage}")),
            ]);
            assert_one_violation(&found, "modules/x/src/a/b.rs:1: import cycle: a/b.rs → a/c.rs (Foo) → a/b.rs (Bar)");
        }
    }
}

#[test]
fn import_cycle_of_parent_and_child_is_rejected() {
    for (parent, child) in [
        ("mod b;\nuse b::Bar;\nstruct Foo;", "use super::Foo; struct Bar;"),
        ("mod b;\nstruct Foo(b::Bar);", "struct Bar; fn f() { super::Foo::new() }"),
        ("mod b;\npub use b::Bar; struct Foo(Bar);", "use super::*; struct Bar;"),
    ] {
        let found = violations_of(&[("main.rs", "mod a;"), ("a.rs", parent), ("a/b.rs", child)]);
        assert_one_violation(&found, "modules/x/src/a.rs:2: import cycle: a.rs → a/b.rs (Bar) → a.rs (");
    }
}

#[test]
fn files_without_cycle_are_accepted() {
    for (parent, child) in [
        ("mod b;\npub use b::Bar;\nstruct Foo;", "use super::Foo; struct Bar;"),
        ("mod b;\nuse b::Bar; use kernel::Foo;", "use super::Foo; use crate::a; struct Bar;"),
        (
            "mod b;\nuse b::Bar;\nstruct Foo;\n#[cfg(test)] use b::Foo as _;",
            "struct Bar; #[cfg(test)] mod tests { use crate::a::Foo; }",
        ),
        ("mod b;\nuse b::Bar;\nstruct Foo;", "struct Bar; macro_rules! new { () => { super::Foo } }"),
    ] {
        assert_no_violations(&violations_of(&[("lib.rs", "mod a;"), ("a.rs", parent), ("a/b.rs", child)]));
    }
    assert_no_violations(&violations_of(&[
        ("lib.rs", "mod a; pub fn run() { a::f() }"),
        ("a.rs", "pub fn f() {}"),
        ("main.rs", "use crate::a; fn main() { x::run(); }"),
    ]));
}
