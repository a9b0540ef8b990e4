//! `tenantry policies`: status and upgrade of the policy templates.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::Output,
};

use rstest::rstest;
use sqlx::Connection;
use test_support::{SeededDb, TempDb, seeded};

use crate::process::{
    RunningServer, assert_failure, assert_success, run, seeded_work_dir, send_signal, spawn_piped, start_embedded,
    stderr, stdout, tenantry_command, work_dir,
};

/// Changes all tenants to the state in which version 1 of the templates creates them.
const DOWNGRADE_TO_VERSION_1: &str = "DELETE FROM policies WHERE resource = 'role';
    UPDATE tenant_attributes SET policy_template_version = 1";

fn run_policies(work_dir: &Path, arguments: &[&str]) -> Output {
    run(work_dir, &[("LOG_LEVEL", "error")], &[&["policies"], arguments].concat())
}

fn succeed(work_dir: &Path, arguments: &[&str]) -> String {
    assert_success(&run_policies(work_dir, arguments))
}

/// Starts the embedded database without the program and runs SQL on it.
fn execute_sql(work_dir: &Path, sql: &str) -> String {
    start_embedded(work_dir).sql(sql)
}

const SELECT_VERSIONS: &str = "SELECT t.slug, a.policy_template_version, count(p.id)
    FROM tenants AS t JOIN tenant_attributes AS a ON a.tenant_id = t.id JOIN policies AS p ON p.tenant_id = t.id
    GROUP BY t.id, a.tenant_id ORDER BY t.slug";

#[test]
fn upgrade_is_idempotent() {
    let work_dir = seeded_work_dir();
    let work_dir = work_dir.path();
    let nothing = "nothing to upgrade: no tenant is older than version 2 of the policy templates\n";
    assert_eq!(succeed(work_dir, &["upgrade"]), nothing, "a new tenant has the current version");

    execute_sql(work_dir, DOWNGRADE_TO_VERSION_1);
    let status = succeed(work_dir, &["status"]);
    assert!(status.lines().any(|line| cells(line) == ["1", "2", "outdated"]), "{status}");
    let planned = succeed(work_dir, &["upgrade", "--dry-run"]);
    assert_eq!(planned, "would upgrade 2 tenants to version 2 of the policy templates\n");
    assert_eq!(execute_sql(work_dir, SELECT_VERSIONS), "acme|1|2\nglobex|1|2\n");

    let upgraded = succeed(work_dir, &["upgrade", "--batch-size", "1"]);
    assert_eq!(upgraded, "upgraded 1 of 2 tenants\nupgraded 2 tenants to version 2 of the policy templates\n");
    assert_eq!(execute_sql(work_dir, SELECT_VERSIONS), "acme|2|3\nglobex|2|3\n");
    for arguments in [&["upgrade"][..], &["upgrade", "--dry-run"]] {
        assert_eq!(succeed(work_dir, arguments), nothing);
    }
    let recorded = "SELECT t.slug, e.record::jsonb #>> '{caller,command}', e.record::jsonb #> '{fields}'
        FROM audit_events AS e JOIN tenants AS t ON t.id = e.tenant_id
        WHERE e.event_type = 'tenant.policy_templates_upgraded' ORDER BY t.slug";
    let expected = "acme|policies upgrade|{\"version\": 2}\nglobex|policies upgrade|{\"version\": 2}\n";
    assert_eq!(execute_sql(work_dir, recorded), expected);
    let status = succeed(work_dir, &["status"]);
    assert!(status.lines().any(|line| cells(line) == ["2", "2", "current"]), "{status}");
}

/// Returns the cells of a table row, without the borders.
fn cells(line: &str) -> Vec<&str> {
    line.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect()
}

#[test]
fn blocked_tenant_is_reported_and_others_upgraded() {
    let work_dir = seeded_work_dir();
    let work_dir = work_dir.path();
    execute_sql(work_dir, DOWNGRADE_TO_VERSION_1);
    execute_sql(
        work_dir,
        "UPDATE roles SET is_system = false FROM tenants AS t
         WHERE t.id = roles.tenant_id AND t.slug = 'acme' AND roles.name = 'member'",
    );
    let skipped = "skipped acme: custom role member conflicts with a system role; rename it and rerun\n";
    for (arguments, done) in [(&["upgrade", "--dry-run"][..], "would upgrade"), (&["upgrade"], "upgraded")] {
        let output = run_policies(work_dir, arguments);
        assert!(!output.status.success());
        assert_eq!(stdout(&output), format!("{done} 1 tenant to version 2 of the policy templates\n{skipped}"));
        assert_eq!(stderr(&output), "tenantry: 1 tenant couldn't be upgraded\n");
    }
    assert_eq!(execute_sql(work_dir, SELECT_VERSIONS), "acme|1|2\nglobex|2|3\n");

    execute_sql(work_dir, "UPDATE roles SET name = 'staff', name_key = 'staff' WHERE NOT is_system");
    assert_eq!(succeed(work_dir, &["upgrade"]), "upgraded 1 tenant to version 2 of the policy templates\n");
}

#[test]
fn newer_tenants_are_reported_and_skipped() {
    let work_dir = seeded_work_dir();
    let work_dir = work_dir.path();
    execute_sql(
        work_dir,
        "UPDATE tenant_attributes SET policy_template_version = 9
         WHERE tenant_id = (SELECT id FROM tenants WHERE slug = 'acme')",
    );
    let stdout = succeed(work_dir, &["upgrade"]);
    assert_eq!(
        stdout,
        "skipped 1 tenant newer than version 2 of the policy templates: upgraded by a newer version of the program\n\
         nothing to upgrade: no tenant is older than version 2 of the policy templates\n"
    );
    let status = succeed(work_dir, &["status"]);
    assert!(status.lines().any(|line| cells(line) == ["9", "1", "newer"]), "{status}");
}

#[test]
fn startup_warns_about_outdated_tenants() {
    let work_dir = seeded_work_dir();
    let warned =
        |work_dir: &Path| RunningServer::start(work_dir, &[]).interrupt().contains("tenantry policies upgrade");
    assert!(!warned(work_dir.path()));
    execute_sql(work_dir.path(), DOWNGRADE_TO_VERSION_1);
    assert!(warned(work_dir.path()));
    succeed(work_dir.path(), &["upgrade"]);
    assert!(!warned(work_dir.path()));
}

/// Settings for an external database. Outside development the program doesn't migrate it.
fn postgres_settings(url: &str) -> [(&str, &str); 5] {
    [
        ("APP_ENV", "test"),
        ("DB_DRIVER", "postgres"),
        ("DATABASE_URL", url),
        ("DB_ROLE_PREFIX", "tenantry"),
        ("LOG_LEVEL", "error"),
    ]
}

#[tokio::test]
async fn outdated_schema_is_rejected() {
    let empty = TempDb::empty().await;
    let rejected = run(work_dir().path(), &postgres_settings(&empty.url()), &["policies", "upgrade"]);
    assert_failure(&rejected, "tenantry migrate run");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn interrupted_upgrade_resumes(#[future(awt)] seeded: SeededDb) {
    let (work_dir, url) = (work_dir(), seeded.url());
    let mut other = seeded.superuser().await;
    seeded.execute(DOWNGRADE_TO_VERSION_1).await;
    // An open transaction that changes policies of Acme holds the lock that the upgrade needs.
    let mut change = other.begin().await.unwrap();
    let lock = "SELECT FROM tenants WHERE slug = 'acme' FOR NO KEY UPDATE";
    sqlx::query(lock).execute(&mut *change).await.unwrap();
    let mut upgrade =
        tenantry_command(work_dir.path(), &postgres_settings(&url), &["policies", "upgrade", "--batch-size", "1"]);
    let mut upgrade = spawn_piped(&mut upgrade);
    let mut lines = BufReader::new(upgrade.stdout.take().unwrap()).lines();
    let printed: Vec<String> = lines.by_ref().take(2).map(Result::unwrap).collect();
    assert_eq!(printed, ["upgraded 1 of 2 tenants", "waiting for 1 tenant locked by another transaction"]);
    send_signal(&upgrade, "-INT");
    let output = upgrade.wait_with_output().unwrap();
    assert_failure(&output, "run this command again to continue");
    assert_eq!(lines.count(), 0);

    let locked = run(work_dir.path(), &postgres_settings(&url), &["policies", "upgrade"]);
    assert_failure(&locked, "1 tenant couldn't be upgraded");
    let skipped = "skipped 1 tenant still locked by another transaction: end it and run this command again\n";
    assert!(stdout(&locked).ends_with(skipped), "{}", stdout(&locked));

    change.commit().await.unwrap();
    let again = run(work_dir.path(), &postgres_settings(&url), &["policies", "upgrade"]);
    assert_eq!(stdout(&again), "upgraded 1 tenant to version 2 of the policy templates\n", "{}", stderr(&again));
}

/// Invalid sizes are rejected before the database is started.
#[test]
fn batch_size_is_1_to_1000() {
    let work_dir = work_dir();
    for size in ["0", "1001", "-1", "+5", "05", "many", "99999999999999999999"] {
        assert_failure(&run_policies(work_dir.path(), &["upgrade", &format!("--batch-size={size}")]), "--batch-size");
    }
    assert_eq!(std::fs::read_dir(work_dir.path()).unwrap().count(), 0, "files were created");
}
