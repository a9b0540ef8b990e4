//! Other versions of PostgreSQL, and installations that lack something.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use super::Home;
use crate::program::Serving;

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
