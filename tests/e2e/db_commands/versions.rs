//! Other PostgreSQL versions and incomplete installations.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use super::CliFixture;
use crate::process::RunningServer;

/// Creates a `postgres` and an `initdb` that only print a version.
fn fake_installation(cli: &CliFixture) -> PathBuf {
    let bin_dir = cli.path().join("fake");
    let write = r#"mkdir "$1" && for name in postgres initdb; do
        printf '#!/bin/sh\necho "postgres (PostgreSQL) 99.0"\n' >"$1/$name" && chmod 755 "$1/$name"; done"#;
    assert!(Command::new("sh").args(["-c", write, "sh"]).arg(&bin_dir).status().unwrap().success());
    bin_dir
}

#[test]
fn newer_major_logs_upgrade_hint() {
    let cli = CliFixture::seeded();
    let fake = fake_installation(&cli);
    let path = std::env::join_paths([&fake, &cli.bin_dir, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    let server = RunningServer::start(cli.path(), &[("PATH", path.to_str().unwrap())]);
    let output = server.interrupt();
    let hints: Vec<_> = output.lines().filter(|line| line.contains("PostgreSQL 99 is also installed")).collect();
    assert_eq!(hints.len(), 1, "{output}");
    assert!(hints[0].contains("tenantry db backup") && hints[0].contains("tenantry db restore"), "{}", hints[0]);
}

#[test]
fn incompatible_major_is_reported() {
    let cli = CliFixture::seeded();
    let fake = fake_installation(&cli);
    let major = cli.sql("SELECT current_setting('server_version_num')::int / 10000");
    let settings = [("POSTGRES_BIN_DIR", fake.to_str().unwrap())];
    let written_by = format!("was written by PostgreSQL {major}");
    let message = cli.fail_with(&settings, &[], &written_by);
    let package = format!("apt install postgresql-{major}");
    for text in [&*package, "99 (", "POSTGRES_BIN_DIR", "tenantry db backup", "tenantry db restore"] {
        assert!(message.contains(text), "{text} isn't in {message}");
    }
    let status = cli.ok_with(&settings, &["db", "status"]);
    assert!(status.contains(&written_by), "{status}");
    assert_eq!(cli.sql("SELECT 1"), "1", "the database is damaged");
}

#[test]
fn missing_client_program_error_names_package() {
    let cli = CliFixture::seeded();
    let bin_dir = cli.path().join("server-only");
    fs::create_dir(&bin_dir).unwrap();
    for name in ["postgres", "initdb"] {
        symlink(cli.bin_dir.join(name), bin_dir.join(name)).unwrap();
    }
    let settings = [("POSTGRES_BIN_DIR", bin_dir.to_str().unwrap())];
    fs::write(cli.path().join("b.dump"), "PGDMP").unwrap();
    for (program, command) in
        [("pg_dump", &["db", "backup"][..]), ("psql", &["db", "psql"]), ("pg_restore", &["db", "restore", "b.dump"])]
    {
        let message = cli.fail_with(&settings, command, &format!("has no `{program}`"));
        assert!(message.contains("client"), "{message}");
    }
    assert_eq!(cli.files(), ["b.dump", "data", "server-only"]);
}
