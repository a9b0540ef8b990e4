//! After a revocation by another program (here: SQL as the superuser), no response uses the revoked rights.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use kernel::TenancyMode;
use rstest::rstest;
use serde_json::json;

use crate::client::{Client, Response, TestApp, app};

/// What Bob may do in Acme.
#[derive(Debug, Clone)]
struct Model {
    /// The name of his role.
    role: Option<&'static str>,
    active: bool,
    archived: bool,
    /// Whether a policy denies reading users to all members.
    users_denied: bool,
    slug: &'static str,
}

/// A change in the database, and the same in the model.
struct Change {
    sql: String,
    apply: fn(&mut Model),
}

fn changes(app: &TestApp) -> Vec<Change> {
    let (acme, bob) = (&app.seed.tenants.acme, app.seed.users.bob.id);
    let tenant = acme.id;
    let assign = |role| {
        format!(
            "INSERT INTO memberships (tenant_id, user_id, role_id) VALUES ('{tenant}', '{bob}', '{role}')
             ON CONFLICT (tenant_id, user_id) DO UPDATE SET role_id = excluded.role_id"
        )
    };
    let of_tenant = |assignment| format!("UPDATE tenants SET {assignment} WHERE id = '{tenant}'");
    let of_bob = |assignment| format!("UPDATE users SET {assignment} WHERE id = '{bob}'");
    let deny = format!(
        "INSERT INTO policies (tenant_id, id, effect, resource, verbs, digest)
         VALUES ('{tenant}', gen_random_uuid(), 'deny', 'user', '{{read}}', sha256('deny')) ON CONFLICT DO NOTHING"
    );
    let remove = format!("DELETE FROM memberships WHERE tenant_id = '{tenant}' AND user_id = '{bob}'");
    let change = |sql, apply| Change { sql, apply };
    vec![
        change(remove, |model| model.role = None),
        change(assign(acme.admin_role), |model| model.role = Some("admin")),
        change(assign(acme.member_role), |model| model.role = Some("member")),
        change(of_bob("deactivated_at = now()"), |model| model.active = false),
        change(of_bob("deactivated_at = NULL"), |model| model.active = true),
        change(of_tenant("status = 'archived'"), |model| model.archived = true),
        change(of_tenant("status = 'active'"), |model| model.archived = false),
        change(deny, |model| model.users_denied = true),
        change("DELETE FROM policies WHERE effect = 'deny'".to_owned(), |model| model.users_denied = false),
        change(of_tenant("slug = 'acme'"), |model| model.slug = "acme"),
        change(of_tenant("slug = 'acme-2'"), |model| model.slug = "acme-2"),
    ]
}

/// A read that needs a permission.
struct Read {
    method: &'static str,
    path: String,
    is_allowed: fn(&Model) -> bool,
}

/// Members may read roles, and users unless a policy denies it. Only admins may read the tenant and its policies.
fn reads(app: &TestApp) -> Vec<Read> {
    let read = |method, path: &str, is_allowed| Read { method, path: path.to_owned(), is_allowed };
    let users: fn(&Model) -> bool = |model| !model.users_denied;
    let admins: fn(&Model) -> bool = |model| model.role == Some("admin");
    vec![
        read("GET", "/v1/members", users),
        read("HEAD", "/v1/members", users),
        read("GET", &format!("/v1/members/{}", app.seed.users.bob.id), users),
        read("GET", "/v1/roles", |_| true),
        read("GET", "/v1/policies", admins),
        read("GET", "/v1/tenant", admins),
    ]
}

impl Model {
    /// Returns the status of a request by Bob that names the tenant like this.
    fn expected(&self, named: &str, read: &Read) -> u16 {
        let is_named = named == self.slug || !named.starts_with("acme");
        match self.role {
            _ if !self.active => 401,
            Some(_) if !self.archived && is_named => {
                if (read.is_allowed)(self) {
                    200
                } else {
                    403
                }
            }
            _ => 404,
        }
    }
}

/// Returns the role of Bob in a list of members.
fn role_of_bob(response: &Response) -> Option<String> {
    let members = response.json();
    let bob = members["members"].as_array()?.iter().find(|member| member["email"] == "bob@example.com")?;
    Some(bob["role"]["name"].as_str()?.to_owned())
}

/// Makes random changes, each followed by reads by Bob. Returns how often each status was returned, or the first read
/// whose response differs from the model.
fn run(app: &TestApp, steps: usize) -> Result<BTreeMap<u16, usize>, String> {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let (changes, reads, mut database, bob) = (changes(app), reads(app), app.database(), app.bob());
    let id = app.seed.tenants.acme.id.to_string();
    let mut model = Model { role: Some("member"), active: true, archived: false, users_denied: false, slug: "acme" };
    let mut statuses = BTreeMap::new();
    for step in 0..steps {
        let change = &changes[random.usize(..changes.len())];
        database.execute(&change.sql);
        (change.apply)(&mut model);
        for _ in 0..random.usize(..3) {
            let named = ["acme", "acme-2", &id][random.usize(..3)];
            let read = &reads[random.usize(..reads.len())];
            let response = bob.in_tenant(named).send(read.method, &read.path, None);
            let (status, expected) = (response.status, model.expected(named, read));
            let is_list = status == 200 && (read.method, read.path.as_str()) == ("GET", "/v1/members");
            let listed = if is_list { role_of_bob(&response) } else { model.role.map(ToOwned::to_owned) };
            if status != expected || listed.as_deref() != model.role {
                let request = format!("{} {} in {named}", read.method, read.path);
                return Err(format!(
                    "seed {seed}, step {step}, {request}: {status} with {listed:?} instead of {expected}: {model:?}"
                ));
            }
            *statuses.entry(status).or_default() += 1;
        }
    }
    Ok(statuses)
}

#[rstest]
fn read_after_revocation_has_current_rights(app: TestApp) {
    let statuses = run(&app, 800).unwrap_or_else(|mistake| panic!("admitted_scope or the cache is wrong: {mistake}"));
    for status in [200, 401, 403, 404] {
        assert!(statuses.get(&status).is_some_and(|count| *count >= 5), "{status} is too rare: {statuses:?}");
    }
}

/// Without the comparison, the cache returns revoked rights, and the test above finds it.
#[rstest]
fn read_without_comparison_has_revoked_rights(app: TestApp) {
    app.sql(
        "CREATE OR REPLACE FUNCTION admitted_scope(admission uuid[]) RETURNS uuid LANGUAGE sql VOLATILE
         RETURN tenant_scope(admission[1])",
    );
    assert!(run(&app, 400).is_err());
}

/// The check and the list are of one snapshot: a list that Bob gets contains Bob.
#[rstest]
fn read_during_revocation_sees_one_snapshot(app: TestApp) {
    let (remove, assign) = (&changes(&app)[0].sql, &changes(&app)[2].sql);
    let bob = app.bob().in_tenant("acme");
    let (is_done, readers_that_saw_both) = (AtomicBool::new(false), AtomicUsize::new(0));
    let read = |bob: &Client| {
        let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
        let has_both = |statuses: &BTreeMap<u16, usize>| [200, 404].iter().all(|status| statuses.contains_key(status));
        while !is_done.load(Ordering::Relaxed) {
            let response = bob.get("/v1/members");
            if response.status == 200 {
                assert_eq!(role_of_bob(&response).as_deref(), Some("member"), "Bob read a list without Bob");
            }
            let had_both = has_both(&statuses);
            *statuses.entry(response.status).or_default() += 1;
            if has_both(&statuses) && !had_both {
                readers_that_saw_both.fetch_add(1, Ordering::Relaxed);
            }
        }
        statuses
    };
    thread::scope(|scope| {
        let readers: Vec<_> = (0..3).map(|_| scope.spawn(|| read(&bob))).collect();
        let mut database = app.database();
        // On a busy machine, a reader may be too slow to see both states within 300 rounds.
        let (deadline, mut rounds) = (Instant::now() + Duration::from_secs(60), 0);
        while rounds < 300
            || (readers_that_saw_both.load(Ordering::Relaxed) < readers.len() && Instant::now() < deadline)
        {
            database.execute(remove);
            database.execute(assign);
            rounds += 1;
        }
        is_done.store(true, Ordering::Relaxed);
        for reader in readers {
            let statuses = reader.join().unwrap();
            assert!(statuses.keys().all(|status| [200, 404, 503].contains(status)), "{statuses:?}");
            assert!(statuses.contains_key(&200) && statuses.contains_key(&404), "{statuses:?}");
        }
    });
}

/// The database rejects the admission each time: the client gets an error, and nothing is read.
#[rstest]
fn admission_that_is_always_outdated_is_an_error(app: TestApp) {
    let alice = app.alice().in_tenant("acme");
    // Concurrent reads open connections that later reads use.
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(alice.get("/v1/members").status, 200));
        }
    });
    app.sql(
        "CREATE OR REPLACE FUNCTION admitted_scope(admission uuid[]) RETURNS uuid LANGUAGE plpgsql STABLE
         AS $$ BEGIN RAISE SQLSTATE 'TN001'; END $$",
    );
    // Only the program's sessions: a session of the test may still be listed after it was closed.
    let sessions = || -> BTreeSet<i32> {
        let sessions =
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tenantry'";
        app.database().fetch_all::<(i32,)>(sessions).into_iter().map(|(pid,)| pid).collect()
    };
    let before = sessions();
    assert!(!before.is_empty());
    for path in ["/v1/members", "/v1/roles", "/v1/policies", "/v1/tenant", "/v1/invitations", "/v1/subscription"] {
        for _ in 0..5 {
            assert_eq!(alice.get(path).status, 503, "{path}");
        }
    }
    assert!(before.is_subset(&sessions()), "an outdated admission closed a connection");
    assert_eq!(alice.get("/v1/me").status, 200);
}

/// The first attempt consumes the body. The second must still return its error.
#[rstest]
fn oversized_body_of_repeated_read_is_rejected(app: TestApp) {
    let token = app.access_token("alice@example.com");
    let alice = app.anonymous().with_token(&token).in_tenant("acme");
    assert_eq!(alice.get("/v1/members").status, 200);
    app.sql("UPDATE tenants SET policy_version = gen_random_uuid()");
    let body = "x".repeat(10_000);
    let response = app.send_raw(&format!(
        "GET /v1/members HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         X-Tenant-Id: acme\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
}

/// The user remains a member of the former personal tenant, so only the version of the tenant shows the change.
#[test]
fn reassigned_personal_tenant_is_found() {
    let app = TestApp::with_tenancy(TenancyMode::Personal);
    let user = app.user("dana@example.com");
    let slug = |client: &Client| client.get("/v1/tenant").json()["slug"].as_str().map(ToOwned::to_owned);
    assert_eq!(user.post("/v1/tenants", json!({"name": "Dana", "slug": "dana"})).status, 201);
    assert_eq!(slug(&user).as_deref(), Some("dana"));
    app.sql(
        "INSERT INTO memberships (tenant_id, user_id, role_id)
         SELECT r.tenant_id, u.id, r.id FROM roles AS r, users AS u, tenants AS t
         WHERE t.slug = 'acme' AND r.tenant_id = t.id AND r.name = 'admin' AND u.email = 'dana@example.com';
         UPDATE tenants SET personal_user_id = NULL WHERE slug = 'dana';
         UPDATE tenants SET personal_user_id = (SELECT id FROM users WHERE email = 'dana@example.com') WHERE slug = 'acme'",
    );
    assert_eq!(slug(&user).as_deref(), Some("acme"));
}
