//! Care of the embedded database: status, backup, restore, psql, moving, a new major version.

use std::{
    fs,
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use embedded_postgres::{Look, Options};
use tempfile::TempDir;
use test_support::search_path;

use crate::program::{Behind, Serving, database, folder, program, run, stderr, until};

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
fn a_backup_brings_back_exactly_the_rows_and_rights_that_were_there() {
    let home = Home::seeded();
    let before = home.fingerprint(&[]);
    assert!(before.lines().count() > 50, "{before}");
    assert!(home.ok(&["db", "backup", "b.dump"]).contains("13 tables"));
    assert_eq!(fs::metadata(home.path().join("b.dump")).unwrap().permissions().mode() & 0o777, 0o600);
    home.sql(
        "UPDATE users SET display_name = 'Changed'; DELETE FROM subscriptions; CREATE TABLE later (n int);
         ALTER TABLE memberships NO FORCE ROW LEVEL SECURITY; GRANT DELETE ON users TO tenantry_app",
    );
    assert_ne!(home.fingerprint(&[]), before);

    let unasked = home.refused(&["db", "restore", "b.dump"]);
    assert!(unasked.contains("--yes"), "{unasked}");
    assert_eq!(home.sql("SELECT count(*) FROM later"), "0");

    let restored = home.ok(&["db", "restore", "b.dump", "--yes"]);
    assert!(restored.contains("restored 13 tables"), "{restored}");
    let after = home.fingerprint(&[]);
    assert!(after == before, "{after}\n\nwas\n\n{before}");
    assert_eq!(home.databases(), "postgres tenantry");
    let as_application = "SET ROLE tenantry_app; SELECT count(*) FROM memberships";
    assert_eq!(home.sql(as_application), "0", "row-level security isn't in force");
    assert_eq!(home.sql("SELECT count(*) > 0 FROM memberships"), "t");

    let serving = home.serve();
    assert_eq!(serving.status("/health/ready"), 200);
    serving.interrupt();
}

#[test]
fn a_backup_is_taken_while_the_program_serves_and_a_restore_waits_until_it_does_not() {
    let home = Home::new();
    let serving = home.serve();
    home.ok(&["db", "backup"]);
    let files = home.files();
    let [_, file] = files.as_slice() else { panic!("{files:?}") };
    assert!(file.starts_with("tenantry-20") && file.ends_with(".dump"), "{file}");

    let again = home.refused(&["db", "backup", file]);
    assert!(again.contains("never overwrites"), "{again}");
    let refused = home.refused(&["db", "restore", file, "--yes"]);
    let holder = format!("in use by process {} (tenantry)", serving.child.id());
    assert!(refused.contains(&holder) && refused.contains("stop that program"), "{refused}");
    assert_eq!(serving.status("/health/ready"), 200);
    serving.interrupt();
    home.ok(&["db", "restore", file, "--yes"]);
}

#[test]
fn a_backup_moves_to_another_machine() {
    let home = Home::seeded();
    let before = home.fingerprint(&[]);
    home.ok(&["db", "backup", "b.dump"]);
    // A new folder has none of the roles that the backup names.
    let there = [("DATA_DIR", "there")];
    let restored = home.ok_with(&there, &["db", "restore", "b.dump"]);
    assert!(restored.contains("restored 13 tables"), "{restored}");
    assert_eq!(home.fingerprint(&there), before);
    // It isn't new: no demo data gets into it.
    home.ok_with(&there, &["db", "psql", "-qc", "DELETE FROM subscriptions"]);
    let serving = Serving::start(home.path(), &[home.settings(), there.to_vec()].concat());
    assert_eq!(serving.status("/health/ready"), 200);
    serving.interrupt();
    assert_eq!(home.ok_with(&there, &["db", "psql", "-XAtc", "SELECT count(*) FROM subscriptions"]).trim(), "0");
    assert_eq!(home.fingerprint(&[]), before, "the first one was touched");
}

#[test]
fn what_was_replaced_is_kept_where_that_is_asked_for() {
    let home = Home::seeded();
    home.ok(&["db", "backup", "b.dump"]);
    home.sql("UPDATE users SET display_name = 'Changed'");
    let restored = home.ok(&["db", "restore", "b.dump", "--yes", "--keep"]);
    let kept = home.databases();
    let kept = kept.split(' ').find(|name| name.starts_with("tenantry_before_restore_")).unwrap();
    assert!(restored.contains(kept), "{restored}");
    let names = "SELECT DISTINCT display_name = 'Changed' FROM users";
    assert_eq!(home.sql(names), "f");
    assert_eq!(home.ok(&["db", "psql", "-d", kept, "-XAtc", names]).trim(), "t");
}

#[test]
fn an_older_backup_is_restored_and_says_what_is_pending() {
    let home = Home::seeded();
    home.ok(&["migrate", "revert"]);
    home.ok(&["db", "backup", "old.dump"]);
    home.ok(&["migrate", "run"]);
    let restored = home.ok(&["db", "restore", "old.dump", "--yes"]);
    assert!(restored.contains("1 newer migrations are pending"), "{restored}");
    let serving = home.serve();
    assert_eq!(serving.status("/health/ready"), 200);
    serving.interrupt();
}

/// Each is one line, and costs nothing.
#[test]
fn what_is_no_fitting_backup_is_refused_and_the_data_stays() {
    let home = Home::seeded();
    home.ok(&["db", "backup", "good.dump"]);
    home.sql("INSERT INTO _sqlx_migrations VALUES (9999, 'future', now(), true, '', 0)");
    home.ok(&["db", "backup", "newer-program.dump"]);
    home.sql("DELETE FROM _sqlx_migrations WHERE version = 9999; UPDATE users SET display_name = 'Changed'");
    let before = home.fingerprint(&[]);

    let good = fs::read(home.path().join("good.dump")).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(home.path().join(name), bytes).unwrap();
    write("empty.dump", b"");
    write("letter.dump", b"Dear Alice");
    write("plain.dump", b"--\n-- PostgreSQL database dump\n--\n");
    write("head.dump", &good[..200]);
    write("truncated.dump", &good[..good.len() - 400]);
    let mut format = good.clone();
    format[6] = 99;
    write("newer-format.dump", &format);
    let version = home.sql("SHOW server_version");
    let at = good.windows(version.len()).position(|bytes| bytes == version.as_bytes()).unwrap();
    let mut server = good.clone();
    server[at..at + 2].copy_from_slice(b"99");
    write("newer-server.dump", &server);
    fs::create_dir(home.path().join("folder.dump")).unwrap();
    let foreign = "CREATE DATABASE foreign_one";
    home.sql(foreign);
    let other = database_of_another_program(&home);
    write("foreign.dump", &other);

    for (file, words) in [
        ("missing.dump", "can't be read"),
        ("folder.dump", "can't be read"),
        ("empty.dump", "isn't a backup"),
        ("letter.dump", "isn't a backup"),
        ("plain.dump", "isn't a backup"),
        ("foreign.dump", "isn't a backup"),
        ("head.dump", "is damaged"),
        ("truncated.dump", "can't be restored"),
        ("newer-format.dump", "newer PostgreSQL"),
        ("newer-server.dump", "newer PostgreSQL 99"),
        ("newer-program.dump", "newer version of the program"),
    ] {
        let refused = home.refused(&["db", "restore", file, "--yes"]);
        assert!(refused.contains(words) && refused.contains(file), "{file}: {refused}");
    }
    assert_eq!(home.fingerprint(&[]), before);
    assert_eq!(home.databases(), "foreign_one postgres tenantry");
}

fn database_of_another_program(home: &Home) -> Vec<u8> {
    let db = database(home.path());
    let mut command = Command::new(home.binaries.join("pg_dump"));
    command.args(["-Fc", "-U", db.0.superuser(), "-d", "foreign_one", "-h"]).arg(db.0.socket_dir());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    output.stdout
}

#[test]
fn ctrl_c_during_a_backup_leaves_nothing() {
    let home = Home::new();
    let serving = home.serve();
    serving.wait_for("\ncurl ");
    let mut behind = Behind::connect(home.path());
    behind.execute("BEGIN; LOCK TABLE users");
    let mut command = program(home.path(), &home.settings(), &["db", "backup", "b.dump"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the backup to be held up", || behind.waiting() == 1);
    assert_eq!(home.files(), ["b.dump.part", "data"]);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    assert_eq!(stderr(&output).trim(), "tenantry: interrupted");
    assert_eq!(home.files(), ["data"]);
    until("pg_dump to be gone", || behind.waiting() == 0);
    behind.execute("COMMIT");
    assert_eq!(serving.status("/health/ready"), 200);
    serving.interrupt();
}

/// The same programs, but with a `pg_restore` that has begun and never ends by itself.
fn stuck_restore(home: &Home, mark: &Path) -> PathBuf {
    let folder = home.path().join("stuck");
    fs::create_dir(&folder).unwrap();
    for name in ["postgres", "initdb", "psql", "pg_dump"] {
        symlink(home.binaries.join(name), folder.join(name)).unwrap();
    }
    // It goes when its server does. The first nine words say how to connect.
    let script = format!(
        "#!/bin/sh\ncase $1 in --list) exec '{real}/pg_restore' \"$@\" ;; esac\n\
         '{real}/psql' \"$1\" \"$2\" \"$3\" \"$4\" \"$5\" \"$6\" \"$7\" \"$8\" \"$9\" -qc 'CREATE TABLE half (n int)'\n\
         : >'{mark}'\n\
         exec '{real}/psql' \"$1\" \"$2\" \"$3\" \"$4\" \"$5\" \"$6\" \"$7\" \"$8\" \"$9\" -qc 'SELECT pg_sleep(600)'\n",
        real = home.binaries.display(),
        mark = mark.display()
    );
    // Not written by this process, whose children of the moment would hold it open.
    let write = r#"printf '%s' "$2" >"$1" && chmod 755 "$1""#;
    let status = Command::new("sh").args(["-c", write, "sh"]).arg(folder.join("pg_restore")).arg(script).status();
    assert!(status.unwrap().success());
    folder
}

#[test]
fn a_restore_that_is_interrupted_or_killed_midway_costs_nothing() {
    let home = Home::seeded();
    home.ok(&["db", "backup", "b.dump"]);
    home.sql("UPDATE users SET display_name = 'Changed'");
    let before = home.fingerprint(&[]);
    let mark = home.path().join("half-way");
    let stuck = stuck_restore(&home, &mark);
    let settings = [home.settings(), vec![("POSTGRES_BIN_DIR", stuck.to_str().unwrap())]].concat();
    for (signal, left) in [("-INT", "postgres tenantry"), ("-KILL", "postgres tenantry tenantry_restoring")] {
        let mut command = program(home.path(), &settings, &["db", "restore", "b.dump", "--yes"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        until("half a database", || mark.exists());
        fs::remove_file(&mark).unwrap();
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert!(!output.status.success());
        if signal == "-INT" {
            assert_eq!(stderr(&output).trim(), "tenantry: interrupted; nothing was changed");
        }
        // A killed one's server may take a moment to end.
        until("the folder to be free", || home.run_with(&[], &["migrate", "status"]).status.success());
        assert_eq!(home.databases(), left, "{signal}");
        assert_eq!(home.fingerprint(&[]), before, "{signal}");
    }
    home.ok(&["db", "restore", "b.dump", "--yes"]);
    assert_eq!(home.databases(), "postgres tenantry");
    assert_eq!(home.sql("SELECT count(*) FROM users WHERE display_name = 'Changed'"), "0");
}

#[test]
fn psql_is_led_by_nothing_but_its_arguments_and_its_result_is_passed_on() {
    let home = Home::seeded();
    let surroundings =
        [("PGHOST", "/nowhere"), ("PGPORT", "1"), ("PGUSER", "nobody"), ("PGDATABASE", "none"), ("PGSERVICE", "none")];
    let who = ["db", "psql", "-XAtc", "SELECT current_user || '@' || current_database()"];
    assert_eq!(home.ok_with(&surroundings, &who).trim(), "postgres@tenantry");
    assert!(home.ok_with(&surroundings, &["db", "backup", "b.dump"]).contains("13 tables"));
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

/// Programs `postgres` and `initdb` that only know what version they are.
fn fake_installation(home: &Home) -> PathBuf {
    let folder = home.path().join("fake");
    let write = r#"mkdir "$1" && for name in postgres initdb; do
        printf '#!/bin/sh\necho "postgres (PostgreSQL) 99.0"\n' >"$1/$name" && chmod 755 "$1/$name"; done"#;
    assert!(Command::new("sh").args(["-c", write, "sh"]).arg(&folder).status().unwrap().success());
    folder
}

#[test]
fn a_newer_major_version_beside_the_one_in_use_is_told_with_the_way_to_it() {
    let home = Home::seeded();
    let fake = fake_installation(&home);
    let path = std::env::join_paths([&fake, &home.binaries, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    let serving = Serving::start(home.path(), &[("PATH", path.to_str().unwrap())]);
    let written = serving.interrupt();
    let told: Vec<_> = written.lines().filter(|line| line.contains("PostgreSQL 99 is installed, too")).collect();
    assert_eq!(told.len(), 1, "{written}");
    assert!(told[0].contains("tenantry db backup") && told[0].contains("tenantry db restore"), "{}", told[0]);
}

#[test]
fn a_major_version_that_cannot_read_the_data_is_an_explained_choice() {
    let home = Home::seeded();
    let fake = fake_installation(&home);
    let major = home.sql("SELECT current_setting('server_version_num')::int / 10000");
    let settings = [("POSTGRES_BIN_DIR", fake.to_str().unwrap())];
    let serve = home.refused_with(&settings, &[]);
    let written_by = format!("was written by PostgreSQL {major}");
    let package = format!("apt install postgresql-{major}");
    for words in [&*written_by, &package, "99 (", "POSTGRES_BIN_DIR", "tenantry db backup", "tenantry db restore"] {
        assert!(serve.contains(words), "{words} isn't in {serve}");
    }
    let status = home.ok_with(&settings, &["db", "status"]);
    assert!(status.contains(&written_by), "{status}");
    assert_eq!(home.sql("SELECT 1"), "1", "the data was harmed");
}

#[test]
fn an_installation_without_the_clients_says_what_to_install() {
    let home = Home::seeded();
    let bare = home.path().join("bare");
    fs::create_dir(&bare).unwrap();
    for name in ["postgres", "initdb"] {
        symlink(home.binaries.join(name), bare.join(name)).unwrap();
    }
    let settings = [("POSTGRES_BIN_DIR", bare.to_str().unwrap())];
    fs::write(home.path().join("b.dump"), "PGDMP").unwrap();
    for (program, command) in
        [("pg_dump", &["db", "backup"][..]), ("psql", &["db", "psql"]), ("pg_restore", &["db", "restore", "b.dump"])]
    {
        let words = home.refused_with(&settings, command);
        assert!(words.contains(&format!("`{program}` isn't part of")) && words.contains("client"), "{words}");
    }
    assert_eq!(home.files(), ["b.dump", "bare", "data"]);
}
