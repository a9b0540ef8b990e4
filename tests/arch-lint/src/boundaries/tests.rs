use super::{spawns::REVIEWED, violations};
use crate::{
    sources::program_sources,
    violation::{assert_all_pass, assert_rule},
};

#[test]
fn workspace_respects_boundaries() {
    let program = program_sources();
    assert!(program.len() > 100, "expected more than 100 files, found {}", program.len());
    assert_all_pass(violations, &program);
    for (path, _) in REVIEWED {
        assert!(program.iter().any(|source| source.path == path), "{path} doesn't exist; remove it from REVIEWED");
    }
}

#[track_caller]
fn assert_module_rule(accepted: &[&str], rejected: &[(&str, &str)]) {
    assert_rule(violations, MODULE, accepted, rejected);
}

const MODULE: &str = "modules/user/src/profiles.rs";

#[test]
fn module_that_reads_the_environment_is_rejected() {
    assert_module_rule(
        &[
            "fn f(path: &OsStr) { std::env::split_paths(path); env!(\"CARGO_PKG_VERSION\"); }",
            "#[cfg(test)]\nmod tests { fn f() { std::env::temp_dir(); } }",
        ],
        &[
            ("fn f() {\n  std::env::var(\"HOME\");\n}", "2: reads the environment"),
            ("fn f() { log!(env::args()); }", "1: reads the environment"),
            ("use std::env;", "1: imports all of `std::env`"),
            ("use std::{env as e, fs}; fn f() { e::split_paths(p); }", "1: imports"),
            ("fn f() { use std::env::temp_dir as t; t(); }", "1: reads the environment"),
            ("use std as s;\nfn f() { s::env::args(); }", "2: reads the environment"),
        ],
    );
    let temp_dir = ("fn f() { std::env::temp_dir(); }", "1: reads the environment");
    assert_rule(violations, "src/http/middleware.rs", &[], &[temp_dir]);
    assert_rule(violations, "src/config/layers.rs", &["fn f() { std::env::vars_os(); }"], &[]);
}

#[test]
fn module_that_prints_is_rejected() {
    assert_module_rule(
        &["/// println!(\"shown\");\nfn f(c: Command) { c.stdout(Stdio::null()); }"],
        &[
            ("fn f() {\n\n  println!(\"text\");\n}", "3: prints with `println!`"),
            ("fn f() { writeln!(io::stderr(), \"text\"); }", "1: opens `stderr`"),
            ("use std::println as say; fn f() { say!(); }", "1: prints with"),
            ("use std::io::{self, stderr as e};", "1: opens `stderr`"),
            ("use std::io;\nfn f() { g(io::stdout); }", "2: opens `stdout`"),
        ],
    );
}

#[test]
fn mutable_static_is_rejected() {
    assert_module_rule(
        &[
            "use jsonwebtoken::crypto::{CryptoProvider as P}; fn f() { static RING: P = P { f: |a| a }; }",
            "static ALL: [Option<(u8, fn(&str) -> bool)>; LENGTH] = [None; LENGTH];",
            "static NAMES: [&'static str; 1] = [\"user\"]; fn f(_: &'static Mutex<u8>) {}",
        ],
        &[
            "static POOL: OnceLock<PgPool> = OnceLock::new();",
            "fn f() { static SEEN: std::sync::atomic::AtomicU64 = AtomicU64::new(0); }",
            "static mut SEEN: u64 = 0;",
            "thread_local! { static SEEN: u64 = 0; }",
            "type Seen = Mutex<u8>; static SEEN: Seen = new();",
            "struct Seen(Mutex<u8>); static SEEN: &[Seen; 1] = &[new()];",
            "static WORK: &'static (dyn Fn() + Sync) = &f;",
            "static RING: mine::CryptoProvider = new();",
            "use std::thread_local as each; each! { static SEEN: u64 = 0; }",
        ]
        .map(|text| (text, "1: a static holds state")),
    );
    let array = ("static LAST: [Mutex<u8>; 2] = [A, B];", "1: a static holds state");
    assert_rule(violations, "src/cli.rs", &[], &[array]);
}

#[test]
fn unreviewed_task_is_rejected() {
    let one = "fn f() { let task = tokio::spawn(work()); task.await }";
    let two = "fn f() { tokio::spawn(work()); self.runtime.spawn(work()); }";
    assert_module_rule(
        &["fn spawn() { let spawn_failed = 1; start(spawn_failed).spawned; }"],
        &[
            one,
            "fn f() { tokio::spawn(work()); }",
            "fn f() { let _task = self.runtime.spawn(work()); }",
            "fn f() { select! { _ = a => { std::thread::spawn(work); } } }",
            "fn f() { tokio::spawn::<Pin<Box<dyn Fn() -> u8>>>(work()); }",
            "fn f() { drop(tokio::task::spawn_blocking(work)); }",
            "fn f() { std::thread::Builder::new().spawn(work).unwrap(); }",
            "fn f() { tokio::spawn(work()).abort_handle(); }",
            "fn f() { works.map(tokio::spawn).count() }",
            "fn f(&mut self) { self.opening = Some(tokio::spawn(work())); }",
        ]
        .map(|text| (text, "1: starts 1 tasks, threads or processes, but 0 were reviewed; await each")),
    );
    assert_module_rule(
        &[],
        &[
            two,
            "use tokio::spawn; fn f() { spawn(work()); }",
            "fn f() { use tokio::{task::spawn}; spawn(work()); }",
            "use tokio::{spawn as go, fs}; fn f() { go(work()); }",
        ]
        .map(|text| (text, "1: starts 2 tasks, threads or processes, but 0")),
    );
    let wrong = [(one, "1: starts 1 tasks, threads or processes, but 2"), ("", "0: starts 0 tasks")];
    assert_rule(violations, "modules/db/src/pool.rs", &[two], &wrong);
    assert_rule(violations, "src/cli/restore.rs", &[one], &[]);
}

#[test]
fn kernel_or_api_with_io_is_rejected() {
    let accepted = [
        "use std::net::IpAddr;\n#[derive(sqlx::Type)]\n#[sqlx(transparent)]\nstruct Email(String);",
        "use tokio::sync::OnceCell; use db::{DbError, SystemTx, Tx};",
    ];
    let rejected = [
        ("use tokio::fs::File;", "1: uses `tokio`"),
        ("use tokio as t; fn f() { t::time::sleep(x) }", "1: uses `tokio`"),
        ("fn f() { std::fs::read(\"x\"); }", "1: uses `std::fs`"),
        ("fn f() { sqlx::query!(\"SELECT 1\"); }", "1: uses `sqlx::query`"),
        ("use std::{fs, sync::Arc}; fn f() { fs::read(\"x\"); }", "1: uses `std::fs`"),
        ("use std::{sync::Arc, fs::File};", "1: uses `std::fs`"),
        ("fn f() { fs::read(\"x\"); }", "1: uses `std::fs`"),
        ("use std as s; fn f() { s::process::exit(1) }", "1: uses `std::process`"),
        ("use std::*;", "1: imports all of `std::env`"),
        ("use sqlx::{Type, query as q};", "1: uses `sqlx::query`"),
        ("use std::net as n; fn f(_: n::TcpStream) {}", "1: uses `std::net::TcpStream`"),
        ("use std::net::TcpStream;", "1: uses `std::net::TcpStream`"),
        ("use db::{DbError, open_db};", "1: uses `db::open_db`"),
        ("async fn f(q: Query) { q.fetch_one(tx).await; }", "1: executes a statement with `fetch_one`"),
    ];
    for path in ["modules/user/api/src/lib.rs", "modules/kernel/src/identity.rs"] {
        assert_rule(violations, path, &accepted, &rejected);
    }
    assert_rule(violations, "modules/db/src/error.rs", &["use tokio::fs::File;"], &[]);
}
