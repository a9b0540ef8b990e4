//! State in statics. What is static is of a type that is known to be constant, so an alias or a struct around a mutex is
//! refused as well: what it stands for isn't looked up.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::Broken;
use crate::{
    names::Names,
    sources::{is_sign, is_word},
};

const INSTEAD: &str = "make it a component, or hand it down as a value; a type that never changes goes into the list of \
                       tests/rules/src/boundaries/statics.rs";

/// Macros that make statics that change.
const MACROS: [&str; 4] = ["lazy_static", "scoped_thread_local", "task_local", "thread_local"];

/// The words that types without any cell are made of.
const CONSTANT: [&str; 21] = [
    "bool", "char", "const", "f32", "f64", "fn", "i128", "i16", "i32", "i64", "i8", "isize", "static", "str", "u128",
    "u16", "u32", "u64", "u8", "usize", "Option",
];

/// Types that were looked at: no function changes them through a shared reference.
const LOOKED_AT: [&[&str]; 2] = [
    // Functions that make signers and verifiers.
    &["jsonwebtoken", "crypto", "CryptoProvider"],
    // The migrations' texts.
    &["sqlx", "migrate", "Migrator"],
];

/// A macro of these, by whatever name it is called.
pub(super) fn made_by_macros(path: &[&str]) -> Option<Broken> {
    let (name, before) = path.split_last()?;
    (MACROS.contains(name) && !before.is_empty()).then(|| ("it holds state in a static".to_owned(), INSTEAD))
}

pub(super) fn declared(list: &[TokenTree], at: usize, names: &Names) -> Option<Broken> {
    if is_sign(list, at + 1, '!') && MACROS.iter().any(|name| is_word(list, at, name)) {
        return Some(("it holds state in a static".to_owned(), INSTEAD));
    }
    if !is_word(list, at, "static") || (at > 0 && is_sign(list, at - 1, '\'')) {
        return None;
    }
    if is_word(list, at + 1, "mut") {
        return Some(("it holds state in a static".to_owned(), INSTEAD));
    }
    let is_end = |token: &&TokenTree| matches!(token, TokenTree::Punct(sign) if [';', '='].contains(&sign.as_char()));
    let declared: Vec<TokenTree> = list[at + 1..].iter().take_while(|token| !is_end(token)).cloned().collect();
    // A name and its type; anything else is no declaration.
    let kind: Vec<TokenTree> = declared.get(2..).filter(|_| is_sign(&declared, 1, ':'))?.to_vec();
    let unknown = unknown(&kind, names)?;
    Some((format!("it holds state in a static, or `{unknown}` isn't known to be constant"), INSTEAD))
}

/// The first name in a type that isn't known.
fn unknown(kind: &[TokenTree], names: &Names) -> Option<String> {
    (0..kind.len()).find_map(|at| match &kind[at] {
        // The length of an array is no type.
        TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
            let is_length = |token: &TokenTree| matches!(token, TokenTree::Punct(sign) if sign.as_char() == ';');
            unknown(&list(group.stream()).into_iter().take_while(|token| !is_length(token)).collect::<Vec<_>>(), names)
        }
        TokenTree::Group(group) => unknown(&list(group.stream()), names),
        TokenTree::Ident(_) if is_sign(kind, at + 1, ':') && is_sign(kind, at + 2, ':') => None,
        TokenTree::Ident(name) => {
            let constant = |path: &Vec<String>| {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                matches!(path.as_slice(), [name] if CONSTANT.contains(name))
                    || LOOKED_AT.iter().any(|known| path == *known)
            };
            (!names.at(kind, at).iter().all(constant)).then(|| name.to_string())
        }
        _ => None,
    })
}

fn list(stream: TokenStream) -> Vec<TokenTree> {
    stream.into_iter().collect()
}
