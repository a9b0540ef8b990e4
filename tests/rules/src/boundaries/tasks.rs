//! Tasks and threads whose handle is let go of: nobody learns how they end, and nobody waits for them.
//!
//! Let go of is a handle that a statement ignores, that is bound to `_` or to a name that begins so, or that is given to
//! `drop` or `forget`, at once or by its name later. What becomes of one that is handed to anything else isn't followed.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::{Broken, is_group};
use crate::{
    names::{Names, end_of_import},
    sources::{is_sign, is_word, line, word},
};

/// What makes a handle go.
const LET_GO: [&str; 2] = ["drop", "forget"];

/// Methods that give something else for a handle, or for a `Result` with one: the handle itself is gone with them.
const GIVES_UP: [&str; 7] = ["abort_handle", "expect", "id", "is_finished", "ok", "thread", "unwrap"];

/// Calls for each task that nobody supervises, with its line.
pub(super) fn unsupervised(stream: TokenStream, names: &Names, found: &mut impl FnMut(usize, Broken)) {
    look(&stream.into_iter().collect::<Vec<_>>(), false, names, found);
}

/// `let_go`: this list is the argument of what lets go of it.
fn look(list: &[TokenTree], let_go: bool, names: &Names, found: &mut impl FnMut(usize, Broken)) {
    let mut next = 0;
    while next < list.len() {
        let at = end_of_import(list, next).unwrap_or(next);
        next = at + 1;
        if let TokenTree::Group(group) = &list[at] {
            let inside: Vec<TokenTree> = group.stream().into_iter().collect();
            let is_argument = group.delimiter() == Delimiter::Parenthesis;
            let lets_go =
                is_argument && ((at > 0 && names_one_of(list, at - 1, names, &LET_GO)) || (let_go && at == 0));
            look(&inside, lets_go, names, found);
        }
        let Some(name) = starts(list, at, names) else { continue };
        let instead = "await its handle, or keep it where its end is noticed, as modules/kernel/src/db/pool.rs does";
        match arguments(list, at) {
            Some(arguments) if is_let_go(list, at, arguments + 1, let_go, names) => {
                found(line(&list[at]), (format!("nobody supervises what `{name}` starts"), instead));
            }
            None if at > 0 && is_sign(list, at - 1, ':') && !is_sign(list, at + 1, ':') => {
                let broke =
                    format!("`{name}` is named without being called, and who supervises what it starts can't be seen");
                found(line(&list[at]), (broke, instead));
            }
            _ => {}
        }
    }
}

/// What is called to start something, by its own name, whatever the file calls it.
fn starts(list: &[TokenTree], at: usize, names: &Names) -> Option<String> {
    let begins = |name: &str| name == "spawn" || name.starts_with("spawn_");
    let name = word(list, at)?;
    if at > 0 && is_word(list, at - 1, "fn") {
        return None;
    }
    if at > 0 && is_sign(list, at - 1, '.') {
        return begins(&name).then_some(name);
    }
    names.at(list, at).into_iter().filter_map(|path| path.last().cloned()).find(|name| begins(name))
}

/// Where the arguments of a call are, whose name is there.
fn arguments(list: &[TokenTree], at: usize) -> Option<usize> {
    let mut next = at + 1;
    if is_sign(list, next, ':') && is_sign(list, next + 1, ':') && is_sign(list, next + 2, '<') {
        let mut depth = 0;
        next += 2;
        loop {
            // The `>` of an arrow closes nothing.
            depth += i32::from(is_sign(list, next, '<'));
            depth -= i32::from(is_sign(list, next, '>') && !is_sign(list, next - 1, '-'));
            next += 1;
            if depth == 0 || next >= list.len() {
                break;
            }
        }
    }
    is_group(list, next, Delimiter::Parenthesis).then_some(next)
}

/// Whether the handle of a call is let go of. `end` is where its arguments have ended.
fn is_let_go(list: &[TokenTree], at: usize, mut end: usize, let_go: bool, names: &Names) -> bool {
    loop {
        let gives_up = is_sign(list, end, '.') && GIVES_UP.iter().any(|name| is_word(list, end + 1, name));
        end = match arguments(list, end + 1).filter(|_| gives_up) {
            Some(arguments) => arguments + 1,
            None if is_sign(list, end, '?') => end + 1,
            None => break,
        };
    }
    if let_go && (end >= list.len() || is_sign(list, end, ',')) {
        return true;
    }
    if !is_sign(list, end, ';') {
        return false;
    }
    let begin = (0..at).rev().find(|&at| is_sign(list, at, ';') || is_group(list, at, Delimiter::Brace));
    let statement = &list[begin.map_or(0, |at| at + 1)..at];
    match bound_to(statement) {
        Bound::To(name) => is_dropped(&list[end + 1..], &name, names),
        Bound::ToNothing => true,
        Bound::Elsewhere => false,
    }
}

/// What becomes of a statement's value.
enum Bound {
    To(String),
    ToNothing,
    Elsewhere,
}

/// By what is before the value.
fn bound_to(statement: &[TokenTree]) -> Bound {
    if is_word(statement, 0, "let") {
        let at = if is_word(statement, 1, "mut") { 2 } else { 1 };
        let is_name =
            is_sign(statement, at + 1, '=') || (is_sign(statement, at + 1, ':') && !is_sign(statement, at + 2, ':'));
        return match word(statement, at) {
            Some(name) if name.starts_with('_') => Bound::ToNothing,
            Some(name) if is_name => Bound::To(name),
            Some(_) => Bound::Elsewhere,
            None => Bound::ToNothing,
        };
    }
    let assigned = (0..statement.len()).any(|at| is_sign(statement, at, '=')) && !is_word(statement, 0, "_");
    if assigned || is_word(statement, 0, "return") { Bound::Elsewhere } else { Bound::ToNothing }
}

/// Whether all that is done with a name is to drop it.
fn is_dropped(rest: &[TokenTree], name: &str, names: &Names) -> bool {
    let (mut uses, mut drops) = (0, 0);
    count(rest, name, names, &mut uses, &mut drops);
    uses == drops
}

fn count(list: &[TokenTree], name: &str, names: &Names, uses: &mut usize, drops: &mut usize) {
    for at in 0..list.len() {
        if let TokenTree::Group(group) = &list[at] {
            let inside: Vec<TokenTree> = group.stream().into_iter().collect();
            let alone = inside.len() == 1 && is_word(&inside, 0, name);
            *drops += usize::from(alone && at > 0 && names_one_of(list, at - 1, names, &LET_GO));
            count(&inside, name, names, uses, drops);
        }
        if is_word(list, at, name) {
            *uses += 1;
            let to_nothing =
                at >= 2 && is_sign(list, at - 1, '=') && word(list, at - 2).is_some_and(|to| to.starts_with('_'));
            *drops += usize::from(to_nothing && is_sign(list, at + 1, ';'));
        }
    }
}

/// Whether the name there, which is no method's, stands for one of these.
fn names_one_of(list: &[TokenTree], at: usize, names: &Names, known: &[&str]) -> bool {
    let is_method = at > 0 && is_sign(list, at - 1, '.');
    let stands_for = |path: &Vec<String>| path.last().is_some_and(|name| known.contains(&name.as_str()));
    word(list, at).is_some() && !is_method && names.at(list, at).iter().any(stands_for)
}
