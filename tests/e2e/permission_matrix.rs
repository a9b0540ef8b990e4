//! The decision for every role of the demo tenants, and for some custom roles, on every permission and owner. A snapshot
//! shows them for review.

use std::fmt::Write;

use kernel::{AccessRequest, AllowReason, Decision, DenyReason, Environment, ResourceAttributes, TenantScope, UserId};
use rstest::rstest;
use tenantry::services::PERMISSIONS;
use test_support::{SeededDb, seeded};

/// Custom roles, each with one member, and their policies: effect, resource, verb, condition.
const CUSTOM_ROLES: [(&str, &str); 5] = [
    ("owner", r#"[["allow", "user", "*", {"owner": {}}]]"#),
    ("enterprise only", r#"[["allow", "*", "*", {"plan": "enterprise"}]]"#),
    ("without billing", r#"[["allow", "*", "*", null], ["deny", "billing", "*", null]]"#),
    ("own users only", r#"[["allow", "*", "read", null], ["deny", "user", "read", {"not": {"owner": {}}}]]"#),
    ("invalid condition", r#"[["allow", "*", "*", {"unknown": "x"}]]"#),
];

#[rstest]
#[tokio::test]
async fn permission_matrix(#[future(awt)] seeded: SeededDb) {
    let users = &seeded.seed.users;
    let mut subjects = vec![
        ("acme: admin".to_owned(), seeded.scope(users.alice.id, "acme").await.unwrap()),
        ("acme: member".to_owned(), seeded.scope(users.bob.id, "acme").await.unwrap()),
        ("globex: admin".to_owned(), seeded.scope(users.alice.id, "globex").await.unwrap()),
    ];
    for (role, policies) in CUSTOM_ROLES {
        let user = create_custom_member(&seeded, role, policies).await;
        subjects.push((format!("acme: {role} (custom)"), seeded.scope(user, "acme").await.unwrap()));
    }
    let mut matrix = String::new();
    for (subject, scope) in &subjects {
        writeln!(matrix, "{subject}").unwrap();
        for permission in PERMISSIONS {
            let decisions = [None, Some(user_id(scope)), Some(UserId::new())].map(|owner| {
                let resource = owner.map(|owner| ResourceAttributes { owner: Some(owner) });
                let environment = Environment { now: time::OffsetDateTime::UNIX_EPOCH, client_addr: None };
                let request = AccessRequest { permission, resource: resource.as_ref(), environment: &environment };
                describe(scope.decide(&request))
            });
            let [any, own, other] = decisions;
            writeln!(matrix, "  {:<16} any: {any:<9} own: {own:<9} other: {other}", permission.name).unwrap();
        }
    }
    snapshot!(
        "What the policies of each role allow. If a template or the engine was changed by accident, restore it. \
         Otherwise accept the change with INSTA_UPDATE=always cargo test -p tenantry --test e2e.",
        matrix
    );
}

fn user_id(scope: &TenantScope) -> UserId {
    let kernel::Principal::User(user) = scope.principal() else { panic!("not a user") };
    user
}

fn describe(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow(AllowReason::ByPolicy(_)) => "allowed",
        Decision::Deny(DenyReason::ByPolicy(_)) => "DENIED",
        Decision::Deny(DenyReason::NoPolicyAllows) => "-",
    }
}

/// Creates a member of Acme in a new role with these policies.
async fn create_custom_member(seeded: &SeededDb, role: &str, policies: &str) -> UserId {
    let acme = seeded.acme();
    let role_id = seeded.create_role(&acme, ["nothing", "nothing"]).await;
    let user = seeded.create_member(&acme, role_id).await;
    let sql = "INSERT INTO policies (tenant_id, id, role_id, effect, resource, verbs, condition, digest)
               SELECT $1, gen_random_uuid(), $2, (p->>0)::policy_effect, p->>1, ARRAY[p->>2], nullif(p->3, 'null'),
                 sha256(($2::text || p::text)::bytea)
               FROM jsonb_array_elements($3::jsonb) AS p";
    let insert = sqlx::query(sql).bind(acme.id.as_uuid()).bind(role_id.as_uuid()).bind(policies);
    insert.execute(&mut seeded.superuser().await).await.unwrap_or_else(|error| panic!("{role}: {error}"));
    user
}
