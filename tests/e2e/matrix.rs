//! Who may do what: every role of the demo tenants, and some custom ones, at every permission and resource, in one
//! golden file for a reviewer to read.

use std::fmt::Write;

use kernel::contracts::{AccessRequest, Allowed, Decision, Denied, Environment, ResourceFacts, TenantScope, UserId};
use rstest::rstest;
use tenantry::http::CATALOGUE;
use test_support::{MadeTenant, Seeded, seeded};

/// Custom roles, each with a person of its own, and what their policies say.
const CUSTOM: [(&str, &str); 5] = [
    ("owner", r#"[["allow", "user", "*", {"owner": {}}]]"#),
    ("paying", r#"[["allow", "*", "*", {"plan": "enterprise"}]]"#),
    ("without billing", r#"[["allow", "*", "*", null], ["deny", "billing", "*", null]]"#),
    ("not of others", r#"[["allow", "*", "read", null], ["deny", "user", "read", {"not": {"owner": {}}}]]"#),
    ("unreadable", r#"[["allow", "*", "*", {"moon": "full"}]]"#),
];

#[rstest]
#[tokio::test]
async fn this_is_who_may_do_what(#[future(awt)] seeded: Seeded) {
    let users = &seeded.seed.users;
    let mut subjects = vec![
        ("acme: admin".to_owned(), seeded.scope(users.alice.id, "acme").await.unwrap()),
        ("acme: member".to_owned(), seeded.scope(users.bob.id, "acme").await.unwrap()),
        ("globex: admin".to_owned(), seeded.scope(users.alice.id, "globex").await.unwrap()),
    ];
    for (role, policies) in CUSTOM {
        let person = custom(&seeded, role, policies).await;
        subjects.push((format!("acme: {role} (custom)"), seeded.scope(person, "acme").await.unwrap()));
    }
    let mut matrix = String::new();
    for (subject, scope) in &subjects {
        writeln!(matrix, "{subject}").unwrap();
        for permission in CATALOGUE {
            let answers = [None, Some(own(scope)), Some(UserId::new())].map(|owner| {
                let resource = owner.map(|owner| ResourceFacts { owner: Some(owner) });
                let environment = Environment { now: time::OffsetDateTime::UNIX_EPOCH, client_addr: None };
                let request = AccessRequest { permission, resource: resource.as_ref(), environment: &environment };
                word(scope.decide(&request))
            });
            let [any, own, other] = answers;
            writeln!(matrix, "  {:<16} any: {any:<9} own: {own:<9} somebody else's: {other}", permission.name).unwrap();
        }
    }
    snapshot!(matrix);
}

fn own(scope: &TenantScope) -> UserId {
    let kernel::contracts::Principal::User(user) = scope.principal() else { panic!("not a person") };
    user
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow(Allowed::ByPolicy(_)) => "allowed",
        Decision::Deny(Denied::ByPolicy(_)) => "DENIED",
        Decision::Deny(Denied::NoPolicyAllows) => "-",
    }
}

/// Puts a person into Acme, in a role of their own with these policies.
async fn custom(seeded: &Seeded, role: &str, policies: &str) -> UserId {
    let acme = &seeded.seed.tenants.acme;
    let tenant =
        MadeTenant { id: acme.id, slug: "acme".into(), admin_role: acme.admin_role, member_role: acme.member_role };
    let (person, id) = (seeded.make_user().await, seeded.make_role(&tenant, ["nothing", "nothing"]).await);
    seeded.make_member(&tenant, person, id).await;
    let sql = "INSERT INTO policies (tenant_id, id, role_id, effect, resource, verbs, condition, digest)
               SELECT $1, gen_random_uuid(), $2, (p->>0)::policy_effect, p->>1, ARRAY[p->>2], nullif(p->3, 'null'),
                 sha256(($2::text || p::text)::bytea)
               FROM jsonb_array_elements($3::jsonb) AS p";
    let inserted = sqlx::query(sql).bind(acme.id.as_uuid()).bind(id.as_uuid()).bind(policies);
    inserted.execute(&mut seeded.owner().await).await.unwrap_or_else(|error| panic!("{role}: {error}"));
    person
}
