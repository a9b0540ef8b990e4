//! Detached tasks and threads: their handle is dropped, so their result is lost and no code waits for them.
//!
//! A handle counts as dropped if a statement ignores it, or binds it to `_` or a name that starts with `_`. Passing it
//! to `drop` or `forget`, directly or by name later, counts as well. Handles that are passed to other functions aren't
//! tracked.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::{
    path_resolution::{PathResolver, end_of_import},
    sources::{is_group, is_ident, is_punct, line, word},
    violation::Message,
};

/// Functions that drop a handle.
const DROP_FUNCTIONS: [&str; 2] = ["drop", "forget"];

/// Methods of a handle, or of a `Result` with a handle. The handle is dropped if nothing else uses their result.
const CONSUMING_METHODS: [&str; 7] = ["abort_handle", "expect", "id", "is_finished", "ok", "thread", "unwrap"];

/// Calls `report` for each detached task, with its line.
pub(super) fn detached_tasks(stream: TokenStream, resolver: &PathResolver, report: &mut impl FnMut(usize, Message)) {
    visit(&stream.into_iter().collect::<Vec<_>>(), false, resolver, report);
}

/// `is_drop_argument`: the list is the argument of a function that drops it.
fn visit(list: &[TokenTree], is_drop_argument: bool, resolver: &PathResolver, report: &mut impl FnMut(usize, Message)) {
    let mut next = 0;
    while next < list.len() {
        let at = end_of_import(list, next).unwrap_or(next);
        next = at + 1;
        if let TokenTree::Group(group) = &list[at] {
            let inside: Vec<TokenTree> = group.stream().into_iter().collect();
            let is_argument = group.delimiter() == Delimiter::Parenthesis;
            let is_dropped = is_argument
                && ((at > 0 && resolves_to_one_of(list, at - 1, resolver, &DROP_FUNCTIONS))
                    || (is_drop_argument && at == 0));
            visit(&inside, is_dropped, resolver, report);
        }
        let Some(name) = spawn_function(list, at, resolver) else { continue };
        let help = "await its handle, or keep the handle and check its result, as modules/db/src/pool.rs does";
        match arguments(list, at) {
            Some(arguments) if is_detached(list, at, arguments + 1, is_drop_argument, resolver) => {
                report(line(&list[at]), (format!("the task started by `{name}` is detached"), help));
            }
            None if at > 0 && is_punct(list, at - 1, ':') && !is_punct(list, at + 1, ':') => {
                let problem = format!("`{name}` is used without being called, so its tasks can't be tracked");
                report(line(&list[at]), (problem, help));
            }
            _ => {}
        }
    }
}

/// Returns the original name of a function that starts a task, if one is called at this index.
fn spawn_function(list: &[TokenTree], at: usize, resolver: &PathResolver) -> Option<String> {
    let is_spawn = |name: &str| name == "spawn" || name.starts_with("spawn_");
    let name = word(list, at)?;
    if at > 0 && is_ident(list, at - 1, "fn") {
        return None;
    }
    if at > 0 && is_punct(list, at - 1, '.') {
        return is_spawn(&name).then_some(name);
    }
    resolver.resolve_at(list, at).into_iter().filter_map(|path| path.last().cloned()).find(|name| is_spawn(name))
}

/// Returns the index of the arguments of the call whose name is at `at`.
fn arguments(list: &[TokenTree], at: usize) -> Option<usize> {
    let mut next = at + 1;
    if is_punct(list, next, ':') && is_punct(list, next + 1, ':') && is_punct(list, next + 2, '<') {
        let mut depth = 0;
        next += 2;
        loop {
            // The `>` of `->` isn't a closing bracket.
            depth += i32::from(is_punct(list, next, '<'));
            depth -= i32::from(is_punct(list, next, '>') && !is_punct(list, next - 1, '-'));
            next += 1;
            if depth == 0 || next >= list.len() {
                break;
            }
        }
    }
    is_group(list, next, Delimiter::Parenthesis).then_some(next)
}

/// Whether the handle that a call returns is dropped. `end` is the index after its arguments.
fn is_detached(list: &[TokenTree], at: usize, mut end: usize, is_drop_argument: bool, resolver: &PathResolver) -> bool {
    loop {
        let is_consumed =
            is_punct(list, end, '.') && CONSUMING_METHODS.iter().any(|name| is_ident(list, end + 1, name));
        end = match arguments(list, end + 1).filter(|_| is_consumed) {
            Some(arguments) => arguments + 1,
            None if is_punct(list, end, '?') => end + 1,
            None => break,
        };
    }
    if is_drop_argument && (end >= list.len() || is_punct(list, end, ',')) {
        return true;
    }
    if !is_punct(list, end, ';') {
        return false;
    }
    let begin = (0..at).rev().find(|&at| is_punct(list, at, ';') || is_group(list, at, Delimiter::Brace));
    let statement = &list[begin.map_or(0, |at| at + 1)..at];
    match binding_of(statement) {
        Binding::To(name) => is_dropped(&list[end + 1..], &name, resolver),
        Binding::Discarded => true,
        Binding::Elsewhere => false,
    }
}

/// What a statement does with its value.
enum Binding {
    To(String),
    Discarded,
    Elsewhere,
}

/// `statement`: the tokens before the value.
fn binding_of(statement: &[TokenTree]) -> Binding {
    if is_ident(statement, 0, "let") {
        let at = if is_ident(statement, 1, "mut") { 2 } else { 1 };
        let is_name =
            is_punct(statement, at + 1, '=') || (is_punct(statement, at + 1, ':') && !is_punct(statement, at + 2, ':'));
        return match word(statement, at) {
            Some(name) if name.starts_with('_') => Binding::Discarded,
            Some(name) if is_name => Binding::To(name),
            Some(_) => Binding::Elsewhere,
            None => Binding::Discarded,
        };
    }
    let assigned = (0..statement.len()).any(|at| is_punct(statement, at, '=')) && !is_ident(statement, 0, "_");
    if assigned || is_ident(statement, 0, "return") { Binding::Elsewhere } else { Binding::Discarded }
}

/// Whether each use of a name drops it.
fn is_dropped(rest: &[TokenTree], name: &str, resolver: &PathResolver) -> bool {
    let (mut uses, mut drops) = (0, 0);
    count(rest, name, resolver, &mut uses, &mut drops);
    uses == drops
}

fn count(list: &[TokenTree], name: &str, resolver: &PathResolver, uses: &mut usize, drops: &mut usize) {
    for at in 0..list.len() {
        if let TokenTree::Group(group) = &list[at] {
            let inside: Vec<TokenTree> = group.stream().into_iter().collect();
            let is_alone = inside.len() == 1 && is_ident(&inside, 0, name);
            *drops += usize::from(is_alone && at > 0 && resolves_to_one_of(list, at - 1, resolver, &DROP_FUNCTIONS));
            count(&inside, name, resolver, uses, drops);
        }
        if is_ident(list, at, name) {
            *uses += 1;
            let is_discarded =
                at >= 2 && is_punct(list, at - 1, '=') && word(list, at - 2).is_some_and(|to| to.starts_with('_'));
            *drops += usize::from(is_discarded && is_punct(list, at + 1, ';'));
        }
    }
}

/// Whether the name at this index resolves to one of `known`, and isn't a method.
fn resolves_to_one_of(list: &[TokenTree], at: usize, resolver: &PathResolver, known: &[&str]) -> bool {
    let is_method = at > 0 && is_punct(list, at - 1, '.');
    let is_known = |path: &Vec<String>| path.last().is_some_and(|name| known.contains(&name.as_str()));
    word(list, at).is_some() && !is_method && resolver.resolve_at(list, at).iter().any(is_known)
}
