//! The commands on an external server: two deployments with databases on the same server.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use test_support::{OwnedDb, search_path};

use super::CliFixture;
use crate::process::{RunningServer, assert_one_line_failure, assert_success, run, stdout};

const BACKUP_ATTRIBUTES: &str = "BYPASSRLS IN ROLE pg_read_all_data";

/// Everything that a restore must reproduce, with the roles under the names of the migration files.
const FINGERPRINT: [&str; 5] = [
    "SELECT format('%s %s', conrelid::regclass, translate(pg_get_constraintdef(oid), '()', '')) FROM pg_constraint
     WHERE connamespace = 'public'::regnamespace",
    "SELECT format('%s %s %s %s', relname, relkind, relrowsecurity, relforcerowsecurity) FROM pg_class
     WHERE relnamespace = 'public'::regnamespace",
    "SELECT format('%s %s %s', oid::regprocedure, prosrc, has_function_privilege('public', oid, 'EXECUTE')) FROM pg_proc
     WHERE pronamespace = 'public'::regnamespace",
    "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "SELECT replace(replace(format('%s %s %s %s %s', tablename, policyname, roles, qual, with_check), $1, 'app'), $2, 'system')
     FROM pg_policies",
];

/// A deployment and the program's settings for it.
struct Deployment {
    db: OwnedDb,
    settings: Vec<(&'static str, String)>,
}

impl Deployment {
    /// Returns two. The first one is migrated and has the demo data.
    async fn pair(cli: &CliFixture) -> [Self; 2] {
        let [first, second] = OwnedDb::deployments().await.map(Self::new);
        first.ok(cli, &["migrate", "run"]);
        first.ok(cli, &["seed"]);
        [first, second]
    }

    fn new(db: OwnedDb) -> Self {
        let ([application, owner], prefix) = (db.urls(), db.roles().app().trim_end_matches("_app").to_owned());
        let settings = vec![
            ("APP_ENV", "test".to_owned()),
            ("DB_DRIVER", "postgres".to_owned()),
            ("DATABASE_URL", application),
            ("MIGRATION_DATABASE_URL", owner),
            ("DB_ROLE_PREFIX", prefix),
            ("LOG_LEVEL", "error".to_owned()),
        ];
        Self { db, settings }
    }

    /// Adds a login for backups to the settings.
    async fn add_backup_login(&mut self, attributes: &str) {
        self.settings.push(("BACKUP_DATABASE_URL", self.db.create_backup_login(attributes).await));
    }

    fn set(&mut self, key: &'static str, value: &str) {
        self.settings.push((key, value.to_owned()));
    }

    fn settings(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(key, value)| (*key, value.as_str())).collect()
    }

    fn ok(&self, cli: &CliFixture, arguments: &[&str]) -> String {
        assert_success(&run(cli.path(), &self.settings(), arguments))
    }

    fn fail(&self, cli: &CliFixture, arguments: &[&str], text: &str) -> String {
        assert_one_line_failure(&run(cli.path(), &self.settings(), arguments), text)
    }

    async fn tables(&self) -> Vec<String> {
        strings(
            &mut self.db.superuser().await,
            "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'",
            &[],
        )
        .await
    }

    async fn fingerprint(&self) -> Vec<String> {
        let (mut connection, mut lines) = (self.db.superuser().await, Vec::new());
        for table in self.tables().await {
            let query = format!("SELECT format('{table} %s', t) FROM {table} AS t");
            lines.extend(strings(&mut connection, &query, &[]).await);
        }
        let roles = [self.db.roles().app(), self.db.roles().system()];
        for query in FINGERPRINT {
            lines.extend(strings(&mut connection, query, if query.contains("$1") { &roles } else { &[] }).await);
        }
        lines.sort();
        lines
    }
}

async fn strings(connection: &mut PgConnection, query: &str, parameters: &[&str]) -> Vec<String> {
    let query = parameters.iter().fold(sqlx::query_scalar(AssertSqlSafe(query)), |query, value| query.bind(*value));
    query.fetch_all(connection).await.unwrap()
}

/// Puts client programs of the server's version first in `PATH`.
fn use_matching_clients(cli: &CliFixture, deployment: &mut Deployment) {
    let status = deployment.ok(cli, &["db", "status"]);
    let major = status.lines().find_map(|line| line.strip_prefix("PostgreSQL")).unwrap().trim();
    let path = search_path().unwrap();
    let well_known = PathBuf::from(format!("/usr/lib/postgresql/{major}/bin"));
    let dirs: Vec<_> = std::env::split_paths(&path).chain([well_known]).collect();
    let matches = |dir: &&PathBuf| {
        ["pg_dump", "pg_restore", "psql"].iter().all(|program| {
            let version = Command::new(dir.join(program)).arg("--version").output();
            version.is_ok_and(|version| stdout(&version).contains(&format!("(PostgreSQL) {major}.")))
        })
    };
    let dir = dirs.iter().find(matches).unwrap_or_else(|| {
        panic!(
            "PATH has no pg_dump, pg_restore and psql of the server's version: install postgresql-client-{major}, or put \
             their directory in PATH"
        )
    });
    let path = std::env::join_paths([dir].into_iter().chain(&dirs)).unwrap();
    deployment.set("PATH", path.to_str().unwrap());
}

#[tokio::test]
async fn backup_restores_into_other_deployment() {
    let cli = CliFixture::new();
    let [mut source, mut target] = Deployment::pair(&cli).await;
    source.add_backup_login(BACKUP_ATTRIBUTES).await;
    use_matching_clients(&cli, &mut source);
    use_matching_clients(&cli, &mut target);
    let before = source.fingerprint().await;
    assert!(before.len() > 200, "{before:?}");
    let tables = format!("{} tables", source.tables().await.len());
    assert!(source.ok(&cli, &["db", "backup", "b.dump"]).contains(&tables));

    let restored = target.ok(&cli, &["db", "restore", "b.dump"]);
    assert!(restored.contains(&format!("restored {tables}")) && !restored.contains("pending"), "{restored}");
    assert_eq!(target.fingerprint().await, before);
    assert!(target.ok(&cli, &["db", "status"]).contains("0 pending"));
    assert_eq!(target.ok(&cli, &["migrate", "run"]).trim(), "nothing to apply: the schema is current");
    // Starting checks grants and row policies.
    let server = RunningServer::start(cli.path(), &target.settings());
    let alice = server.client().sign_in("alice@example.com", seeds::PASSWORD).in_tenant("acme");
    assert!(alice.get("/v1/members").json()["members"].as_array().unwrap().len() > 1);
    server.interrupt();
    // The sign-in has been recorded.
    let before = target.fingerprint().await;
    let error = PgConnection::connect(&source.db.urls_to(&target.db)[0]).await.err();
    assert!(error.is_some_and(|error| error.to_string().contains("permission denied")), "PUBLIC may connect");

    let rejected = target.fail(&cli, &["db", "restore", "b.dump"], "isn't empty");
    assert!(rejected.contains(target.db.name()), "{rejected}");
    assert_eq!(target.fingerprint().await, before);
}

/// Restores a backup of an embedded database on an external server, and the reverse.
#[tokio::test]
async fn embedded_and_external_backups_are_interchangeable() {
    let cli = CliFixture::seeded();
    let [_, mut target] = OwnedDb::deployments().await.map(Deployment::new);
    use_matching_clients(&cli, &mut target);
    let rows = "SELECT format('%s %s %s', user_id, tenant_id, role_id) FROM memberships ORDER BY 1";
    let before = cli.sql(rows);
    assert!(before.lines().count() > 2, "{before}");
    cli.ok(&["db", "backup", "b.dump"]);
    target.ok(&cli, &["db", "restore", "b.dump"]);
    assert_eq!(strings(&mut target.db.superuser().await, rows, &[]).await.join("\n"), before);
    RunningServer::start_and_stop(cli.path(), &target.settings());

    target.add_backup_login(BACKUP_ATTRIBUTES).await;
    target.ok(&cli, &["db", "backup", "back.dump"]);
    let new_dir = [("DATA_DIR", "new")];
    cli.ok_with(&new_dir, &["db", "restore", "back.dump"]);
    assert_eq!(cli.ok_with(&new_dir, &["db", "psql", "-XAtc", rows]).trim(), before);
    cli.start_and_stop_with(&new_dir);
}

#[tokio::test]
async fn backup_with_hidden_rows_is_rejected() {
    let cli = CliFixture::new();
    let [mut source, _target] = Deployment::pair(&cli).await;
    // The owner's login: row-level security is forced, so it applies to the owner, too.
    let message = source.fail(&cli, &["db", "backup", "b.dump"], "BYPASSRLS");
    assert!(message.contains(source.db.owner()) && message.contains("BACKUP_DATABASE_URL"), "{message}");
    assert!(!message.contains("enable-row-security"), "{message}");
    source.add_backup_login("").await;
    for change in [
        "ALTER ROLE tenantry_test_backup BYPASSRLS",
        "ALTER ROLE tenantry_test_backup NOBYPASSRLS; GRANT pg_read_all_data TO tenantry_test_backup",
    ] {
        sqlx::raw_sql(change).execute(&mut source.db.superuser().await).await.unwrap();
        source.fail(&cli, &["db", "backup", "b.dump"], "\"tenantry_test_backup\" doesn't see the rows of every tenant");
    }
    assert!(cli.files().is_empty(), "{:?}", cli.files());
}

#[tokio::test]
async fn failed_restore_leaves_database_empty() {
    let cli = CliFixture::new();
    let [mut source, mut target] = Deployment::pair(&cli).await;
    source.add_backup_login(BACKUP_ATTRIBUTES).await;
    use_matching_clients(&cli, &mut source);
    use_matching_clients(&cli, &mut target);
    source.ok(&cli, &["db", "backup", "good.dump"]);
    let good = fs::read(cli.path().join("good.dump")).unwrap();
    fs::write(cli.path().join("truncated.dump"), &good[..good.len() / 2]).unwrap();
    let mut superuser = source.db.superuser().await;
    let mut change = async |sql: &'static str| {
        sqlx::raw_sql(sql).execute(&mut superuser).await.unwrap();
    };
    change("UPDATE _sqlx_migrations SET checksum = 'changed' WHERE version = 2").await;
    source.ok(&cli, &["db", "backup", "changed.dump"]);
    change("INSERT INTO _sqlx_migrations VALUES (9999, 'future', now(), true, '', 0)").await;
    let interrupted = source.fail(&cli, &["db", "backup", "b.dump"], "the last migration run was interrupted");
    assert!(interrupted.contains("tenantry migrate run"), "{interrupted}");

    for (file, expected) in [
        ("missing.dump", "can't be read"),
        ("truncated.dump", "could not read from input file"),
        ("changed.dump", "migration 0002 was applied by a newer version of the program or has changed"),
    ] {
        let message = target.fail(&cli, &["db", "restore", file], expected);
        assert!(message.contains(file), "{message}");
        assert_eq!(target.tables().await, [""; 0], "{file}");
    }
    target.ok(&cli, &["db", "restore", "good.dump"]);
    RunningServer::start_and_stop(cli.path(), &target.settings());
}

/// Creates a program that only prints a version. A shell writes the file, so that no forked child has it open for writing.
fn fake_program(dir: &Path, name: &str, version: &str) {
    let write =
        r#"mkdir -p "$1" && printf '#!/bin/sh\necho "%s (PostgreSQL) %s"\n' "$2" "$3" >"$1/$2" && chmod 755 "$1/$2""#;
    assert!(Command::new("sh").args(["-c", write, "sh"]).arg(dir).args([name, version]).status().unwrap().success());
}

#[tokio::test]
async fn unusable_client_programs_are_named() {
    let cli = CliFixture::new();
    let [mut source, mut target] = Deployment::pair(&cli).await;
    source.add_backup_login(BACKUP_ATTRIBUTES).await;
    fs::write(cli.path().join("b.dump"), "PGDMP").unwrap();
    let empty = cli.path().join("empty");
    source.set("PATH", empty.to_str().unwrap());
    target.set("PATH", empty.to_str().unwrap());
    for (program, deployment, command) in [
        ("pg_dump", &source, &["db", "backup", "c.dump"][..]),
        ("psql", &target, &["db", "psql"]),
        ("pg_restore", &target, &["db", "restore", "b.dump"]),
    ] {
        let message = deployment.fail(&cli, command, &format!("there is no `{program}` in PATH"));
        assert!(message.contains("apt install postgresql-client-"), "{message}");
    }
    let other_versions = cli.path().join("other");
    fake_program(&other_versions, "pg_dump", "9.6.24");
    fake_program(&other_versions, "pg_restore", "99.1");
    source.set("PATH", other_versions.to_str().unwrap());
    target.set("PATH", other_versions.to_str().unwrap());
    source.fail(
        &cli,
        &["db", "backup", "c.dump"],
        "the `pg_dump` in PATH is from PostgreSQL 9, but the server is PostgreSQL",
    );
    target.fail(&cli, &["db", "restore", "b.dump"], "the `pg_restore` in PATH is from PostgreSQL 99");
    assert_eq!(cli.files(), ["b.dump", "other"]);
}

#[tokio::test]
async fn status_and_psql_use_owner_login() {
    let cli = CliFixture::new();
    let [source, target] = Deployment::pair(&cli).await;
    let status = source.ok(&cli, &["db", "status"]);
    for text in ["external server", source.db.name(), " applied, 0 pending"] {
        assert!(status.contains(text), "{text} isn't in {status}");
    }
    assert!(target.ok(&cli, &["db", "status"]).contains("0 applied, "));
    let query = ["db", "psql", "-XAtc", "SELECT current_user || '@' || current_database()"];
    assert_eq!(source.ok(&cli, &query).trim(), format!("{}@{}", source.db.owner(), source.db.name()));
    for (command, option) in
        [(&["db", "status", "--log"][..], "--log"), (&["db", "restore", "b.dump", "--keep-old"], "--keep-old")]
    {
        source.fail(&cli, command, &format!("{option} is only for the embedded database"));
    }
}
