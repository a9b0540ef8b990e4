//! Writing and reading a tenant's audit log.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests inspect and break the database")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a panic fails the test")]

use std::sync::Arc;

use audit::AuditModule;
use audit_api::{AuditFilter, AuditLog, AuditRead, AuditRecord};
use db::{DbError, SystemReason, Tx};
use kernel::{Caller, Change, IntoAuditEvents, RoleId, TenantScope, audit_events};
use rstest::rstest;
use shaku::HasComponent;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use test_support::{SeededDb, TestDb, request_from, seeded, wait_for_lock_waiters};
use time::{Duration, OffsetDateTime};

audit_events! {
    /// A fixture was created.
    pub struct FixtureCreated: "fixture.created", version 1 {
        fixture: RoleId,
    }

    /// A fixture was changed.
    pub struct FixtureChanged: "fixture.changed", version 1 {
        fixture: RoleId,
        size: Change<i32>,
    }
}

fn log(db: &TestDb) -> Arc<dyn AuditLog> {
    AuditModule::builder(db.db.module()).build().resolve()
}

async fn create(seeded: &SeededDb, scope: &TenantScope, fixture: RoleId) {
    let tx = seeded.db.database().begin(scope).await.unwrap();
    tx.commit(FixtureCreated { fixture }).await.unwrap();
}

async fn list(seeded: &SeededDb, tenant: &str, filter: &AuditFilter) -> Vec<AuditRecord> {
    let permit = seeded.permit::<AuditRead>(seeded.seed.users.alice.id, tenant).await.unwrap();
    log(seeded).list(&permit, filter, None, 100).await.unwrap()
}

#[rstest]
#[tokio::test]
async fn commit_records_event_with_caller(#[future(awt)] seeded: SeededDb) {
    let alice = seeded.seed.users.alice.id;
    let scope = seeded.scope(alice, "acme").await.unwrap();
    let fixture = RoleId::new();
    let tx = seeded.db.database().begin(&scope).await.unwrap();
    tx.commit(FixtureChanged { fixture, size: Change { before: 1, after: 2 } }).await.unwrap();

    let records = list(&seeded, "acme", &AuditFilter::default()).await;
    let [changed, seed] = &records[..] else { panic!("{records:?}") };
    assert_eq!((changed.event_type.as_str(), changed.version), ("fixture.changed", 1));
    assert_eq!((changed.target.kind.as_str(), changed.target.id), ("fixture", fixture.as_uuid()));
    assert_eq!(serde_json::to_string(&changed.fields).unwrap(), r#"{"size":{"after":2,"before":1}}"#);
    assert!(changed.caller.kind == "user" && changed.caller.id == Some(alice), "{changed:?}");
    let age = OffsetDateTime::now_utc() - changed.occurred_at;
    assert!(age >= Duration::ZERO && age < Duration::minutes(5), "{age}");
    assert!(seed.caller.command.as_deref() == Some("seed"), "{seed:?}");
    // The other tenant's log contains only its creation.
    assert_eq!(list(&seeded, "globex", &AuditFilter::default()).await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn filters_and_pages_select_records(#[future(awt)] seeded: SeededDb) {
    let (alice, bob) = (seeded.seed.users.alice.id, seeded.seed.users.bob.id);
    let (of_alice, of_bob) = (seeded.scope(alice, "acme").await.unwrap(), seeded.scope(bob, "acme").await.unwrap());
    let fixtures: [RoleId; 4] = std::array::from_fn(|_| RoleId::new());
    for (number, fixture) in fixtures.into_iter().enumerate() {
        create(&seeded, if number == 2 { &of_bob } else { &of_alice }, fixture).await;
    }
    let targets = |records: &[AuditRecord]| -> Vec<usize> {
        let number = |record: &AuditRecord| fixtures.iter().position(|one| one.as_uuid() == record.target.id);
        records.iter().filter_map(number).collect()
    };
    let all = list(&seeded, "acme", &AuditFilter::default()).await;
    assert_eq!(targets(&all), [3, 2, 1, 0]);
    let middle = all[1].occurred_at;
    for (filter, expected) in [
        (AuditFilter { event_type: Some("fixture.created".into()), ..Default::default() }, &[3, 2, 1, 0][..]),
        (AuditFilter { event_type: Some("fixture.changed".into()), ..Default::default() }, &[]),
        (AuditFilter { user: Some(bob), ..Default::default() }, &[2]),
        (AuditFilter { target: Some(fixtures[1].as_uuid()), ..Default::default() }, &[1]),
        (AuditFilter { target: Some(fixtures[1].as_uuid()), user: Some(bob), ..Default::default() }, &[]),
        (AuditFilter { until: Some(middle - Duration::days(1)), ..Default::default() }, &[]),
        (AuditFilter { from: Some(middle + Duration::days(1)), ..Default::default() }, &[]),
        (AuditFilter { from: Some(middle - Duration::days(1)), ..Default::default() }, &[3, 2, 1, 0]),
        (AuditFilter { until: Some(middle + Duration::days(1)), ..Default::default() }, &[3, 2, 1, 0]),
    ] {
        assert_eq!(targets(&list(&seeded, "acme", &filter).await), expected, "{filter:?}");
    }
    let permit = seeded.permit::<AuditRead>(alice, "acme").await.unwrap();
    let page = log(&seeded).list(&permit, &AuditFilter::default(), Some(all[1].id), 2).await.unwrap();
    assert_eq!(page, all[2..4]);
}

#[rstest]
#[tokio::test]
async fn failed_commit_leaves_no_record(#[future(awt)] seeded: SeededDb) {
    let scope = seeded.scope(seeded.seed.users.alice.id, "acme").await.unwrap();
    let before = list(&seeded, "acme", &AuditFilter::default()).await;
    let mut tx = seeded.db.database().begin(&scope).await.unwrap();
    sqlx::raw_sql("SELECT 1 / 0").execute(tx.conn()).await.unwrap_err();
    let error = tx.commit(FixtureCreated { fixture: RoleId::new() }).await.unwrap_err();
    assert!(matches!(error, DbError::Aborted), "{error:?}");
    // A constraint that is checked by COMMIT fails it after the record was inserted.
    seeded
        .execute(
            "CREATE TABLE fixture_notes (a int UNIQUE DEFERRABLE INITIALLY DEFERRED);
             GRANT INSERT ON fixture_notes TO tenantry_app",
        )
        .await;
    let mut tx = seeded.db.database().begin(&scope).await.unwrap();
    sqlx::raw_sql("INSERT INTO fixture_notes VALUES (1), (1)").execute(tx.conn()).await.unwrap();
    tx.commit(FixtureCreated { fixture: RoleId::new() }).await.unwrap_err();
    assert_eq!(list(&seeded, "acme", &AuditFilter::default()).await, before);
}

#[rstest]
#[tokio::test]
async fn failed_record_rolls_change_back(#[future(awt)] seeded: SeededDb) {
    let scope = seeded.scope(seeded.seed.users.alice.id, "acme").await.unwrap();
    seeded.execute("ALTER TABLE audit_events ADD CHECK (event_type <> 'fixture.created') NOT VALID").await;
    let mut tx = seeded.db.database().begin(&scope).await.unwrap();
    sqlx::raw_sql("UPDATE roles SET name = 'renamed' WHERE name = 'admin'").execute(tx.conn()).await.unwrap();
    tx.commit(FixtureCreated { fixture: RoleId::new() }).await.unwrap_err();
    let mut superuser = seeded.superuser().await;
    let renamed: i64 = sqlx::query_scalar("SELECT count(*) FROM roles WHERE name = 'renamed'")
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    assert_eq!(renamed, 0);
}

#[rstest]
#[tokio::test]
async fn record_of_other_tenant_is_rejected(#[future(awt)] seeded: SeededDb) {
    let scope = seeded.scope(seeded.seed.users.alice.id, "acme").await.unwrap();
    let (acme, globex) = (seeded.seed.tenants.acme.id, seeded.seed.tenants.globex.id);
    let record = |tenant| {
        format!(r#"{{"id":"{acme}","tenant":"{tenant}","type":"x","target":{{"id":"{acme}"}},"caller":{{"id":null}}}}"#)
    };
    let other = "INSERT INTO audit_events (tenant_id, id, record) SELECT $1::uuid, ($2::jsonb ->> 'id')::uuid, $2";
    for (sql, record, code) in [
        ("SELECT record_audit_events(ARRAY[$2]) FROM (SELECT $1) AS s", record(globex), "42501"),
        // The row is in the tenant, the record isn't.
        (other, record(globex), "23514"),
    ] {
        let mut tx = seeded.db.database().begin(&scope).await.unwrap();
        let error = sqlx::query(sql).bind(acme.as_uuid()).bind(record).execute(tx.conn()).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), code, "{error}");
    }
    let mut tx = seeded.db.database().begin(&scope).await.unwrap();
    sqlx::query(other).bind(acme.as_uuid()).bind(record(acme)).execute(tx.conn()).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn member_is_denied(#[future(awt)] seeded: SeededDb) {
    let denial = seeded.permit::<AuditRead>(seeded.seed.users.bob.id, "acme").await.unwrap_err();
    assert_eq!(denial.permission.name, "audit:read");
}

/// Statements that change or delete records.
const CHANGES: [&str; 7] = [
    "UPDATE audit_events SET record = record",
    "UPDATE audit_events SET recorded_at = now()",
    "DELETE FROM audit_events",
    "TRUNCATE audit_events",
    "UPDATE deployment_audit_events SET record = '{}'",
    "DELETE FROM deployment_audit_events",
    "TRUNCATE deployment_audit_events",
];

/// Privileges, row-level security and the triggers stop changes; a superuser is stopped by the triggers alone.
#[rstest]
#[tokio::test]
async fn audit_records_are_immutable(#[future(awt)] seeded: SeededDb) {
    let scope = seeded.scope(seeded.seed.users.alice.id, "acme").await.unwrap();
    create(&seeded, &scope, RoleId::new()).await;
    let deployment_record = "INSERT INTO deployment_audit_events (id, record)
        SELECT id, jsonb_build_object('id', id)::text FROM gen_random_uuid() AS id";
    let mut superuser = seeded.superuser().await;
    sqlx::raw_sql(deployment_record).execute(&mut superuser).await.unwrap();
    let before = contents(&mut superuser).await;
    assert!(before.contains("fixture.created") && before.lines().count() >= 4, "{before}");

    let overwrite = "INSERT INTO audit_events (tenant_id, id, record)
        SELECT tenant_id, id, record FROM audit_events
        ON CONFLICT (tenant_id, id) DO UPDATE SET record = excluded.record";
    let (database, system) = (seeded.db.database(), seeded.db.system());
    for change in CHANGES.into_iter().chain([overwrite, "TRUNCATE tenants CASCADE"]) {
        let mut application = database.begin(&scope).await.unwrap();
        assert_denied("tenantry_app", change, execute(&mut application, change).await);
        let mut all_tenants = system.begin(SystemReason::Seed).await.unwrap();
        assert_denied("tenantry_system", change, execute(&mut all_tenants, change).await);
        for session in ["origin", "replica"] {
            let mut tx = superuser.begin().await.unwrap();
            let set = format!("SET LOCAL session_replication_role = {session}");
            sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut *tx).await.unwrap();
            let result = sqlx::raw_sql(change).execute(&mut *tx).await;
            let error = result.map(|_| ()).expect_err(change);
            assert!(error.to_string().contains("can't be changed or deleted"), "{change}: {error}");
        }
    }
    assert_eq!(contents(&mut superuser).await, before);
}

async fn execute(tx: &mut Tx, sql: &'static str) -> Result<u64, sqlx::Error> {
    Ok(sqlx::query(sql).execute(tx.conn()).await?.rows_affected())
}

fn assert_denied(role: &str, sql: &str, result: Result<u64, sqlx::Error>) {
    let error = result.expect_err(sql);
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{role}: {sql}: {error}");
}

async fn contents(superuser: &mut PgConnection) -> String {
    let sql = "SELECT string_agg(r, E'\\n' ORDER BY r)
               FROM (SELECT e::text FROM audit_events AS e UNION ALL SELECT e::text FROM deployment_audit_events AS e) AS t (r)";
    sqlx::query_scalar(sql).fetch_one(superuser).await.unwrap()
}

#[rstest]
#[tokio::test]
async fn equal_events_are_counted(#[future(awt)] seeded: SeededDb) {
    let recorder = seeded.audit_recorder();
    let acme = seeded.seed.tenants.acme.id;
    let scope = seeded.scope(seeded.seed.users.alice.id, "acme").await.unwrap();
    let (one, other) = (RoleId::new(), RoleId::new());
    let addresses = ["192.0.2.1", "192.0.2.2"].map(|address| Some(address.parse().unwrap()));
    for _ in 0..3 {
        recorder.record(Some(acme), scope.caller(), FixtureCreated { fixture: one }.into_events());
        for address in addresses {
            let caller = Caller::anonymous(&request_from(address));
            recorder.record(None, &caller, FixtureCreated { fixture: one }.into_events());
        }
    }
    recorder.record(Some(acme), scope.caller(), FixtureCreated { fixture: other }.into_events());
    let filter = AuditFilter { event_type: Some("fixture.created".into()), ..Default::default() };
    assert_eq!(list(&seeded, "acme", &filter).await, []);
    recorder.flush().await.unwrap();
    recorder.flush().await.unwrap();
    let records = list(&seeded, "acme", &filter).await;
    let mut counts: Vec<_> =
        records.iter().map(|record| (record.target.id == one.as_uuid(), &record.fields["count"])).collect();
    counts.sort_by_key(|(is_one, _)| *is_one);
    assert_eq!(counts, [(false, &1.into()), (true, &3.into())]);
    let of_deployment: Vec<(String, i64)> = sqlx::query_as(
        "SELECT record::jsonb #>> '{caller,address}', (record::jsonb #> '{fields,count}')::bigint
         FROM deployment_audit_events ORDER BY 1",
    )
    .fetch_all(&mut seeded.superuser().await)
    .await
    .unwrap();
    assert_eq!(of_deployment, [("192.0.2.1".into(), 3), ("192.0.2.2".into(), 3)]);
}

#[rstest]
#[tokio::test]
async fn events_are_kept_if_database_fails(#[future(awt)] seeded: SeededDb) {
    let recorder = seeded.audit_recorder();
    let scope = seeded.scope(seeded.seed.users.alice.id, "acme").await.unwrap();
    let event = || FixtureCreated { fixture: RoleId::from_uuid(scope.tenant().as_uuid()) }.into_events();
    recorder.record(Some(scope.tenant()), scope.caller(), event());
    seeded
        .execute("ALTER TABLE audit_events ADD CONSTRAINT fixture CHECK (event_type <> 'fixture.created') NOT VALID")
        .await;
    recorder.flush().await.unwrap_err();
    recorder.record(Some(scope.tenant()), scope.caller(), event());
    seeded.execute("ALTER TABLE audit_events DROP CONSTRAINT fixture").await;
    recorder.flush().await.unwrap();
    let filter = AuditFilter { event_type: Some("fixture.created".into()), ..Default::default() };
    let records = list(&seeded, "acme", &filter).await;
    assert_eq!(records.iter().map(|record| &record.fields["count"]).collect::<Vec<_>>(), [2]);
}

/// A client that causes many different events can't use up the memory.
#[rstest]
#[tokio::test]
async fn number_of_pending_events_is_bounded(#[future(awt)] seeded: SeededDb) {
    let recorder = seeded.audit_recorder();
    let caller = Caller::anonymous(&request_from(None));
    for _ in 0..10_010 {
        recorder.record(None, &caller, FixtureCreated { fixture: RoleId::new() }.into_events());
    }
    recorder.flush().await.unwrap();
    let mut superuser = seeded.superuser().await;
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM deployment_audit_events").fetch_one(&mut superuser).await.unwrap();
    assert_eq!(count, 10_000);
}

/// A shutdown drops the future that flushes at intervals.
#[rstest]
#[tokio::test]
async fn events_are_kept_if_flush_is_cancelled(#[future(awt)] seeded: SeededDb) {
    let recorder = seeded.audit_recorder();
    let scope = seeded.scope(seeded.seed.users.alice.id, "acme").await.unwrap();
    recorder.record(Some(scope.tenant()), scope.caller(), FixtureCreated { fixture: RoleId::new() }.into_events());
    let mut superuser = seeded.superuser().await;
    let mut lock = superuser.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    tokio::select! {
        flushed = recorder.flush() => panic!("the table is locked: {flushed:?}"),
        () = wait_for_lock_waiters(&seeded, 1) => {}
    }
    lock.commit().await.unwrap();
    recorder.flush().await.unwrap();
    let filter = AuditFilter { event_type: Some("fixture.created".into()), ..Default::default() };
    assert_eq!(list(&seeded, "acme", &filter).await.len(), 1);
}
