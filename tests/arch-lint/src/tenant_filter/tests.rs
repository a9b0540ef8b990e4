use super::statement_tables;

#[test]
fn unfiltered_tenant_table_is_found() {
    let keys = [("roles", "tenant_id"), ("memberships", "tenant_id"), ("tenants", "id")];
    let keys = keys.map(|(table, key)| (table.to_owned(), key.to_owned())).into();
    let unfiltered =
        |sql: &str| statement_tables(sql, &keys).unwrap_or_else(|error| panic!("{sql}: {error}")).unfiltered.join(" ");
    for filtered in [
        "SELECT id FROM roles WHERE tenant_id = $1 AND id = $2",
        "SELECT id FROM public.roles AS r WHERE ($1::uuid = r.tenant_id) FOR NO KEY UPDATE",
        "SELECT id FROM tenants WHERE id = ANY ($1)",
        "SELECT FROM tenants AS t JOIN roles AS r ON r.tenant_id = t.id WHERE t.id = $1",
        "SELECT FROM roles AS r LEFT JOIN memberships AS m ON m.tenant_id = r.tenant_id WHERE r.tenant_id = $1",
        "SELECT (SELECT count(*) FROM memberships AS m WHERE m.tenant_id = t.id) FROM tenants AS t WHERE t.id = $1",
        "SELECT x.id FROM (SELECT tenant_scope($1) AS tenant_id OFFSET 0) AS s,
           LATERAL (SELECT r.id FROM roles AS r WHERE r.tenant_id = s.tenant_id OFFSET 0) AS x",
        "SELECT FROM (SELECT tenant_id FROM roles WHERE tenant_id = $1) AS r JOIN tenants AS t ON t.id = r.tenant_id",
        "INSERT INTO roles (tenant_id, id) VALUES ($1, $2) ON CONFLICT (tenant_id, id) DO NOTHING",
        "INSERT INTO roles AS r (tenant_id) VALUES ($1)
           RETURNING (SELECT name FROM tenants AS t WHERE t.id = r.tenant_id)",
        "UPDATE tenants AS t SET name = $2 FROM roles AS r WHERE t.id = $1 AND r.tenant_id = t.id",
        "DELETE FROM roles WHERE tenant_id = $1",
        "WITH r AS (SELECT 1) SELECT FROM r",
        "SELECT id FROM users",
    ] {
        assert_eq!(unfiltered(filtered), "", "{filtered}");
    }
    for (sql, tables) in [
        ("SELECT id FROM roles WHERE id = $1", "roles"),
        ("SELECT id FROM roles", "roles"),
        ("SELECT id FROM roles WHERE tenant_id = $1 OR id = $2", "roles"),
        ("SELECT id FROM roles WHERE tenant_id <> $1", "roles"),
        ("SELECT id FROM roles WHERE NOT (tenant_id = $1)", "roles"),
        ("SELECT id FROM roles WHERE tenant_id = tenant_id", "roles"),
        ("SELECT FROM tenants AS t JOIN roles AS r ON r.tenant_id = t.id WHERE t.slug = $1", "tenants roles"),
        ("SELECT FROM roles AS r, memberships AS m WHERE r.tenant_id = $1", "memberships"),
        (
            "SELECT FROM roles AS r LEFT JOIN memberships AS m ON m.tenant_id = r.tenant_id AND r.tenant_id = $1",
            "roles memberships",
        ),
        ("SELECT FROM users WHERE id IN (SELECT user_id FROM memberships)", "memberships"),
        ("SELECT FROM (SELECT tenant_scope($1) AS tenant_id) AS s, LATERAL (SELECT FROM roles AS r) AS x", "roles"),
        ("SELECT 1 UNION SELECT id FROM roles", "roles"),
        ("SELECT 1 UNION TABLE roles", "roles"),
        ("SELECT FROM tenants AS t WHERE t.id = $1 AND EXISTS (SELECT FROM roles AS t WHERE t.id = $2)", "roles"),
        ("INSERT INTO roles (id) VALUES ($1)", "roles"),
        ("INSERT INTO users (id) SELECT user_id FROM memberships", "memberships"),
        ("UPDATE roles SET name = $1 WHERE id = $2", "roles"),
        ("UPDATE users SET name = $1 FROM memberships AS m WHERE m.user_id = users.id", "memberships"),
        ("WITH roles AS (SELECT * FROM roles) SELECT * FROM roles", "roles roles"),
        ("SELECT FROM (SELECT 1) AS roles, LATERAL (SELECT FROM roles) AS x", "roles"),
        ("DELETE FROM roles USING memberships AS m WHERE roles.tenant_id = $1", "memberships"),
    ] {
        assert_eq!(unfiltered(sql), tables, "{sql}");
    }
    for unread in ["SELEKT 1", "TABLE roles", "TRUNCATE roles", "SELECT 1; SELECT 2", ""] {
        assert!(statement_tables(unread, &keys).is_err(), "{unread}");
    }
}

#[test]
fn cte_names_are_not_tables() {
    let read = |sql: &str| statement_tables(sql, &std::collections::BTreeMap::new()).unwrap();
    let names = |names: std::collections::BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(" ");
    let one = read("WITH a AS (SELECT FROM users) SELECT FROM a, generate_series(1, 2) AS n, (SELECT 1) AS roles");
    assert_eq!((names(one.relations), names(one.defined_names)), ("users".to_owned(), "a generate_series".to_owned()));
    let nested = read("SELECT FROM users WHERE EXISTS (WITH users AS (SELECT 1) SELECT FROM users)");
    assert_eq!(names(nested.defined_names), "users");
}
