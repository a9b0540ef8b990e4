//! Who may do what: every role of the demo tenants, and some custom ones, at every permission and resource, in one
//! golden file for a reviewer to read.

use std::fmt::Write;

use kernel::contracts::{AccessRequest, AllowReason, Decision, DenyReason, Environment, ResourceAttributes, TenantScope, UserId};
use rstest::rstest;
use tenantry::http::PERMISSIONS;
use test_support::{TestTenant, SeededDb, seeded};

/// Custom roles, each with a person of its own, and what their policies say.
const CUSTOM_ROLES: [(&str, &str); 5] = [
    ("owner", r#"[["allow", "user", "*", {"owner": {}}]]"#),
    ("paying", r#"[["allow", "*", "*", {"plan": "enterprise"}]]"#),
    ("without billing", r#"[["allow", "*", "*", null], ["deny", "billing", "*", null]]"#),
    ("not of others", r#"[["allow", "*", "read", null], ["deny", "user", "read", {"not": {"owner": {}}}]]"#),
    ("unreadable", r#"[["allow", "*", "*", {"moon": "full"}]]"#),
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
            let responses = [None, Some(user_id(scope)), Some(UserId::new())].map(|owner| {
                let resource = owner.map(|owner| ResourceAttributes { owner: Some(owner) });
                let environment = Environment { now: time::OffsetDateTime::UNIX_EPOCH, client_addr: None };
                let request = AccessRequest { permission, resource: resource.as_ref(), environment: &environment };
                describe(scope.decide(&request))
            });
            let [any, own, other] = responses;
            writeln!(matrix, "  {:<16} any: {any:<9} own: {own:<9} somebody else's: {other}", permission.name).unwrap();
        }
    }
    snapshot!(matrix);
}

fn user_id(scope: &TenantScope) -> UserId {
    let kernel::contracts::Principal::User(user) = scope.principal() else { panic!("not a person") };
    user
}

fn describe(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow(AllowReason::ByPolicy(_)) => "allowed",
        Decision::Deny(DenyReason::ByPolicy(_)) => "DENIED",
        Decision::Deny(DenyReason::NoPolicyAllows) => "-",
    }
}

/// Puts a person into Acme, in a role of their own with these policies.
async fn create_custom_member(seeded: &SeededDb, role: &str, policies: &str) -> UserId {
    let acme = &seeded.seed.tenants.acme;
    let tenant =
        TestTenant { id: acme.id, slug: "acme".into(), admin_role: acme.admin_role, member_role: acme.member_role };
    let (user, id) = (seeded.create_user().await, seeded.create_role(&tenant, ["nothing", "nothing"]).await);
    seeded.add_member(&tenant, user, id).await;
    let sql = "INSERT INTO policies (tenant_id, id, role_id, effect, resource, verbs, condition, digest)
               SELECT $1, gen_random_uuid(), $2, (p->>0)::policy_effect, p->>1, ARRAY[p->>2], nullif(p->3, 'null'),
                 sha256(($2::text || p::text)::bytea)
               FROM jsonb_array_elements($3::jsonb) AS p";
    let inserted = sqlx::query(sql).bind(acme.id.as_uuid()).bind(id.as_uuid()).bind(policies);
    inserted.execute(&mut seeded.superuser().await).await.unwrap_or_else(|error| panic!("{role}: {error}"));
    user
}
