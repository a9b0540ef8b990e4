//! GET requests never write: every GET route of the OpenAPI document works on a read-only database. Nor do they execute a
//! statement that writes, even if it fails or is rolled back without a trace in the response.

use rstest::rstest;
use serde_json::json;

use crate::{
    client::{Client, Response, TestApp, app},
    sample_requests::{Route, routes},
};

/// Makes the database read-only: the application's roles lose the privileges to write and to lock rows. The program
/// overrides `default_transaction_read_only`.
fn make_read_only(app: &TestApp) {
    app.sql(
        "REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA public FROM tenantry_app, tenantry_system",
    );
}

/// Sends a GET request to each route as Acme's admin.
fn get_every_route(app: &TestApp, admin: &Client) -> Vec<(String, Response)> {
    let routes = routes(app).into_iter().filter(|route| route.method == "GET");
    let get = |route: Route| {
        let response = route.sample(admin).send(admin);
        (route.path, response)
    };
    routes.map(get).collect()
}

/// Counts statements that write, even if they change no row or are rolled back: a sequence never is.
const COUNT_WRITES: &str = "
    CREATE SEQUENCE public.writes;
    CREATE FUNCTION public.count_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
      BEGIN
        PERFORM nextval('public.writes');
        RETURN NULL;
      END
    $$;
    DO $$
      DECLARE
        name text;
      BEGIN
        FOR name IN SELECT oid::regclass FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
          EXECUTE format('CREATE TRIGGER count_write BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s
                          FOR EACH STATEMENT EXECUTE FUNCTION public.count_write()', name);
        END LOOP;
      END
    $$;";

fn count_writes(app: &TestApp) -> i64 {
    let count = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM public.writes";
    app.database().fetch_all::<(i64,)>(count)[0].0
}

#[rstest]
fn get_requests_are_read_only(app: TestApp) {
    let admin = app.alice().in_tenant("acme");
    let before = get_every_route(&app, &admin);
    make_read_only(&app);
    let after = get_every_route(&app, &admin);
    assert!(before.len() >= 10, "expected at least 10 routes, found {}", before.len());
    for ((path, before), (_, after)) in before.iter().zip(&after) {
        assert_eq!(before.status, 200, "GET {path}: Acme's admin can't read it");
        assert_eq!(
            (after.status, &after.body),
            (200, &before.body),
            "GET {path} writes or locks rows: its response differs on a read-only database. Read with `tenant_reader` \
             or `begin_for_user`, or use another method"
        );
    }
}

#[rstest]
fn writes_fail_on_read_only_database(app: TestApp) {
    let admin = app.alice().in_tenant("acme");
    let writes = |name: &str| {
        let body = json!({"name": name});
        // A tenant transaction and a system transaction.
        [admin.post("/v1/roles", &body), admin.post("/v1/tenants", &body)].map(|response| response.status)
    };
    assert_eq!(writes("before"), [201, 201]);
    make_read_only(&app);
    assert_eq!(writes("after"), [500, 500]);
}

#[rstest]
fn get_requests_execute_no_write(app: TestApp) {
    let admin = app.alice().in_tenant("acme");
    app.sql(COUNT_WRITES);
    for route in routes(&app).into_iter().filter(|route| route.method == "GET") {
        let response = route.sample(&admin).send(&admin);
        assert_eq!(
            (response.status, count_writes(&app)),
            (200, 0),
            "GET {} executes a statement that writes, even if it hides the failure; use another method",
            route.path
        );
    }
    // The counter works, also for a transaction that is rolled back: the name is taken.
    let role = json!({"name": "auditor"});
    assert_eq!(admin.post("/v1/roles", &role).status, 201);
    let before = count_writes(&app);
    assert!(before > 0);
    assert_eq!(admin.post("/v1/roles", &role).status, 409);
    assert!(count_writes(&app) > before);
}
