//! Starts of tasks, threads and processes. If the handle is dropped, the result is lost and no code waits for them, so
//! each start must be reviewed. Scoped threads and methods that start with `spawn_` count as well.

use proc_macro2::TokenStream;

use crate::{
    path_resolution::PathResolver,
    sources::{Source, for_each_token_list, is_punct, line, word},
    violation::Violation,
};

/// The files with starts, and how many each has. Each handle is awaited, or kept and its result checked.
/// The task of a connection has no result and is aborted with the connection.
pub(super) const REVIEWED: [(&str, usize); 10] = [
    ("modules/auth/src/password.rs", 1),
    ("modules/authorization/src/guarded_change/mod.rs", 1),
    ("modules/db/src/embedded_server.rs", 1),
    // Returns a connection in the background. At the deadline it is closed, so the result doesn't matter.
    ("modules/db/src/idle_connections.rs", 1),
    ("modules/db/src/pool.rs", 2),
    ("modules/db/src/tx.rs", 1),
    // The same.
    ("modules/db/src/tx_connection.rs", 1),
    ("modules/embedded-postgres/src/download/fetch.rs", 1),
    ("modules/embedded-postgres/src/process.rs", 1),
    ("src/http/connection_deadline.rs", 1),
];

const HELP: &str = "await each handle, or keep it and check its result, as modules/db/src/pool.rs does; then change the \
                    number in tests/arch-lint/src/boundaries/spawns.rs";

/// Checks that a file has as many starts as were reviewed. An import of a `spawn` function counts as a start.
pub(super) fn unreviewed(source: &Source, stream: TokenStream, resolver: &PathResolver) -> Option<Violation> {
    let is_spawn = |name: &str| name == "spawn" || name.starts_with("spawn_");
    let paths = resolver.paths.iter().filter(|one| matches!(one.path.as_slice(), [_, .., name] if is_spawn(name)));
    let mut lines: Vec<usize> = paths.map(|one| one.line).collect();
    for_each_token_list(stream, &mut |list| {
        let is_method = |at: &usize| is_punct(list, at - 1, '.') && word(list, *at).is_some_and(|name| is_spawn(&name));
        lines.extend((1..list.len()).filter(is_method).map(|at| line(&list[at])));
    });
    let reviewed = REVIEWED.iter().find(|(file, _)| *file == source.path).map_or(0, |(_, count)| *count);
    let first = lines.iter().min().copied().unwrap_or_default();
    let problem = format!("starts {} tasks, threads or processes, but {reviewed} were reviewed", lines.len());
    (lines.len() != reviewed).then(|| Violation::new(&source.path, first, problem, HELP))
}
