//! The read path never creates records: every GET of the OpenAPI document, on a database that refuses to write.

use rstest::rstest;

use crate::{
    authorization_matrix::{send_sample, operations},
    client::{Response, TestApp, Client, app},
};

/// From now on nothing is written, by whichever way in: each new transaction is read-only, and so is none of the old
/// connections left.
fn make_read_only(app: &TestApp) {
    app.sql(
        "DO $$ BEGIN
           EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database());
         END $$",
    );
    // Waits for each until it is gone: one that ended later would take a request with it.
    app.sql(
        "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
}

/// What Acme's admin gets from each route that reads.
fn get_every_route(app: &TestApp, admin: &Client) -> Vec<(String, Response)> {
    let policy = admin.get("/v1/policies").json()["policies"][0]["id"].as_str().unwrap().to_owned();
    let paths = operations(app).into_iter().filter(|(method, ..)| method == "get").map(|(_, path, _)| path);
    let read = |path: String| {
        let response = match path.as_str() {
            "/v1/policies/{id}" => admin.get(&path.replace("{id}", &policy)),
            _ => send_sample(admin, "get", &path, app),
        };
        (path, response)
    };
    paths.map(read).collect()
}

#[rstest]
fn get_requests_are_read_only(app: TestApp) {
    let admin = app.alice().in_tenant("acme");
    let before = get_every_route(&app, &admin);
    make_read_only(&app);
    let after = get_every_route(&app, &admin);
    assert!(before.len() >= 10, "only {} routes were found", before.len());
    for ((path, before), (_, after)) in before.iter().zip(&after) {
        assert_eq!(
            before.status, 200,
            "GET {path}: ask for something that Acme's admin can read, in `get_every_route`"
        );
        assert_eq!(
            (after.status, &after.body),
            (200, &before.body),
            "GET {path} writes, or locks rows: on a database that refuses it, it answers otherwise. Read with \
             `tenant_reader` or `begin_for_user`; what must write is no GET"
        );
    }
}

#[rstest]
fn writes_fail_on_read_only_database(app: TestApp) {
    let admin = app.alice().in_tenant("acme");
    let writes = |name: &str| {
        let body = format!(r#"{{"name": "{name}"}}"#);
        // In a tenant's transaction, and in one of the system's.
        [admin.post("/v1/roles", &body), admin.post("/v1/tenants", &body)].map(|response| response.status)
    };
    assert_eq!(writes("before"), [201, 201]);
    make_read_only(&app);
    assert_eq!(writes("after"), [500, 500]);
}
