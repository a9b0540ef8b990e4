//! Care of the embedded database: status, psql and moving; backup and restore, and other versions, apart.

mod restore;
mod versions;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use embedded_postgres::{Look, Options};
use tempfile::TempDir;
use test_support::search_path;

use crate::program::{Serving, folder, program, run, stderr};

/// An installation with all the programs: the newest that is on the search path may be of the server alone.
fn binaries() -> PathBuf {
    let chosen = Look::at(Options { search_path: search_path(), ..Options::new("/nowhere/pg") }).unwrap();
    let chosen = chosen.installation().unwrap().folder().to_owned();
    let usual = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut all = std::iter::once(chosen).chain(usual.map(|version| version.path().join("bin")));
    let complete = |folder: &PathBuf| ["initdb", "pg_dump"].iter().all(|program| folder.join(program).is_file());
    all.find(complete).expect("an installation of PostgreSQL with pg_dump; install the client programs")
}

/// A program in a folder of its own.
struct Home {
    folder: TempDir,
    binaries: PathBuf,
}

impl Home {
    fn new() -> Self {
        Self { folder: folder(), binaries: binaries() }
    }

    /// With a database that has the demo data, and isn't running.
    fn seeded() -> Self {
        let home = Self::new();
        home.ok(&["seed"]);
        home
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn settings(&self) -> Vec<(&str, &str)> {
        vec![("POSTGRES_BIN_DIR", self.binaries.to_str().unwrap()), ("LOG_LEVEL", "error")]
    }

    fn serve(&self) -> Serving {
        Serving::start(self.path(), &self.settings())
    }

    fn run_with(&self, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
        run(self.path(), &[&self.settings(), settings].concat(), arguments)
    }

    fn ok(&self, arguments: &[&str]) -> String {
        self.ok_with(&[], arguments)
    }

    fn ok_with(&self, settings: &[(&str, &str)], arguments: &[&str]) -> String {
        let output = self.run_with(settings, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// It fails with one line, which is given back.
    fn refused(&self, arguments: &[&str]) -> String {
        self.refused_with(&[], arguments)
    }

    fn refused_with(&self, settings: &[(&str, &str)], arguments: &[&str]) -> String {
        let output = self.run_with(settings, arguments);
        assert!(!output.status.success(), "{arguments:?} isn't refused");
        assert_eq!(stderr(&output).lines().count(), 1, "{arguments:?}: {}", stderr(&output));
        stderr(&output)
    }

    fn sql(&self, sql: &str) -> String {
        self.ok(&["db", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]).trim().to_owned()
    }

    /// How many there are, in a backup's words.
    fn tables(&self) -> String {
        format!("{} tables", self.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"))
    }

    /// Everything that a backup must bring back: rows, rights, policies, and what forces them. How a condition is put in
    /// brackets changes with its being written out.
    fn fingerprint(&self, settings: &[(&str, &str)]) -> String {
        let script = r"
            SELECT format('SELECT %L, md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM %I AS t', tablename, tablename)
            FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename \gexec
            SELECT relname, relkind, relowner::regrole, relacl, relrowsecurity, relforcerowsecurity
            FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname;
            SELECT * FROM pg_policies ORDER BY tablename, policyname;
            SELECT conrelid::regclass, conname, translate(pg_get_constraintdef(oid), '()', '') FROM pg_constraint
            WHERE connamespace = 'public'::regnamespace ORDER BY conname, 1;
            SELECT proname, prosrc, proacl FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY proname;
            SELECT nspacl FROM pg_namespace WHERE nspname = 'public'";
        let settings = [&self.settings(), settings].concat();
        let mut command = program(self.path(), &settings, &["db", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1"]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
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
fn where_there_is_no_database_none_is_made() {
    let home = Home::new();
    assert!(home.ok(&["db", "status"]).contains("no embedded database yet at"));
    for command in [&["db", "backup"][..], &["db", "psql", "-c", "SELECT 1"]] {
        assert!(home.refused(command).contains("no embedded database yet at"), "{command:?}");
    }
    assert!(home.refused(&["db", "restore", "nothing.dump"]).contains("can't be read"));
    assert!(home.files().is_empty(), "{:?}", home.files());
}

#[test]
fn the_commands_are_for_the_embedded_database_alone() {
    let home = Home::new();
    let settings = [("DB_DRIVER", "postgres"), ("DATABASE_URL", "postgres://u:hunter2@127.0.0.1:1/d")];
    for command in [&["db", "status"][..], &["db", "backup"], &["db", "restore", "f"], &["db", "psql"]] {
        let words = home.refused_with(&settings, command);
        assert!(words.contains("DATABASE_URL") && !words.contains("hunter2"), "{words}");
    }
    assert!(home.files().is_empty(), "{:?}", home.files());
}

#[test]
fn status_tells_of_a_running_database_and_of_a_stopped_one() {
    let home = Home::new();
    let serving = home.serve();
    let running = home.ok(&["db", "status", "--log", "50"]);
    let holder = format!("for process {} (tenantry)", serving.child.id());
    let root = home.path().canonicalize().unwrap().join("data/postgres");
    for words in [&*holder, "0 pending", "MiB", "ready to accept connections", root.to_str().unwrap()] {
        assert!(running.contains(words), "{words} isn't in {running}");
    }
    assert!(running.contains(home.binaries.to_str().unwrap()), "{running}");
    assert_eq!(serving.status("/health/ready"), 200);
    serving.interrupt();
    let stopped = home.ok(&["db", "status"]);
    assert!(stopped.lines().any(|line| line.starts_with("state") && line.ends_with("stopped")), "{stopped}");
    assert!(!root.join("data/postmaster.pid").exists());
}

#[test]
fn psql_is_led_by_nothing_but_its_arguments_and_its_result_is_passed_on() {
    let home = Home::seeded();
    let surroundings =
        [("PGHOST", "/nowhere"), ("PGPORT", "1"), ("PGUSER", "nobody"), ("PGDATABASE", "none"), ("PGSERVICE", "none")];
    let who = ["db", "psql", "-XAtc", "SELECT current_user || '@' || current_database()"];
    assert_eq!(home.ok_with(&surroundings, &who).trim(), "postgres@tenantry");
    assert!(home.ok_with(&surroundings, &["db", "backup", "b.dump"]).contains(&home.tables()));
    home.ok_with(&surroundings, &["db", "restore", "b.dump", "--yes"]);
    let failed = home.run_with(&[], &["db", "psql", "-Xv", "ON_ERROR_STOP=1", "-c", "SELECT nonsense"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(stderr(&failed).contains("nonsense"), "{}", stderr(&failed));
    let help = home.ok(&["db", "psql", "--help"]);
    assert!(help.contains("sees every tenant"), "{help}");
}

#[test]
fn a_moved_data_folder_is_the_same_database() {
    let home = Home::new();
    home.serve().interrupt();
    home.sql("UPDATE users SET display_name = 'Changed'");
    fs::create_dir(home.path().join("elsewhere")).unwrap();
    fs::rename(home.path().join("data"), home.path().join("elsewhere/renamed")).unwrap();
    let moved = [("DATA_DIR", "elsewhere/renamed")];
    let serving = Serving::start(home.path(), &[home.settings(), moved.to_vec()].concat());
    assert_eq!(serving.status("/health/ready"), 200);
    serving.interrupt();
    let names = home.ok_with(&moved, &["db", "psql", "-XAtc", "SELECT DISTINCT display_name FROM users"]);
    assert_eq!(names.trim(), "Changed");
    assert!(!home.path().join("data").exists());
}
