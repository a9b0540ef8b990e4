//! Mutable state in statics. The type of a static must be known to be immutable. Type aliases and structs are rejected
//! unless listed, because their definitions aren't resolved.

use proc_macro2::TokenTree;

use crate::{
    path_resolution::PathResolver,
    sources::{is_ident, is_punct},
    violation::Message,
};

const HELP: &str = "make it a component, or pass it as a value; immutable types can be added to the list in \
                       tests/arch-lint/src/boundaries/statics.rs";

/// Macros that create mutable statics.
const MACROS: [&str; 4] = ["lazy_static", "scoped_thread_local", "task_local", "thread_local"];

/// Identifiers that occur in types without interior mutability.
const CONSTANT_TYPES: [&str; 21] = [
    "bool", "char", "const", "f32", "f64", "fn", "i128", "i16", "i32", "i64", "i8", "isize", "static", "str", "u128",
    "u16", "u32", "u64", "u8", "usize", "Option",
];

/// Types that were reviewed: no function changes them through a shared reference.
const REVIEWED_TYPES: [&[&str]; 2] = [
    // Functions that create signers and verifiers.
    &["jsonwebtoken", "crypto", "CryptoProvider"],
    // The text of the migrations.
    &["sqlx", "migrate", "Migrator"],
];

/// Checks whether a path is one of [`MACROS`], under any imported name.
pub(super) fn static_macro(path: &[&str]) -> Option<Message> {
    let (name, before) = path.split_last()?;
    (MACROS.contains(name) && !before.is_empty()).then(|| ("a static holds state".to_owned(), HELP))
}

pub(super) fn declared_static(list: &[TokenTree], at: usize, resolver: &PathResolver) -> Option<Message> {
    let is_static = is_ident(list, at, "static") && !(at > 0 && is_punct(list, at - 1, '\''));
    let is_macro = is_punct(list, at + 1, '!') && MACROS.iter().any(|name| is_ident(list, at, name));
    if is_macro || (is_static && is_ident(list, at + 1, "mut")) {
        return Some(("a static holds state".to_owned(), HELP));
    }
    if !is_static {
        return None;
    }
    // A declaration is a name and a type.
    let declared = before(&list[at + 1..], &[';', '=']);
    let ty = declared.get(2..).filter(|_| is_punct(declared, 1, ':'))?;
    let unknown = first_unknown(ty, resolver)?;
    Some((format!("a static holds state, or `{unknown}` isn't known to be immutable"), HELP))
}

/// Returns the first identifier in a type that isn't known to be immutable.
fn first_unknown(ty: &[TokenTree], resolver: &PathResolver) -> Option<String> {
    (0..ty.len()).find_map(|at| match &ty[at] {
        TokenTree::Group(group) => {
            let inside: Vec<TokenTree> = group.stream().into_iter().collect();
            // The length of an array isn't part of its element type.
            first_unknown(before(&inside, &[';']), resolver)
        }
        TokenTree::Ident(_) if is_punct(ty, at + 1, ':') && is_punct(ty, at + 2, ':') => None,
        TokenTree::Ident(name) => {
            let is_constant = |path: &Vec<String>| {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                matches!(path.as_slice(), [name] if CONSTANT_TYPES.contains(name))
                    || REVIEWED_TYPES.iter().any(|known| path == *known)
            };
            (!resolver.resolve_at(ty, at).iter().all(is_constant)).then(|| name.to_string())
        }
        _ => None,
    })
}

/// Returns the tokens before the first of these signs.
fn before<'a>(list: &'a [TokenTree], signs: &[char]) -> &'a [TokenTree] {
    let end = (0..list.len()).find(|at| signs.iter().any(|sign| is_punct(list, *at, *sign)));
    &list[..end.unwrap_or(list.len())]
}
