//! Mutable state in statics. The type of a static must be known to be immutable. Type aliases and structs are rejected
//! unless listed, because their definitions aren't resolved.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

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
    if is_punct(list, at + 1, '!') && MACROS.iter().any(|name| is_ident(list, at, name)) {
        return Some(("a static holds state".to_owned(), HELP));
    }
    if !is_ident(list, at, "static") || (at > 0 && is_punct(list, at - 1, '\'')) {
        return None;
    }
    if is_ident(list, at + 1, "mut") {
        return Some(("a static holds state".to_owned(), HELP));
    }
    let is_end = |token: &&TokenTree| matches!(token, TokenTree::Punct(sign) if [';', '='].contains(&sign.as_char()));
    let declared: Vec<TokenTree> = list[at + 1..].iter().take_while(|token| !is_end(token)).cloned().collect();
    // A declaration is a name and a type.
    let ty: Vec<TokenTree> = declared.get(2..).filter(|_| is_punct(&declared, 1, ':'))?.to_vec();
    let unknown = first_unknown(&ty, resolver)?;
    Some((format!("a static holds state, or `{unknown}` isn't known to be immutable"), HELP))
}

/// The first identifier in a type that isn't known to be immutable.
fn first_unknown(ty: &[TokenTree], resolver: &PathResolver) -> Option<String> {
    (0..ty.len()).find_map(|at| match &ty[at] {
        // The length of an array isn't part of its element type.
        TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
            let is_length = |token: &TokenTree| matches!(token, TokenTree::Punct(sign) if sign.as_char() == ';');
            first_unknown(
                &list(group.stream()).into_iter().take_while(|token| !is_length(token)).collect::<Vec<_>>(),
                resolver,
            )
        }
        TokenTree::Group(group) => first_unknown(&list(group.stream()), resolver),
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

fn list(stream: TokenStream) -> Vec<TokenTree> {
    stream.into_iter().collect()
}
