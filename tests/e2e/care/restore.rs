//! Backup and restore.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::Home;
use crate::program::{Behind, Serving, database, program, stderr, until};

#[test]
fn a_backup_brings_back_exactly_the_rows_and_rights_that_were_there() {
    let home = Home::seeded();
    let before = home.fingerprint(&[]);
    assert!(before.lines().count() > 50, "{before}");
    assert!(home.ok(&["db", "backup", "b.dump"]).contains(&home.tables()));
    assert_eq!(fs::metadata(home.path().join("b.dump")).unwrap().permissions().mode() & 0o777, 0o600);
    let tables = home.tables();
    home.sql(
        "UPDATE users SET display_name = 'Changed'; DELETE FROM subscriptions; CREATE TABLE later (n int);
         ALTER TABLE memberships NO FORCE ROW LEVEL SECURITY; GRANT DELETE ON users TO tenantry_app",
    );
    assert_ne!(home.fingerprint(&[]), before);

    let unasked = home.refused(&["db", "restore", "b.dump"]);
    assert!(unasked.contains("--yes"), "{unasked}");
    assert_eq!(home.sql("SELECT count(*) FROM later"), "0");

    let restored = home.ok(&["db", "restore", "b.dump", "--yes"]);
    assert!(restored.contains(&format!("restored {tables}")), "{restored}");
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
    assert!(restored.contains(&format!("restored {}", home.tables())), "{restored}");
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
