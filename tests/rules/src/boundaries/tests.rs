use super::findings;
use crate::{
    finding::{assert_none, assert_one},
    sources::{made_up, program},
};

#[test]
fn the_program_keeps_to_its_boundaries() {
    let program = program();
    assert!(program.len() > 100, "only {} files were found", program.len());
    assert_none(&program.iter().flat_map(findings).collect::<Vec<_>>());
}

#[track_caller]
fn refused(path: &str, text: &str, beginning: &str) {
    assert_one(&findings(&made_up(path, text)), beginning);
}

#[track_caller]
fn accepted(path: &str, text: &str) {
    assert_none(&findings(&made_up(path, text)));
}

const MODULE: &str = "modules/user/src/profiles.rs";

#[test]
fn a_module_that_reads_the_environment_is_refused() {
    refused(
        MODULE,
        "fn f() {\n  std::env::var(\"HOME\");\n}",
        "modules/user/src/profiles.rs:2: it reads the environment",
    );
    refused(MODULE, "fn f() { log!(env::args()); }", "modules/user/src/profiles.rs:1: it reads the environment");
    refused(MODULE, "use std::env;", "modules/user/src/profiles.rs:1: it imports `std::env`");
    refused("src/http/scope.rs", "fn f() { std::env::temp_dir(); }", "src/http/scope.rs:1: it reads the environment");
    refused(
        MODULE,
        "use std::{env as e, fs}; fn f() { e::split_paths(p); }",
        "modules/user/src/profiles.rs:1: it imports",
    );
    refused(MODULE, "fn f() { use std::env::temp_dir as t; t(); }", "modules/user/src/profiles.rs:1: it reads the env");
    refused(
        MODULE,
        "use std as s;\nfn f() { s::env::args(); }",
        "modules/user/src/profiles.rs:2: it reads the environment",
    );
    accepted("src/config/load.rs", "fn f() { std::env::vars_os(); }");
    accepted(MODULE, "fn f(path: &OsStr) { std::env::split_paths(path); env!(\"CARGO_PKG_VERSION\"); }");
    accepted(MODULE, "#[cfg(test)]\nmod tests { fn f() { std::env::temp_dir(); } }");
}

#[test]
fn a_module_that_names_actix_is_refused() {
    refused(MODULE, "use actix_web::web;", "modules/user/src/profiles.rs:1: it names `actix_web`");
    refused("seeds/src/lib.rs", "fn f() { go!(actix_rt::System) }", "seeds/src/lib.rs:1: it names `actix_rt`");
    accepted("src/http/scope.rs", "use actix_web::web;");
}

#[test]
fn a_module_that_prints_is_refused() {
    refused(
        MODULE,
        "fn f() {\n\n  println!(\"so far\");\n}",
        "modules/user/src/profiles.rs:3: it prints by `println!`",
    );
    refused(
        MODULE,
        "fn f() { writeln!(io::stderr(), \"so far\"); }",
        "modules/user/src/profiles.rs:1: it opens `stderr`",
    );
    refused(MODULE, "use std::println as say; fn f() { say!(); }", "modules/user/src/profiles.rs:1: it prints by");
    refused(MODULE, "use std::io::{self, stderr as e};", "modules/user/src/profiles.rs:1: it opens `stderr`");
    refused(MODULE, "use std::io;\nfn f() { g(io::stdout); }", "modules/user/src/profiles.rs:2: it opens `stdout`");
    accepted(MODULE, "/// println!(\"shown\");\nfn f(c: Command) { c.stdout(Stdio::null()); }");
}

#[test]
fn a_static_that_changes_is_refused() {
    let beginning = "modules/user/src/profiles.rs:1: it holds state in a static";
    refused(MODULE, "static POOL: OnceLock<PgPool> = OnceLock::new();", beginning);
    refused(MODULE, "fn f() { static SEEN: std::sync::atomic::AtomicU64 = AtomicU64::new(0); }", beginning);
    refused(MODULE, "static mut SEEN: u64 = 0;", beginning);
    refused(MODULE, "thread_local! { static SEEN: u64 = 0; }", beginning);
    refused("src/cli.rs", "static LAST: [Mutex<u8>; 2] = [A, B];", "src/cli.rs:1: it holds state in a static");
    refused(MODULE, "type Seen = Mutex<u8>; static SEEN: Seen = new();", beginning);
    refused(MODULE, "struct Seen(Mutex<u8>); static SEEN: &[Seen; 1] = &[new()];", beginning);
    refused(MODULE, "static WORK: &'static (dyn Fn() + Sync) = &f;", beginning);
    refused(MODULE, "static RING: mine::CryptoProvider = new();", beginning);
    refused(MODULE, "use std::thread_local as each; each! { static SEEN: u64 = 0; }", beginning);
    accepted(MODULE, "use jsonwebtoken::crypto::{CryptoProvider as P}; fn f() { static RING: P = P { f: |a| a }; }");
    accepted(MODULE, "static ALL: [Option<(u8, fn(&str) -> bool)>; LENGTH] = [None; LENGTH];");
    accepted(MODULE, "static NAMES: [&'static str; 1] = [\"user\"]; fn f(_: &'static Mutex<u8>) {}");
}

#[test]
fn a_task_that_nobody_waits_for_is_refused() {
    let beginning = "modules/user/src/profiles.rs:1: nobody supervises what `spawn` starts";
    refused(MODULE, "fn f() { tokio::spawn(work()); }", beginning);
    refused(MODULE, "fn f() { let _ = tokio::spawn(work()); }", beginning);
    refused(MODULE, "fn f() { let _task = self.runtime.spawn(work()); }", beginning);
    refused(MODULE, "fn f() { select! { _ = a => { std::thread::spawn(work); } } }", beginning);
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
        let found = findings(&made_up(MODULE, text));
        let expected = [beginning, "modules/user/src/profiles.rs:1: `spawn` is named without being called"];
        let as_expected = |line: String| expected.iter().any(|beginning| line.starts_with(beginning));
        assert!(found.len() == 1 && as_expected(found[0].to_string()), "{text}: {found:?}");
    }
    accepted(MODULE, "async fn f() { let task = tokio::spawn(work()); begin(); drop(lock); task.await; }");
    accepted(MODULE, "fn f() { let task = tokio::spawn(work()); if x { drop(task); } else { keep(task); } }");
    accepted(MODULE, "fn f() { let Some(task) = self.spawn(work()) else { return }; task.end(); }");
    accepted(MODULE, "async fn f() { let task = tokio::spawn(work()); task.await; }");
    accepted(MODULE, "async fn f() { tokio::spawn(work()).await; ended(tokio::spawn(work())); }");
    accepted(MODULE, "fn f() -> JoinHandle<()> { begin(); tokio::spawn(work()) }");
    accepted(
        MODULE,
        "fn f(&mut self) { self.opening = Some(tokio::spawn(work())); self.opening = tokio::spawn(work()); }",
    );
}

#[test]
fn a_contract_that_does_input_or_output_is_refused() {
    let contract = "modules/kernel/src/contracts/user.rs";
    for (text, broke) in [
        ("use tokio::fs::File;", "a contract names `tokio`"),
        ("fn f() { std::fs::read(\"x\"); }", "a contract names `std::fs`"),
        ("fn f() { sqlx::query!(\"SELECT 1\"); }", "a contract names `sqlx::query`"),
        ("use std::{fs, sync::Arc}; fn f() { fs::read(\"x\"); }", "a contract names `std::fs`"),
        ("use std::{sync::Arc, fs::File};", "a contract names `std::fs`"),
        ("fn f() { fs::read(\"x\"); }", "a contract names `std::fs`"),
        ("use std as s; fn f() { s::process::exit(1) }", "a contract names `std::process`"),
        ("use std::*;", "it imports `std::env`"),
        ("use sqlx::{Type, query as ask};", "a contract names `sqlx::query`"),
        ("use std::net as n; fn f(_: n::TcpStream) {}", "a contract names `std::net::TcpStream`"),
        ("use std::net::TcpStream;", "a contract names `std::net::TcpStream`"),
        ("async fn f(q: Query) { q.fetch_one(tx).await; }", "a contract sends a statement by `fetch_one`"),
    ] {
        refused(contract, text, &format!("modules/kernel/src/contracts/user.rs:1: {broke}"));
    }
    accepted(contract, "use std::net::IpAddr;\n#[derive(sqlx::Type)]\n#[sqlx(transparent)]\nstruct Email(String);");
    accepted("modules/kernel/src/db/pool.rs", "use tokio::fs::File;");
}
