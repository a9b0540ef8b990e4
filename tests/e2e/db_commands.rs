//! `tenantry db`: status, psql and moving the data directory. The submodules test backup and restore, external servers, and
//! other PostgreSQL versions.

mod external;
mod restore;
mod versions;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use embedded_postgres::{Inspection, Options};
use tempfile::TempDir;
use test_support::search_path;

use crate::process::{
    RunningServer, assert_failure, assert_one_line_failure, assert_success, run, seeded_work_dir, spawn_piped,
    tenantry_command, work_dir,
};

/// Finds an installation that includes the client programs. The newest one on the search path may lack them.
pub(crate) fn complete_bin_dir() -> PathBuf {
    let chosen = Inspection::of(Options { search_path: search_path(), ..Options::new("/nowhere/pg") }).unwrap();
    let chosen = chosen.installation().unwrap().bin_dir().to_owned();
    let well_known = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut all = std::iter::once(chosen).chain(well_known.map(|version| version.path().join("bin")));
    let complete = |bin_dir: &PathBuf| ["initdb", "pg_dump"].iter().all(|program| bin_dir.join(program).is_file());
    all.find(complete).expect("no PostgreSQL installation has pg_dump: install the client programs")
}

/// Runs the program in a temporary directory.
struct CliFixture {
    work_dir: TempDir,
    bin_dir: PathBuf,
}

impl CliFixture {
    fn new() -> Self {
        Self { work_dir: work_dir(), bin_dir: complete_bin_dir() }
    }

    /// Creates an embedded database with the demo data and stops it.
    fn seeded() -> Self {
        Self { work_dir: seeded_work_dir(), bin_dir: complete_bin_dir() }
    }

    fn path(&self) -> &Path {
        self.work_dir.path()
    }

    fn settings(&self) -> Vec<(&str, &str)> {
        vec![("POSTGRES_BIN_DIR", self.bin_dir.to_str().unwrap()), ("LOG_LEVEL", "error")]
    }

    fn serve(&self) -> RunningServer {
        RunningServer::start(self.path(), &self.settings())
    }

    /// Starts a server, checks that it is ready, and stops it.
    fn start_and_stop_with(&self, settings: &[(&str, &str)]) {
        RunningServer::start_and_stop(self.path(), &[&self.settings(), settings].concat());
    }

    fn run_with(&self, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
        run(self.path(), &[&self.settings(), settings].concat(), arguments)
    }

    fn ok(&self, arguments: &[&str]) -> String {
        self.ok_with(&[], arguments)
    }

    fn ok_with(&self, settings: &[(&str, &str)], arguments: &[&str]) -> String {
        assert_success(&self.run_with(settings, arguments))
    }

    /// Runs a command that must fail with a line that contains `text`, and returns the line.
    fn fail(&self, arguments: &[&str], text: &str) -> String {
        self.fail_with(&[], arguments, text)
    }

    fn fail_with(&self, settings: &[(&str, &str)], arguments: &[&str], text: &str) -> String {
        assert_one_line_failure(&self.run_with(settings, arguments), text)
    }

    fn sql(&self, sql: &str) -> String {
        self.ok(&["db", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]).trim().to_owned()
    }

    /// Returns the number of tables as `backup` and `restore` print it.
    fn table_count(&self) -> String {
        format!("{} tables", self.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"))
    }

    /// Dumps everything that a restore must reproduce: rows, grants, row-level security and constraints. Parentheses in
    /// constraints are removed, because a dump changes them.
    fn fingerprint(&self, settings: &[(&str, &str)]) -> String {
        let script = r"
            SELECT format('SELECT %L, md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM %I AS t', tablename, tablename)
            FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename \gexec
            SELECT relname, relkind, relowner::regrole, (SELECT array_agg(acl::text ORDER BY acl::text) FROM unnest(relacl) AS acl), relrowsecurity, relforcerowsecurity
            FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname;
            SELECT * FROM pg_policies ORDER BY tablename, policyname;
            SELECT conrelid::regclass, conname, translate(pg_get_constraintdef(oid), '()', '') FROM pg_constraint
            WHERE connamespace = 'public'::regnamespace ORDER BY conname, 1;
            SELECT proname, prosrc, proacl FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY proname;
            SELECT acl::text FROM pg_namespace, unnest(nspacl) AS acl WHERE nspname = 'public' ORDER BY 1";
        let settings = [&self.settings(), settings].concat();
        let mut command = tenantry_command(self.path(), &settings, &["db", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1"]);
        let mut child = spawn_piped(command.stdin(Stdio::piped()));
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert_success(&child.wait_with_output().unwrap())
    }

    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    fn databases(&self) -> String {
        self.sql("SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE NOT datistemplate")
    }
}

#[test]
fn status_backup_and_psql_never_create_database() {
    let cli = CliFixture::new();
    assert!(cli.ok(&["db", "status"]).contains("no embedded database yet at"));
    for command in [&["db", "backup"][..], &["db", "psql", "-c", "SELECT 1"]] {
        cli.fail(command, "no embedded database yet at");
    }
    cli.fail(&["db", "restore", "nothing.dump"], "can't be read");
    assert!(cli.files().is_empty(), "{:?}", cli.files());
}

#[test]
fn status_running_and_stopped() {
    let cli = CliFixture::seeded();
    let server = cli.serve();
    let running = cli.ok(&["db", "status", "--log", "50"]);
    let owner = format!("owned by process {} (tenantry)", server.child.id());
    let root = cli.path().canonicalize().unwrap().join("data/postgres");
    for text in [&*owner, "0 pending", "MiB", "ready to accept connections", root.to_str().unwrap()] {
        assert!(running.contains(text), "{text} isn't in {running}");
    }
    assert!(running.contains(cli.bin_dir.to_str().unwrap()), "{running}");
    server.assert_ready();
    server.interrupt();
    let stopped = cli.ok(&["db", "status"]);
    assert!(stopped.lines().any(|line| line.starts_with("state") && line.ends_with("stopped")), "{stopped}");
    assert!(!root.join("data/postmaster.pid").exists());
}

#[test]
fn psql_ignores_environment_and_forwards_exit_code() {
    let cli = CliFixture::seeded();
    let environment =
        [("PGHOST", "/nowhere"), ("PGPORT", "1"), ("PGUSER", "nobody"), ("PGDATABASE", "none"), ("PGSERVICE", "none")];
    let query = ["db", "psql", "-XAtc", "SELECT current_user || '@' || current_database()"];
    assert_eq!(cli.ok_with(&environment, &query).trim(), "postgres@tenantry");
    assert!(cli.ok_with(&environment, &["db", "backup", "b.dump"]).contains(&cli.table_count()));
    cli.ok_with(&environment, &["db", "restore", "b.dump", "--yes"]);
    let failed = cli.run_with(&[], &["db", "psql", "-Xv", "ON_ERROR_STOP=1", "-c", "SELECT nonsense"]);
    assert_eq!(failed.status.code(), Some(1));
    assert_failure(&failed, "nonsense");
    let help = cli.ok(&["db", "psql", "--help"]);
    assert!(help.contains("sees every tenant"), "{help}");
}

#[test]
fn moved_data_dir_keeps_database() {
    let cli = CliFixture::seeded();
    cli.serve().interrupt();
    cli.sql("UPDATE users SET display_name = 'Changed'");
    fs::create_dir(cli.path().join("elsewhere")).unwrap();
    fs::rename(cli.path().join("data"), cli.path().join("elsewhere/renamed")).unwrap();
    let moved = [("DATA_DIR", "elsewhere/renamed")];
    cli.start_and_stop_with(&moved);
    let names = cli.ok_with(&moved, &["db", "psql", "-XAtc", "SELECT DISTINCT display_name FROM users"]);
    assert_eq!(names.trim(), "Changed");
    assert!(!cli.path().join("data").exists());
}

/// Programs such as `pg_restore` would take the name for an option.
#[test]
fn file_name_may_begin_with_hyphen() {
    let fixture = CliFixture::seeded();
    fixture.ok(&["db", "backup", "--", "-x.dump"]);
    assert!(fixture.ok(&["db", "restore", "--yes", "--", "-x.dump"]).contains("restored "));
}
