use super::violations;
use crate::{
    sources::{fake_source, program_sources},
    violation::{assert_no_violations, assert_one_violation},
};

#[test]
fn workspace_respects_boundaries() {
    let program = program_sources();
    assert!(program.len() > 100, "expected more than 100 files, found {}", program.len());
    assert_no_violations(&program.iter().flat_map(violations).collect::<Vec<_>>());
}

#[track_caller]
fn assert_rejected(path: &str, text: &str, beginning: &str) {
    assert_one_violation(&violations(&fake_source(path, text)), beginning);
}

#[track_caller]
fn assert_accepted(path: &str, text: &str) {
    assert_no_violations(&violations(&fake_source(path, text)));
}

const MODULE: &str = "modules/user/src/profiles.rs";

#[test]
fn module_that_reads_the_environment_is_rejected() {
    assert_rejected(
        MODULE,
        "fn f() {\n  std::env::var(\"HOME\");\n}",
        "modules/user/src/profiles.rs:2: reads the environment",
    );
    assert_rejected(MODULE, "fn f() { log!(env::args()); }", "modules/user/src/profiles.rs:1: reads the environment");
    assert_rejected(MODULE, "use std::env;", "modules/user/src/profiles.rs:1: imports all of `std::env`");
    assert_rejected(
        "src/http/middleware.rs",
        "fn f() { std::env::temp_dir(); }",
        "src/http/middleware.rs:1: reads the environment",
    );
    assert_rejected(
        MODULE,
        "use std::{env as e, fs}; fn f() { e::split_paths(p); }",
        "modules/user/src/profiles.rs:1: imports",
    );
    assert_rejected(
        MODULE,
        "fn f() { use std::env::temp_dir as t; t(); }",
        "modules/user/src/profiles.rs:1: reads the env",
    );
    assert_rejected(
        MODULE,
        "use std as s;\nfn f() { s::env::args(); }",
        "modules/user/src/profiles.rs:2: reads the environment",
    );
    assert_accepted("src/config/layers.rs", "fn f() { std::env::vars_os(); }");
    assert_accepted(MODULE, "fn f(path: &OsStr) { std::env::split_paths(path); env!(\"CARGO_PKG_VERSION\"); }");
    assert_accepted(MODULE, "#[cfg(test)]\nmod tests { fn f() { std::env::temp_dir(); } }");
}

#[test]
fn module_that_names_actix_is_rejected() {
    assert_rejected(MODULE, "use actix_web::web;", "modules/user/src/profiles.rs:1: uses `actix_web`");
    assert_rejected("seeds/src/lib.rs", "fn f() { go!(actix_rt::System) }", "seeds/src/lib.rs:1: uses `actix_rt`");
    assert_accepted("src/http/middleware.rs", "use actix_web::web;");
}

#[test]
fn module_that_prints_is_rejected() {
    assert_rejected(
        MODULE,
        "fn f() {\n\n  println!(\"text\");\n}",
        "modules/user/src/profiles.rs:3: prints with `println!`",
    );
    assert_rejected(
        MODULE,
        "fn f() { writeln!(io::stderr(), \"text\"); }",
        "modules/user/src/profiles.rs:1: opens `stderr`",
    );
    assert_rejected(
        MODULE,
        "use std::println as say; fn f() { say!(); }",
        "modules/user/src/profiles.rs:1: prints with",
    );
    assert_rejected(MODULE, "use std::io::{self, stderr as e};", "modules/user/src/profiles.rs:1: opens `stderr`");
    assert_rejected(
        MODULE,
        "use std::io;\nfn f() { g(io::stdout); }",
        "modules/user/src/profiles.rs:2: opens `stdout`",
    );
    assert_accepted(MODULE, "/// println!(\"shown\");\nfn f(c: Command) { c.stdout(Stdio::null()); }");
}

#[test]
fn mutable_static_is_rejected() {
    let beginning = "modules/user/src/profiles.rs:1: a static holds state";
    assert_rejected(MODULE, "static POOL: OnceLock<PgPool> = OnceLock::new();", beginning);
    assert_rejected(MODULE, "fn f() { static SEEN: std::sync::atomic::AtomicU64 = AtomicU64::new(0); }", beginning);
    assert_rejected(MODULE, "static mut SEEN: u64 = 0;", beginning);
    assert_rejected(MODULE, "thread_local! { static SEEN: u64 = 0; }", beginning);
    assert_rejected("src/cli.rs", "static LAST: [Mutex<u8>; 2] = [A, B];", "src/cli.rs:1: a static holds state");
    assert_rejected(MODULE, "type Seen = Mutex<u8>; static SEEN: Seen = new();", beginning);
    assert_rejected(MODULE, "struct Seen(Mutex<u8>); static SEEN: &[Seen; 1] = &[new()];", beginning);
    assert_rejected(MODULE, "static WORK: &'static (dyn Fn() + Sync) = &f;", beginning);
    assert_rejected(MODULE, "static RING: mine::CryptoProvider = new();", beginning);
    assert_rejected(MODULE, "use std::thread_local as each; each! { static SEEN: u64 = 0; }", beginning);
    assert_accepted(
        MODULE,
        "use jsonwebtoken::crypto::{CryptoProvider as P}; fn f() { static RING: P = P { f: |a| a }; }",
    );
    assert_accepted(MODULE, "static ALL: [Option<(u8, fn(&str) -> bool)>; LENGTH] = [None; LENGTH];");
    assert_accepted(MODULE, "static NAMES: [&'static str; 1] = [\"user\"]; fn f(_: &'static Mutex<u8>) {}");
}

#[test]
fn detached_task_is_rejected() {
    let beginning = "modules/user/src/profiles.rs:1: the task started by `spawn` is detached";
    assert_rejected(MODULE, "fn f() { tokio::spawn(work()); }", beginning);
    assert_rejected(MODULE, "fn f() { let _ = tokio::spawn(work()); }", beginning);
    assert_rejected(MODULE, "fn f() { let _task = self.runtime.spawn(work()); }", beginning);
    assert_rejected(MODULE, "fn f() { select! { _ = a => { std::thread::spawn(work); } } }", beginning);
    for text in [
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
        "fn f() { works.map(tokio::spawn).count() }",
    ] {
        let found = violations(&fake_source(MODULE, text));
        let expected = [beginning, "modules/user/src/profiles.rs:1: `spawn` is used without being called"];
        let as_expected = |line: String| expected.iter().any(|beginning| line.starts_with(beginning));
        assert!(found.len() == 1 && as_expected(found[0].to_string()), "{text}: {found:?}");
    }
    assert_accepted(MODULE, "async fn f() { let task = tokio::spawn(work()); begin(); drop(lock); task.await; }");
    assert_accepted(MODULE, "fn f() { let task = tokio::spawn(work()); if x { drop(task); } else { keep(task); } }");
    assert_accepted(MODULE, "fn f() { let Some(task) = self.spawn(work()) else { return }; task.end(); }");
    assert_accepted(MODULE, "async fn f() { let task = tokio::spawn(work()); task.await; }");
    assert_accepted(MODULE, "async fn f() { tokio::spawn(work()).await; ended(tokio::spawn(work())); }");
    assert_accepted(MODULE, "fn f() -> JoinHandle<()> { begin(); tokio::spawn(work()) }");
    assert_accepted(
        MODULE,
        "fn f(&mut self) { self.opening = Some(tokio::spawn(work())); self.opening = tokio::spawn(work()); }",
    );
}

#[test]
fn contract_with_io_is_rejected() {
    let contract = "modules/kernel/src/contracts/user.rs";
    for (text, problem) in [
        ("use tokio::fs::File;", "a contract uses `tokio`"),
        ("fn f() { std::fs::read(\"x\"); }", "a contract uses `std::fs`"),
        ("fn f() { sqlx::query!(\"SELECT 1\"); }", "a contract uses `sqlx::query`"),
        ("use std::{fs, sync::Arc}; fn f() { fs::read(\"x\"); }", "a contract uses `std::fs`"),
        ("use std::{sync::Arc, fs::File};", "a contract uses `std::fs`"),
        ("fn f() { fs::read(\"x\"); }", "a contract uses `std::fs`"),
        ("use std as s; fn f() { s::process::exit(1) }", "a contract uses `std::process`"),
        ("use std::*;", "imports all of `std::env`"),
        ("use sqlx::{Type, query as q};", "a contract uses `sqlx::query`"),
        ("use std::net as n; fn f(_: n::TcpStream) {}", "a contract uses `std::net::TcpStream`"),
        ("use std::net::TcpStream;", "a contract uses `std::net::TcpStream`"),
        ("async fn f(q: Query) { q.fetch_one(tx).await; }", "a contract executes a statement with `fetch_one`"),
    ] {
        assert_rejected(contract, text, &format!("modules/kernel/src/contracts/user.rs:1: {problem}"));
    }
    assert_accepted(
        contract,
        "use std::net::IpAddr;\n#[derive(sqlx::Type)]\n#[sqlx(transparent)]\nstruct Email(String);",
    );
    assert_accepted("modules/kernel/src/db/pool.rs", "use tokio::fs::File;");
}
