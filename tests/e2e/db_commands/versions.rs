//! Other versions of PostgreSQL, and installations that lack something.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use super::CliFixture;
use crate::cli::RunningServer;

/// Programs `postgres` and `initdb` that only know what version they are.
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
    let told: Vec<_> = output.lines().filter(|line| line.contains("PostgreSQL 99 is installed, too")).collect();
    assert_eq!(told.len(), 1, "{output}");
    assert!(told[0].contains("tenantry db backup") && told[0].contains("tenantry db restore"), "{}", told[0]);
}

#[test]
fn incompatible_major_is_reported() {
    let cli = CliFixture::seeded();
    let fake = fake_installation(&cli);
    let major = cli.sql("SELECT current_setting('server_version_num')::int / 10000");
    let settings = [("POSTGRES_BIN_DIR", fake.to_str().unwrap())];
    let serve = cli.fail_with(&settings, &[]);
    let written_by = format!("was written by PostgreSQL {major}");
    let package = format!("apt install postgresql-{major}");
    for words in [&*written_by, &package, "99 (", "POSTGRES_BIN_DIR", "tenantry db backup", "tenantry db restore"] {
        assert!(serve.contains(words), "{words} isn't in {serve}");
    }
    let status = cli.ok_with(&settings, &["db", "status"]);
    assert!(status.contains(&written_by), "{status}");
    assert_eq!(cli.sql("SELECT 1"), "1", "the data was harmed");
}

#[test]
fn missing_clients_names_package() {
    let cli = CliFixture::seeded();
    let bare = cli.path().join("bare");
    fs::create_dir(&bare).unwrap();
    for name in ["postgres", "initdb"] {
        symlink(cli.bin_dir.join(name), bare.join(name)).unwrap();
    }
    let settings = [("POSTGRES_BIN_DIR", bare.to_str().unwrap())];
    fs::write(cli.path().join("b.dump"), "PGDMP").unwrap();
    for (program, command) in
        [("pg_dump", &["db", "backup"][..]), ("psql", &["db", "psql"]), ("pg_restore", &["db", "restore", "b.dump"])]
    {
        let words = cli.fail_with(&settings, command);
        assert!(words.contains(&format!("has no `{program}`")) && words.contains("client"), "{words}");
    }
    assert_eq!(cli.files(), ["b.dump", "bare", "data"]);
}
