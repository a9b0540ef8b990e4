use super::violations;
use crate::{
    sources::program_sources,
    violation::{assert_all_pass, assert_rule},
};

#[test]
fn workspace_respects_boundaries() {
    let program = program_sources();
    assert!(program.len() > 100, "expected more than 100 files, found {}", program.len());
    assert_all_pass(violations, &program);
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
fn module_that_names_actix_is_rejected() {
    assert_module_rule(&[], &[("use actix_web::web;", "1: uses `actix_web`")]);
    let in_macro = ("fn f() { go!(actix_rt::System) }", "1: uses `actix_rt`");
    assert_rule(violations, "seeds/src/lib.rs", &[], &[in_macro]);
    assert_rule(violations, "src/http/middleware.rs", &["use actix_web::web;"], &[]);
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
fn detached_task_is_rejected() {
    assert_module_rule(
        &[
            "async fn f() { let task = tokio::spawn(work()); begin(); drop(lock); task.await; }",
            "fn f() { let task = tokio::spawn(work()); if x { drop(task); } else { keep(task); } }",
            "fn f() { let Some(task) = self.spawn(work()) else { return }; task.end(); }",
            "async fn f() { let task = tokio::spawn(work()); task.await; }",
            "async fn f() { tokio::spawn(work()).await; ended(tokio::spawn(work())); }",
            "fn f() -> JoinHandle<()> { begin(); tokio::spawn(work()) }",
            "fn f(&mut self) { self.opening = Some(tokio::spawn(work())); self.opening = tokio::spawn(work()); }",
        ],
        &[
            "fn f() { tokio::spawn(work()); }",
            "fn f() { let _ = tokio::spawn(work()); }",
            "fn f() { let _task = self.runtime.spawn(work()); }",
            "fn f() { select! { _ = a => { std::thread::spawn(work); } } }",
            "fn f() { _ = tokio::spawn(work()); }",
            "fn f() { tokio::spawn::<Pin<Box<dyn Fn() -> u8>>>(work()); }",
            "use tokio::spawn; fn f() { spawn(work()); }",
            "fn f() { use tokio::{task::spawn}; spawn(work()); }",
            "use tokio::{spawn as go, fs}; fn f() { go(work()); }",
            "fn f() { drop(tokio::spawn(work())); }",
            "use std::mem; fn f() { mem::forget((tokio::spawn(work()))); }",
            "use std::mem::drop as end; fn f() { end(tokio::spawn(work())); }",
            "fn f() { let task = tokio::spawn(work()); begin(); drop(task); }",
            "fn f() { let mut task = tokio::spawn(work()); if x { let _ = task; } else { std::mem::forget(task) } }",
            "fn f() { let task: JoinHandle<()> = tokio::spawn(work()); }",
            "fn f() { std::thread::Builder::new().spawn(work).unwrap(); }",
            "fn f() { tokio::spawn(work()).abort_handle(); }",
        ]
        .map(|text| (text, "1: the task started by `spawn` is detached")),
    );
    assert_module_rule(
        &[],
        &[("fn f() { works.map(tokio::spawn).count() }", "1: `spawn` is used without being called")],
    );
}

#[test]
fn kernel_or_api_with_io_is_rejected() {
    let accepted = [
        "use std::net::IpAddr;\n#[derive(sqlx::Type)]\n#[sqlx(transparent)]\nstruct Email(String);",
        "use tokio::sync::OnceCell; use db::{DbError, SystemTx, Tx};",
    ];
    let rejected = [
        ("use tokio::fs::File;", "1: uses `tokio`"),
        ("use tokio as t; fn f() { t::spawn(x) }", "1: uses `tokio`"),
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
    assert_rule(violations, "modules/db/src/pool.rs", &["use tokio::fs::File;"], &[]);
}
