//! I/O other than SQL while a request is served, and calls that block a thread of the runtime. Only calls in the async
//! code itself are found, not those in a function that it calls.

use std::ops::RangeInclusive;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

use crate::{
    path_resolution::PathResolver,
    sources::{Source, for_each_token_list, is_ident, is_punct, line, word},
    violation::{Message, Violation},
};

/// Whether code in this file runs while a request is served, rather than at start, at the end or in a command.
pub(super) fn serves_requests(path: &str) -> bool {
    // `db` opens connections, `embedded-postgres` runs a server, and `server.rs` listens. The kernel and the apis have a
    // stricter rule.
    let other = ["modules/db/", "modules/embedded-postgres/", "modules/kernel/", "src/http/server.rs"];
    let is_other = other.iter().any(|one| path.starts_with(one)) || path.contains("/api/src/");
    (path.starts_with("modules/") || path.starts_with("src/http/")) && !is_other
}

/// Finds I/O other than SQL.
pub(super) fn io(path: &[&str]) -> Option<Message> {
    let help = "read it at start, in src/config or src/bootstrap.rs, and inject the value";
    let is_socket = |name: &str| ["TcpListener", "UdpSocket"].contains(&name);
    let item = match path {
        // Without `std` if a parent module imports it.
        ["std" | "tokio", module @ ("fs" | "process"), ..] | [module @ "fs", _, ..] => *module,
        ["std" | "tokio", "net", name, ..] if is_socket(name) => name,
        [.., "TcpStream", "connect" | "connect_timeout"] => "TcpStream::connect",
        [name @ ("reqwest" | "ureq"), _, ..] => name,
        _ => return None,
    };
    Some((format!("uses `{item}` while a request is served"), help))
}

/// Returns what a path blocks with.
fn blocking_call<'a>(path: &[&'a str]) -> Option<&'a str> {
    match path {
        ["std", "thread", "sleep"] | ["thread", "sleep"] => Some("thread::sleep"),
        ["std", "fs", name, ..] | ["fs", name, ..] if name.starts_with(char::is_lowercase) => Some(*name),
        ["std", "fs", "File", "open" | "create" | "create_new" | "options"] => Some("File::open"),
        ["std", "fs", "OpenOptions", "new"] => Some("OpenOptions::new"),
        ["std", "process", "Command", "new"] => Some("Command::new"),
        ["std", .., stream @ ("TcpStream" | "UnixStream"), "connect" | "connect_timeout"] => Some(*stream),
        ["reqwest", "blocking", ..] | ["ureq", ..] => Some(path[0]),
        [.., name] => BLOCKING_METHODS.iter().copied().find(|method| method == name),
        [] => None,
    }
}

/// Methods and functions that block wherever they come from. Those of argon2 compute for tens of milliseconds.
const BLOCKING_METHODS: [&str; 5] =
    ["hash_password", "hash_password_into", "hash_password_into_with_memory", "to_socket_addrs", "verify_password"];

/// Finds calls in async code that block the thread, and sleeping threads everywhere.
pub(super) fn in_async_code(source: &Source, stream: TokenStream, resolver: &PathResolver) -> Vec<Violation> {
    let help =
        "use the asynchronous form of tokio, or tokio::task::spawn_blocking as modules/auth/src/password.rs does";
    let (mut asynchronous, mut threads, mut methods) = (Vec::new(), Vec::new(), Vec::new());
    for_each_token_list(stream, &mut |list| {
        for at in 0..list.len() {
            if is_ident(list, at, "async") {
                asynchronous.extend(body_after(list, at));
            }
            if word(list, at).is_some_and(|name| name == "spawn_blocking" || name == "block_in_place") {
                threads.extend(list.get(at + 1).map(lines));
            }
            let is_method = at > 0 && is_punct(list, at - 1, '.');
            let method = word(list, at).filter(|_| is_method);
            methods.extend(method.map(|name| (vec![".".to_owned(), name], line(&list[at]))));
        }
    });
    let is_sync_crate = source.path.starts_with("modules/embedded-postgres/");
    let mut violations = Vec::new();
    let paths = resolver.paths.iter().map(|one| (&one.path, one.line));
    for (path, line) in paths.chain(methods.iter().map(|(path, line)| (path, *line))) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let Some(call) = blocking_call(&path) else { continue };
        let inside = |ranges: &[RangeInclusive<usize>]| ranges.iter().any(|range| range.contains(&line));
        let is_sleep = call == "thread::sleep" && !is_sync_crate;
        if (inside(&asynchronous) || is_sleep) && !inside(&threads) {
            violations.push(Violation::new(&source.path, line, format!("blocks the thread with `{call}`"), help));
        }
    }
    violations
}

/// Returns the lines of the block after `async`: the body of a function, a closure or an async block.
fn body_after(list: &[TokenTree], at: usize) -> Option<RangeInclusive<usize>> {
    let is_end = |token: &&TokenTree| matches!(token, TokenTree::Punct(sign) if sign.as_char() == ';' && sign.spacing() == Spacing::Alone);
    let mut rest = list[at..].iter().take_while(|token| !is_end(token));
    let is_block =
        |token: &&TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
    rest.find(is_block).map(lines)
}

fn lines(token: &TokenTree) -> RangeInclusive<usize> {
    token.span().start().line..=token.span().end().line
}
