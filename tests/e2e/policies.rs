//! `tenantry policies …`, as whoever runs the program uses it.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use rstest::rstest;
use sqlx::Connection;
use test_support::{Seeded, TestDb, seeded as seeded_database};

use crate::program::{Serving, database, folder, program, run, stderr};

/// As tenants are that a program before version 2 of the templates founded.
const BACK_TO_VERSION_1: &str = "DELETE FROM policies WHERE resource = 'role';
    UPDATE tenant_attributes SET policy_template_version = 1";

/// What the command said, and whether all was well.
fn policies(folder: &Path, arguments: &[&str]) -> (bool, String, String) {
    let output = run(folder, &[("LOG_LEVEL", "error")], &[&["policies"], arguments].concat());
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    (output.status.success(), said, stderr(&output))
}

fn well(folder: &Path, arguments: &[&str]) -> String {
    let (well, said, errors) = policies(folder, arguments);
    assert!(well, "{arguments:?}: {said}{errors}");
    said
}

/// Changes the database behind the program's back.
fn behind_its_back(folder: &Path, sql: &str) -> String {
    database(folder).sql(sql)
}

fn seeded() -> tempfile::TempDir {
    let folder = folder();
    assert!(run(folder.path(), &[], &["seed"]).status.success());
    folder
}

const VERSIONS: &str = "SELECT t.slug, a.policy_template_version, count(p.id)
    FROM tenants AS t JOIN tenant_attributes AS a ON a.tenant_id = t.id JOIN policies AS p ON p.tenant_id = t.id
    GROUP BY t.id, a.tenant_id ORDER BY t.slug";

#[test]
fn an_upgrade_says_what_it_does_and_a_second_one_that_there_is_nothing_to_do() {
    let folder = seeded();
    let folder = folder.path();
    let nothing = "nothing to upgrade: no tenant is behind version 2 of the policy templates\n";
    assert_eq!(well(folder, &["upgrade"]), nothing, "a founded tenant has the current version");

    behind_its_back(folder, BACK_TO_VERSION_1);
    let status = well(folder, &["status"]);
    assert!(status.lines().any(|line| words(line) == ["1", "2", "behind"]), "{status}");
    let would = well(folder, &["upgrade", "--dry-run"]);
    assert_eq!(would, "would upgrade 2 tenants to version 2 of the policy templates\n");
    assert_eq!(behind_its_back(folder, VERSIONS), "acme|1|2\nglobex|1|2\n");

    let upgraded = well(folder, &["upgrade", "--batch", "1"]);
    assert_eq!(upgraded, "upgraded 1 of 2 tenants\nupgraded 2 tenants to version 2 of the policy templates\n");
    assert_eq!(behind_its_back(folder, VERSIONS), "acme|2|3\nglobex|2|3\n");
    for arguments in [&["upgrade"][..], &["upgrade", "--dry-run"]] {
        assert_eq!(well(folder, arguments), nothing);
    }
    let status = well(folder, &["status"]);
    assert!(status.lines().any(|line| words(line) == ["2", "2", "current"]), "{status}");
}

/// A table's line without its frame.
fn words(line: &str) -> Vec<&str> {
    line.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect()
}

#[test]
fn a_tenant_that_something_is_in_the_way_of_is_named_with_what_to_do_and_the_others_are_upgraded() {
    let folder = seeded();
    let folder = folder.path();
    behind_its_back(folder, BACK_TO_VERSION_1);
    behind_its_back(
        folder,
        "UPDATE roles SET is_system = false FROM tenants AS t
         WHERE t.id = roles.tenant_id AND t.slug = 'acme' AND roles.name = 'member'",
    );
    let stays = "acme stays as it is: a role of its own is called member, as a role of the templates is. Rename that \
                 role, then run this again\n";
    for (arguments, done) in [(&["upgrade", "--dry-run"][..], "would upgrade"), (&["upgrade"], "upgraded")] {
        let (well, said, errors) = policies(folder, arguments);
        assert!(!well);
        assert_eq!(said, format!("{done} 1 tenant to version 2 of the policy templates\n{stays}"));
        assert_eq!(errors, "tenantry: 1 tenant couldn't be upgraded\n");
    }
    assert_eq!(behind_its_back(folder, VERSIONS), "acme|1|2\nglobex|2|3\n");

    behind_its_back(folder, "UPDATE roles SET name = 'staff', name_key = 'staff' WHERE NOT is_system");
    assert_eq!(well(folder, &["upgrade"]), "upgraded 1 tenant to version 2 of the policy templates\n");
}

#[test]
fn tenants_of_a_newer_program_are_left_alone_and_said_to_be() {
    let folder = seeded();
    let folder = folder.path();
    behind_its_back(
        folder,
        "UPDATE tenant_attributes SET policy_template_version = 9
         WHERE tenant_id = (SELECT id FROM tenants WHERE slug = 'acme')",
    );
    let said = well(folder, &["upgrade"]);
    assert_eq!(
        said,
        "1 tenant beyond version 2 of the policy templates, left alone: a newer program was here\n\
         nothing to upgrade: no tenant is behind version 2 of the policy templates\n"
    );
    let status = well(folder, &["status"]);
    assert!(status.lines().any(|line| words(line) == ["9", "1", "of", "a", "newer", "program"]), "{status}");
}

#[test]
fn a_server_says_at_its_start_that_tenants_are_behind() {
    let folder = seeded();
    let warned = |folder: &Path| Serving::start(folder, &[]).interrupt().contains("tenantry policies upgrade");
    assert!(!warned(folder.path()));
    behind_its_back(folder.path(), BACK_TO_VERSION_1);
    assert!(warned(folder.path()));
    well(folder.path(), &["upgrade"]);
    assert!(!warned(folder.path()));
}

/// How to reach a database that migrates itself in development alone.
fn elsewhere(url: &str) -> [(&str, &str); 4] {
    [("APP_ENV", "test"), ("DB_DRIVER", "postgres"), ("DATABASE_URL", url), ("LOG_LEVEL", "error")]
}

#[tokio::test]
async fn a_schema_that_is_not_current_is_refused() {
    let empty = TestDb::empty().await;
    let refused = run(folder().path(), &elsewhere(&empty.url()), &["policies", "upgrade"]);
    assert!(!refused.status.success() && stderr(&refused).contains("tenantry migrate run"), "{}", stderr(&refused));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_stops_an_upgrade_and_the_next_one_goes_on(#[future(awt)] seeded_database: Seeded) {
    let (folder, url) = (folder(), seeded_database.url());
    let (mut owner, mut other) = (seeded_database.owner().await, seeded_database.owner().await);
    sqlx::raw_sql(BACK_TO_VERSION_1).execute(&mut owner).await.unwrap();
    // Somebody changes who may do what in Acme, and takes their time.
    let mut change = other.begin().await.unwrap();
    let lock = "SELECT FROM tenants WHERE slug = 'acme' FOR NO KEY UPDATE";
    sqlx::query(lock).execute(&mut *change).await.unwrap();
    let mut upgrade = program(folder.path(), &elsewhere(&url), &["policies", "upgrade", "--batch", "1"]);
    let mut upgrade = upgrade.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let held_up = "SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
        WHERE NOT l.granted AND a.datname = current_database()";
    while sqlx::query_scalar::<_, i64>(held_up).fetch_one(&mut owner).await.unwrap() == 0 {
        assert_eq!(upgrade.try_wait().unwrap(), None, "it ended");
    }
    assert!(Command::new("kill").args(["-INT", &upgrade.id().to_string()]).status().unwrap().success());
    let output = upgrade.wait_with_output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(said, "upgraded 1 of 2 tenants\nwaiting for 1 tenant that somebody is changing\n");
    assert!(stderr(&output).contains("run it again to go on"), "{}", stderr(&output));

    change.commit().await.unwrap();
    let again = run(folder.path(), &elsewhere(&url), &["policies", "upgrade"]);
    let said = String::from_utf8_lossy(&again.stdout);
    assert_eq!(said, "upgraded 1 tenant to version 2 of the policy templates\n", "{}", stderr(&again));
}

/// Sizes that make no sense are refused before anything is started.
#[test]
fn a_batch_has_1_to_1000_tenants() {
    let folder = folder();
    for size in ["0", "1001", "-1", "many", "99999999999999999999"] {
        let (well, _, errors) = policies(folder.path(), &["upgrade", &format!("--batch={size}")]);
        assert!(!well && errors.contains("--batch"), "{size}: {errors}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something was started");
}
