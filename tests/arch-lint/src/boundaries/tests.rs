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
            "fn f() { option_env!(\"CARGO_PKG_NAME\"); }",
        ],
        &[
            ("fn f() {\n  std::env::var(\"HOME\");\n}", "2: reads the environment"),
            ("fn f() { log!(env::args()); }", "1: reads the environment"),
            ("use std::env;", "1: imports all of `std::env`"),
            ("use std::{env as e, io}; fn f() { e::split_paths(p); }", "1: imports"),
            ("fn f() { use std::env::temp_dir as t; t(); }", "1: reads the environment"),
            ("use std as s;\nfn f() { s::env::args(); }", "2: reads the environment"),
            ("const URL: &str = env!(\"DATABASE_URL\");", "1: reads the environment of the build with `env!`"),
            ("fn f() { std::option_env!(\"HTTP_PORT\"); }", "1: reads the environment"),
            ("fn f() { g(option_env![\"HTTP_PORT\"]); }", "1: reads the environment of the build with `option_env!`"),
            ("fn f() { dotenvy::var(\"HTTP_PORT\"); }", "1: reads configuration with `dotenvy`"),
            ("use dotenvy::var as v; fn f() {}", "1: reads configuration with `dotenvy`"),
            ("use config::Environment as E;", "1: reads configuration with `config::Environment`"),
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
            "use tokio::{spawn as go, time}; fn f() { go(work()); }",
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

#[test]
fn request_with_io_is_rejected() {
    let accepted = ["use std::net::IpAddr; use std::io; fn f(_: IpAddr) {}"];
    let rejected = [
        (
            "fn f() { std::fs::read_to_string(\"key.pem\"); }",
            "1: uses `fs` while a request is served; read it at start",
        ),
        ("use std::fs as f;", "1: uses `fs` while a request is served"),
        ("async fn f() { tokio::fs::read(\"x\").await; }", "1: uses `fs` while a request is served"),
        ("use std::net::TcpListener;", "1: uses `TcpListener` while a request is served"),
        (
            "use tokio::net::TcpStream; fn f() { TcpStream::connect(x); }",
            "1: uses `TcpStream::connect` while a request",
        ),
        ("fn f() { std::process::Command::new(\"sh\"); }", "1: uses `process` while a request is served"),
        ("async fn f() { reqwest::get(url).await; }", "1: uses `reqwest` while a request is served"),
    ];
    for path in [MODULE, "src/http/handlers/me.rs", "src/http/middleware.rs"] {
        assert_rule(violations, path, &accepted, &rejected);
    }
    assert_rule(violations, "src/bootstrap.rs", &["fn f() { std::fs::read(\"x\"); }"], &[]);
}

#[test]
fn blocking_call_in_async_code_is_rejected() {
    let accepted = [
        "fn f() { std::fs::read(\"x\"); }\nasync fn g() { tokio::fs::read(\"x\").await; }",
        "async fn f() { tokio::time::sleep(x).await; }",
        "async fn f() { tokio::task::block_in_place(|| { argon2.hash_password(x, y) }) }",
    ];
    let rejected = [
        ("async fn f() {\n std::fs::read(\"x\");\n}", "2: blocks the thread with `read`; use the asynchronous form"),
        ("use std::fs;\nfn f() {\n g(async move {\n fs::write(x, y);\n })\n}", "4: blocks the thread with `write`"),
        ("use std::fs::File;\nasync fn f() { File::open(x); }", "2: blocks the thread with `File::open`"),
        ("fn f() -> T { std::thread::sleep(x) }", "1: blocks the thread with `thread::sleep`"),
        ("use std::thread;\nfn f() { thread::sleep(x) }", "2: blocks the thread with `thread::sleep`"),
        ("async fn f() { std::net::TcpStream::connect(x); }", "1: blocks the thread with `TcpStream`"),
        (
            "use std::fs::OpenOptions;\nasync fn f() { OpenOptions::new() }",
            "2: blocks the thread with `OpenOptions::new`",
        ),
        ("async fn f() { std::process::Command::new(\"sh\"); }", "1: blocks the thread with `Command::new`"),
        ("async fn f() {\n argon2\n.hash_password(x, y) }", "3: blocks the thread with `hash_password`"),
        ("async fn f() { argon2.verify_password(x, y); }", "1: blocks the thread with `verify_password`"),
        ("async fn f() { name.to_socket_addrs(); }", "1: blocks the thread with `to_socket_addrs`"),
    ];
    assert_rule(violations, "modules/db/src/server.rs", &accepted, &rejected);
    assert_rule(violations, "src/cli/serve.rs", &["async fn f() { std::fs::read(\"x\"); }"], &[]);
}

#[test]
fn transaction_during_slow_work_is_rejected() {
    let during =
        |name: &str| format!("3: a transaction is open during `{name}`, which isn't SQL; do the slow work before");
    let (hash, sleep, send, verify) = (during("hash"), during("sleep"), during("send"), during("verify"));
    assert_module_rule(
        &[
            "async fn f(&self) { let h = self.hasher.hash(p).await; let mut tx = self.db.begin(scope).await?; tx.commit().await }",
            "async fn f(&self) { let mut tx = self.db.begin(scope).await?; tx.commit().await?; mail.send(x).await }",
            "async fn f(&self) { { let mut tx = db.begin_unscoped().await?; } sleep(x).await }",
            "async fn f(&self) { let mut tx = db.begin_unscoped().await?; drop(tx); sleep(x).await }",
            "async fn f(&self, tx: &mut TenantTx) { insert(tx).await } async fn g(&self) { sleep(x).await }",
        ],
        &[
            (
                "async fn f(&self) {\n let mut tx = self.system.begin(SystemReason::SignIn).await?;\n let h = self.hasher.hash(p).await;\n tx.commit().await }",
                &hash,
            ),
            (
                "async fn f(&self) {\n let tx = GuardedChange::begin(db).await?;\n if x { tokio::time::sleep(y).await; }\n tx.commit().await }",
                &sleep,
            ),
            ("pub(crate) async fn f(\n tx: &mut SystemTx) -> Result<(), E> {\n mail.send(x).await }", &send),
            ("async fn f(\n change: &mut GuardedChange) -> Result<(), E> {\n mail.send(x).await }", &send),
            (
                "async fn f() {\n let tx = system.begin_for_tenant(reason, tenant).await?; drop(other);\n place.verify(password, hash).await }",
                &verify,
            ),
        ],
    );
}

#[test]
fn route_around_routes_is_rejected() {
    let problem =
        |name: &str| format!("1: `{name}` may register a route around Routes; register the handler with Routes");
    for (text, name) in [
        ("use actix_web::web; fn f(c: &mut web::ServiceConfig) { }", "ServiceConfig"),
        ("use actix_web::web::ServiceConfig as C;", "ServiceConfig"),
        ("fn f() { actix_web::web::resource(\"/x\"); }", "resource"),
        ("use actix_web::web as w; fn f() { w::scope(\"/x\"); }", "scope"),
        ("use actix_web::web::*;", "*"),
        ("use actix_web::*;", "*"),
        ("use actix_web::App;", "App"),
        ("use actix_web::dev::HttpServiceFactory;", "HttpServiceFactory"),
        ("fn f() { actix_web::Resource::new(\"/x\"); }", "Resource"),
        ("fn f() { web::get(); }", "get"),
    ] {
        assert_rule(violations, "src/http/handlers/me.rs", &[], &[(text, &problem(name))]);
    }
    let attribute = "1: `#[get]` registers a route around Routes";
    assert_rule(
        violations,
        "src/http/handlers/me.rs",
        &["use actix_web::{HttpRequest, http::StatusCode, web}; fn f(_: web::Data<X>) { routes.get(\"/x\", s, h); }"],
        &[("#[get(\"/x\")] async fn f() {}", attribute)],
    );
    assert_rule(violations, "src/http/route.rs", &["fn f() { actix_web::web::resource(\"/x\"); }"], &[]);
}

#[test]
fn module_that_reads_the_machines_clock_is_rejected() {
    assert_module_rule(
        &["fn f(&self) { self.clock.now(); }"],
        &[
            ("fn f() { std::time::Instant::now(); }", "1: reads the machine's clock; inject kernel::Clock"),
            ("use tokio::time::Instant as I; fn f() { I::now(); }", "1: reads the machine's clock"),
            ("fn f() { chrono::Utc::now(); }", "1: reads the machine's clock"),
            ("use jiff::Timestamp; fn f() { Timestamp::now(); }", "1: reads the machine's clock"),
            ("fn f() { x.map(std::time::SystemTime::elapsed); }", "1: reads the machine's clock"),
        ],
    );
}
