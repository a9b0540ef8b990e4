//! Backup and restore.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use super::CliFixture;
use crate::process::{
    assert_failure, connect_embedded, send_signal, spawn_piped, start_embedded, stderr, tenantry_command, wait_until,
};

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

    cli.fail(&["db", "restore", "b.dump"], "--yes");
    assert_eq!(cli.sql("SELECT count(*) FROM later"), "0");

    let restored = cli.ok(&["db", "restore", "b.dump", "--yes"]);
    assert!(restored.contains(&format!("restored {tables}")), "{restored}");
    let after = cli.fingerprint(&[]);
    assert!(after == before, "after:\n{after}\n\nbefore:\n{before}");
    assert_eq!(cli.databases(), "postgres tenantry");
    let count_as_app_role = "SET ROLE tenantry_app; SELECT count(*) FROM memberships";
    assert_eq!(cli.sql(count_as_app_role), "0", "row-level security isn't enforced");
    assert_eq!(cli.sql("SELECT count(*) > 0 FROM memberships"), "t");

    cli.start_and_stop_with(&[]);
}

#[test]
fn backup_is_online_restore_is_offline() {
    let cli = CliFixture::seeded();
    let server = cli.serve();
    cli.ok(&["db", "backup"]);
    let files = cli.files();
    let [_, file] = files.as_slice() else { panic!("{files:?}") };
    assert!(file.starts_with("tenantry-20") && file.ends_with(".dump"), "{file}");

    cli.fail(&["db", "backup", file], "already exists");
    let rejected = cli.fail(&["db", "restore", file, "--yes"], "stop that program");
    let owner = format!("in use by process {} (tenantry)", server.child.id());
    assert!(rejected.contains(&owner), "{rejected}");
    server.assert_ready();
    server.interrupt();
    cli.ok(&["db", "restore", file, "--yes"]);
}

#[test]
fn backup_is_portable() {
    let cli = CliFixture::seeded();
    let before = cli.fingerprint(&[]);
    cli.ok(&["db", "backup", "b.dump"]);
    // A new data directory has none of the roles that the backup refers to.
    let other_dir = [("DATA_DIR", "there")];
    let restored = cli.ok_with(&other_dir, &["db", "restore", "b.dump"]);
    assert!(restored.contains(&format!("restored {}", cli.table_count())), "{restored}");
    assert_eq!(cli.fingerprint(&other_dir), before);
    // The server doesn't treat a restored database as new, so it seeds no demo data.
    cli.ok_with(&other_dir, &["db", "psql", "-qc", "DELETE FROM subscriptions"]);
    cli.start_and_stop_with(&other_dir);
    assert_eq!(cli.ok_with(&other_dir, &["db", "psql", "-XAtc", "SELECT count(*) FROM subscriptions"]).trim(), "0");
    assert_eq!(cli.fingerprint(&[]), before, "the original database has changed");
}

#[test]
fn restore_keeps_old_database() {
    let cli = CliFixture::seeded();
    cli.ok(&["db", "backup", "b.dump"]);
    cli.sql("UPDATE users SET display_name = 'Changed'");
    let restored = cli.ok(&["db", "restore", "b.dump", "--yes", "--keep-old"]);
    let databases = cli.databases();
    let old_database = databases.split(' ').find(|name| name.starts_with("tenantry_before_restore_")).unwrap();
    assert!(restored.contains(old_database), "{restored}");
    let is_changed = "SELECT DISTINCT display_name = 'Changed' FROM users";
    assert_eq!(cli.sql(is_changed), "f");
    assert_eq!(cli.ok(&["db", "psql", "-d", old_database, "-XAtc", is_changed]).trim(), "t");
}

#[test]
fn restore_reports_pending_migrations() {
    let cli = CliFixture::seeded();
    cli.ok(&["migrate", "revert"]);
    cli.ok(&["db", "backup", "old.dump"]);
    cli.ok(&["migrate", "run"]);
    let restored = cli.ok(&["db", "restore", "old.dump", "--yes"]);
    assert!(restored.contains("pending migrations: 1;"), "{restored}");
    cli.start_and_stop_with(&[]);
}

/// Each invalid backup is rejected with one line and leaves the database unchanged.
#[test]
fn invalid_backup_is_rejected() {
    let cli = CliFixture::seeded();
    cli.ok(&["db", "backup", "good.dump"]);
    cli.sql(
        "INSERT INTO _sqlx_migrations VALUES (9999, 'future', now(), true, '', 0);
         INSERT INTO _tenantry_access VALUES ('migration 9999')",
    );
    cli.ok(&["db", "backup", "newer-program.dump"]);
    cli.sql(
        "DELETE FROM _sqlx_migrations WHERE version = 9999; DELETE FROM _tenantry_access WHERE entry = 'migration 9999';
         UPDATE users SET display_name = 'Changed'",
    );
    let before = cli.fingerprint(&[]);

    let good = fs::read(cli.path().join("good.dump")).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(cli.path().join(name), bytes).unwrap();
    write("empty.dump", b"");
    write("letter.dump", b"Dear Alice");
    write("plain.dump", b"--\n-- PostgreSQL database dump\n--\n");
    write("head.dump", &good[..200]);
    write("truncated.dump", &good[..good.len() / 2]);
    let mut newer_format = good.clone();
    newer_format[6] = 99;
    write("newer-format.dump", &newer_format);
    let version = cli.sql("SHOW server_version");
    let offset = good.windows(version.len()).position(|bytes| bytes == version.as_bytes()).unwrap();
    let mut newer_server = good.clone();
    newer_server[offset..offset + 2].copy_from_slice(b"99");
    write("newer-server.dump", &newer_server);
    fs::create_dir(cli.path().join("folder.dump")).unwrap();
    cli.sql("CREATE DATABASE foreign_one");
    write("foreign.dump", &dump_foreign_database(&cli));

    for (file, expected) in [
        ("missing.dump", "can't be read"),
        ("folder.dump", "can't be read"),
        ("empty.dump", "isn't a backup"),
        ("letter.dump", "isn't a backup"),
        ("plain.dump", "isn't a backup"),
        ("foreign.dump", "isn't a backup"),
        ("head.dump", "is damaged"),
        ("truncated.dump", "could not read from input file"),
        ("newer-format.dump", "newer PostgreSQL"),
        ("newer-server.dump", "newer PostgreSQL 99"),
        ("newer-program.dump", "newer version of the program"),
    ] {
        let rejected = cli.fail(&["db", "restore", file, "--yes"], expected);
        assert!(rejected.contains(file), "{file}: {rejected}");
    }
    assert_eq!(cli.fingerprint(&[]), before);
    assert_eq!(cli.databases(), "foreign_one postgres tenantry");
}

/// Dumps a database that the program didn't create.
fn dump_foreign_database(cli: &CliFixture) -> Vec<u8> {
    let db = start_embedded(cli.path());
    let connection = db.0.connection_info();
    let mut command = Command::new(cli.bin_dir.join("pg_dump"));
    command.args(["-Fc", "-U", connection.superuser(), "-d", "foreign_one", "-h"]).arg(connection.socket_dir());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    output.stdout
}

#[test]
fn interrupted_backup_cleans_up() {
    let cli = CliFixture::seeded();
    let server = cli.serve();
    server.wait_for_output("\ncurl ");
    let mut connection = connect_embedded(cli.path());
    connection.execute("BEGIN; LOCK TABLE users");
    let child = spawn_piped(&mut tenantry_command(cli.path(), &cli.settings(), &["db", "backup", "b.dump"]));
    wait_until("the backup to wait for the lock", || connection.count_lock_waiters() == 1);
    assert_eq!(cli.files(), ["b.dump.part", "data"]);
    send_signal(&child, "-INT");
    let message = assert_failure(&child.wait_with_output().unwrap(), "interrupted");
    assert_eq!(message.trim(), "tenantry: interrupted");
    assert_eq!(cli.files(), ["data"]);
    wait_until("pg_dump to exit", || connection.count_lock_waiters() == 0);
    connection.execute("COMMIT");
    server.assert_ready();
    server.interrupt();
}

/// Creates a bin directory with a `pg_restore` that prints the statements for one table, creates `marker` and continues until
/// its output is closed.
fn bin_dir_with_stuck_restore(cli: &CliFixture, marker: &Path) -> PathBuf {
    let bin_dir = cli.path().join("stuck");
    fs::create_dir(&bin_dir).unwrap();
    for name in ["postgres", "initdb", "psql", "pg_dump"] {
        symlink(cli.bin_dir.join(name), bin_dir.join(name)).unwrap();
    }
    let script = format!(
        "#!/bin/sh\ncase $1 in --list) exec '{real}/pg_restore' \"$@\" ;; esac\n\
         echo 'CREATE TABLE half (n int);'\n\
         : >'{marker}'\n\
         while echo '--'; do sleep 0.1; done\n",
        real = cli.bin_dir.display(),
        marker = marker.display()
    );
    // A shell writes the file: if this process did, a concurrently forked child could inherit the open descriptor, and
    // executing the script would fail with "text file busy".
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
    let stuck_bin_dir = bin_dir_with_stuck_restore(&cli, &marker);
    let settings = [cli.settings(), vec![("POSTGRES_BIN_DIR", stuck_bin_dir.to_str().unwrap())]].concat();
    for (signal, remaining) in [("-INT", "postgres tenantry"), ("-KILL", "postgres tenantry tenantry_restoring")] {
        let mut command = tenantry_command(cli.path(), &settings, &["db", "restore", "b.dump", "--yes"]);
        let child = spawn_piped(&mut command);
        wait_until("a partially restored database", || marker.exists());
        fs::remove_file(&marker).unwrap();
        send_signal(&child, signal);
        let output = child.wait_with_output().unwrap();
        assert!(!output.status.success());
        if signal == "-INT" {
            assert_eq!(stderr(&output).trim(), "tenantry: interrupted; nothing was changed");
        }
        // After SIGKILL the database server takes a moment to stop.
        wait_until("the data directory to be unlocked", || cli.run_with(&[], &["migrate", "status"]).status.success());
        assert_eq!(cli.databases(), remaining, "{signal}");
        assert_eq!(cli.fingerprint(&[]), before, "{signal}");
    }
    cli.ok(&["db", "restore", "b.dump", "--yes"]);
    assert_eq!(cli.databases(), "postgres tenantry");
    assert_eq!(cli.sql("SELECT count(*) FROM users WHERE display_name = 'Changed'"), "0");
}
