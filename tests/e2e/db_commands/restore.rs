//! Backup and restore.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::CliFixture;
use crate::cli::{DbConnection, RunningServer, start_embedded, tenantry_command, stderr, wait_until};

#[test]
fn restore_reproduces_rows_and_grants() {
    let cli = CliFixture::seeded();
    let before = cli.fingerprint(&[]);
    assert!(before.lines().count() > 50, "{before}");
    assert!(cli.ok(&["db", "backup", "b.dump"]).contains(&cli.table_count()));
    assert_eq!(fs::metadata(cli.path().join("b.dump")).unwrap().permissions().mode() & 0o777, 0o600);
    let tables = cli.table_count();
    cli.sql(
        "UPDATE users SET display_name = 'Changed'; DELETE FROM subscriptions; CREATE TABLE later (n int);
         ALTER TABLE memberships NO FORCE ROW LEVEL SECURITY; GRANT DELETE ON users TO tenantry_app",
    );
    assert_ne!(cli.fingerprint(&[]), before);

    let unasked = cli.fail(&["db", "restore", "b.dump"]);
    assert!(unasked.contains("--yes"), "{unasked}");
    assert_eq!(cli.sql("SELECT count(*) FROM later"), "0");

    let restored = cli.ok(&["db", "restore", "b.dump", "--yes"]);
    assert!(restored.contains(&format!("restored {tables}")), "{restored}");
    let after = cli.fingerprint(&[]);
    assert!(after == before, "{after}\n\nwas\n\n{before}");
    assert_eq!(cli.databases(), "postgres tenantry");
    let as_application = "SET ROLE tenantry_app; SELECT count(*) FROM memberships";
    assert_eq!(cli.sql(as_application), "0", "row-level security isn't in force");
    assert_eq!(cli.sql("SELECT count(*) > 0 FROM memberships"), "t");

    let server = cli.serve();
    assert_eq!(server.status("/health/ready"), 200);
    server.interrupt();
}

#[test]
fn backup_is_online_restore_is_offline() {
    let cli = CliFixture::new();
    let server = cli.serve();
    cli.ok(&["db", "backup"]);
    let files = cli.files();
    let [_, file] = files.as_slice() else { panic!("{files:?}") };
    assert!(file.starts_with("tenantry-20") && file.ends_with(".dump"), "{file}");

    let again = cli.fail(&["db", "backup", file]);
    assert!(again.contains("never overwrites"), "{again}");
    let rejected = cli.fail(&["db", "restore", file, "--yes"]);
    let holder = format!("in use by process {} (tenantry)", server.child.id());
    assert!(rejected.contains(&holder) && rejected.contains("stop that program"), "{rejected}");
    assert_eq!(server.status("/health/ready"), 200);
    server.interrupt();
    cli.ok(&["db", "restore", file, "--yes"]);
}

#[test]
fn backup_is_portable() {
    let cli = CliFixture::seeded();
    let before = cli.fingerprint(&[]);
    cli.ok(&["db", "backup", "b.dump"]);
    // A new folder has none of the roles that the backup names.
    let there = [("DATA_DIR", "there")];
    let restored = cli.ok_with(&there, &["db", "restore", "b.dump"]);
    assert!(restored.contains(&format!("restored {}", cli.table_count())), "{restored}");
    assert_eq!(cli.fingerprint(&there), before);
    // It isn't new: no demo data gets into it.
    cli.ok_with(&there, &["db", "psql", "-qc", "DELETE FROM subscriptions"]);
    let server = RunningServer::start(cli.path(), &[cli.settings(), there.to_vec()].concat());
    assert_eq!(server.status("/health/ready"), 200);
    server.interrupt();
    assert_eq!(cli.ok_with(&there, &["db", "psql", "-XAtc", "SELECT count(*) FROM subscriptions"]).trim(), "0");
    assert_eq!(cli.fingerprint(&[]), before, "the first one was touched");
}

#[test]
fn restore_keep_old_database() {
    let cli = CliFixture::seeded();
    cli.ok(&["db", "backup", "b.dump"]);
    cli.sql("UPDATE users SET display_name = 'Changed'");
    let restored = cli.ok(&["db", "restore", "b.dump", "--yes", "--keep-old"]);
    let kept = cli.databases();
    let kept = kept.split(' ').find(|name| name.starts_with("tenantry_before_restore_")).unwrap();
    assert!(restored.contains(kept), "{restored}");
    let names = "SELECT DISTINCT display_name = 'Changed' FROM users";
    assert_eq!(cli.sql(names), "f");
    assert_eq!(cli.ok(&["db", "psql", "-d", kept, "-XAtc", names]).trim(), "t");
}

#[test]
fn restore_reports_pending_migrations() {
    let cli = CliFixture::seeded();
    cli.ok(&["migrate", "revert"]);
    cli.ok(&["db", "backup", "old.dump"]);
    cli.ok(&["migrate", "run"]);
    let restored = cli.ok(&["db", "restore", "old.dump", "--yes"]);
    assert!(restored.contains("1 newer migrations are pending"), "{restored}");
    let server = cli.serve();
    assert_eq!(server.status("/health/ready"), 200);
    server.interrupt();
}

/// Each is one line, and costs nothing.
#[test]
fn invalid_backup_is_rejected() {
    let cli = CliFixture::seeded();
    cli.ok(&["db", "backup", "good.dump"]);
    cli.sql("INSERT INTO _sqlx_migrations VALUES (9999, 'future', now(), true, '', 0)");
    cli.ok(&["db", "backup", "newer-program.dump"]);
    cli.sql("DELETE FROM _sqlx_migrations WHERE version = 9999; UPDATE users SET display_name = 'Changed'");
    let before = cli.fingerprint(&[]);

    let good = fs::read(cli.path().join("good.dump")).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(cli.path().join(name), bytes).unwrap();
    write("empty.dump", b"");
    write("letter.dump", b"Dear Alice");
    write("plain.dump", b"--\n-- PostgreSQL database dump\n--\n");
    write("head.dump", &good[..200]);
    write("truncated.dump", &good[..good.len() - 400]);
    let mut format = good.clone();
    format[6] = 99;
    write("newer-format.dump", &format);
    let version = cli.sql("SHOW server_version");
    let at = good.windows(version.len()).position(|bytes| bytes == version.as_bytes()).unwrap();
    let mut server = good.clone();
    server[at..at + 2].copy_from_slice(b"99");
    write("newer-server.dump", &server);
    fs::create_dir(cli.path().join("folder.dump")).unwrap();
    let foreign = "CREATE DATABASE foreign_one";
    cli.sql(foreign);
    let other = dump_foreign_database(&cli);
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
        let rejected = cli.fail(&["db", "restore", file, "--yes"]);
        assert!(rejected.contains(words) && rejected.contains(file), "{file}: {rejected}");
    }
    assert_eq!(cli.fingerprint(&[]), before);
    assert_eq!(cli.databases(), "foreign_one postgres tenantry");
}

fn dump_foreign_database(cli: &CliFixture) -> Vec<u8> {
    let db = start_embedded(cli.path());
    let mut command = Command::new(cli.bin_dir.join("pg_dump"));
    command.args(["-Fc", "-U", db.0.superuser(), "-d", "foreign_one", "-h"]).arg(db.0.socket_dir());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    output.stdout
}

#[test]
fn interrupted_backup_cleans_up() {
    let cli = CliFixture::new();
    let server = cli.serve();
    server.wait_for_output("\ncurl ");
    let mut connection = DbConnection::connect(cli.path());
    connection.execute("BEGIN; LOCK TABLE users");
    let mut command = tenantry_command(cli.path(), &cli.settings(), &["db", "backup", "b.dump"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the backup to be held up", || connection.count_lock_waiters() == 1);
    assert_eq!(cli.files(), ["b.dump.part", "data"]);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    assert_eq!(stderr(&output).trim(), "tenantry: interrupted");
    assert_eq!(cli.files(), ["data"]);
    wait_until("pg_dump to be gone", || connection.count_lock_waiters() == 0);
    connection.execute("COMMIT");
    assert_eq!(server.status("/health/ready"), 200);
    server.interrupt();
}

/// The same programs, but with a `pg_restore` that has begun and never ends by itself.
fn bin_dir_with_stuck_restore(cli: &CliFixture, marker: &Path) -> PathBuf {
    let bin_dir = cli.path().join("stuck");
    fs::create_dir(&bin_dir).unwrap();
    for name in ["postgres", "initdb", "psql", "pg_dump"] {
        symlink(cli.bin_dir.join(name), bin_dir.join(name)).unwrap();
    }
    // It goes when its server does. The first nine words say how to connect.
    let script = format!(
        "#!/bin/sh\ncase $1 in --list) exec '{real}/pg_restore' \"$@\" ;; esac\n\
         '{real}/psql' \"$1\" \"$2\" \"$3\" \"$4\" \"$5\" \"$6\" \"$7\" \"$8\" \"$9\" -qc 'CREATE TABLE half (n int)'\n\
         : >'{marker}'\n\
         exec '{real}/psql' \"$1\" \"$2\" \"$3\" \"$4\" \"$5\" \"$6\" \"$7\" \"$8\" \"$9\" -qc 'SELECT pg_sleep(600)'\n",
        real = cli.bin_dir.display(),
        marker = marker.display()
    );
    // Not written by this process, whose children of the moment would hold it open.
    let write = r#"printf '%s' "$2" >"$1" && chmod 755 "$1""#;
    let status = Command::new("sh").args(["-c", write, "sh"]).arg(bin_dir.join("pg_restore")).arg(script).status();
    assert!(status.unwrap().success());
    bin_dir
}

#[test]
fn interrupted_restore_loses_nothing() {
    let cli = CliFixture::seeded();
    cli.ok(&["db", "backup", "b.dump"]);
    cli.sql("UPDATE users SET display_name = 'Changed'");
    let before = cli.fingerprint(&[]);
    let marker = cli.path().join("half-way");
    let stuck = bin_dir_with_stuck_restore(&cli, &marker);
    let settings = [cli.settings(), vec![("POSTGRES_BIN_DIR", stuck.to_str().unwrap())]].concat();
    for (signal, left) in [("-INT", "postgres tenantry"), ("-KILL", "postgres tenantry tenantry_restoring")] {
        let mut command = tenantry_command(cli.path(), &settings, &["db", "restore", "b.dump", "--yes"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until("half a database", || marker.exists());
        fs::remove_file(&marker).unwrap();
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert!(!output.status.success());
        if signal == "-INT" {
            assert_eq!(stderr(&output).trim(), "tenantry: interrupted; nothing was changed");
        }
        // A killed one's server may take a moment to end.
        wait_until("the folder to be free", || cli.run_with(&[], &["migrate", "status"]).status.success());
        assert_eq!(cli.databases(), left, "{signal}");
        assert_eq!(cli.fingerprint(&[]), before, "{signal}");
    }
    cli.ok(&["db", "restore", "b.dump", "--yes"]);
    assert_eq!(cli.databases(), "postgres tenantry");
    assert_eq!(cli.sql("SELECT count(*) FROM users WHERE display_name = 'Changed'"), "0");
}
