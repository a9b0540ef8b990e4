//! What a request costs beside its statements: its module, and a decision.
#![expect(clippy::unwrap_used, reason = "a panic ends the measurement")]
#![expect(clippy::disallowed_methods, reason = "policies are made whatever the module allows")]

use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use kernel::contracts::{Environment, Permit, TenantScope, UserRead, WantedTenant};
use test_support::Seeded;
use tokio::runtime::Runtime;

fn request(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let _entered = runtime.enter();
    let seeded = runtime.block_on(Seeded::new());
    let alice = seeded.seed.users.alice.id;

    let requests = seeded.requests();
    let wanted = WantedTenant::Named("acme".parse().unwrap());
    criterion.bench_function("a request's module", |bencher| bencher.iter(|| requests.request(alice, wanted.clone())));

    let environment = Environment {
        now: time::OffsetDateTime::from_unix_timestamp(1_780_315_200).unwrap(),
        client_addr: Some([10, 1, 2, 3].into()),
    };
    for policies in [10, 100, 1_000, 10_000] {
        let scope = runtime.block_on(member_under(&seeded, policies, None));
        criterion.bench_function(&format!("a decision under {policies} policies"), |bencher| {
            bencher.iter(|| Permit::<UserRead>::ask(&scope, None, &environment).unwrap());
        });
    }
    let condition = r#"{"all": [
        {"client_addr": ["10.0.0.0/8", "2001:db8::/32"]},
        {"time": {"from": "08:00", "to": "18:00", "zone": "Europe/Berlin", "days": ["mon"]}}
    ]}"#;
    let scope = runtime.block_on(member_under(&seeded, 1_000, Some(condition)));
    criterion.bench_function("a decision by address and time of the day under 1000 policies", |bencher| {
        bencher.iter(|| Permit::<UserRead>::ask(&scope, None, &environment).unwrap());
    });
    drop(seeded);
}

/// A member of a fresh tenant with so many policies. One lets members read people; the others speak of other things, half
/// of them to every member and half to the member's own role, a tenth as denies, a quarter with a condition.
async fn member_under(seeded: &Seeded, policies: i64, condition: Option<&str>) -> Arc<TenantScope> {
    let (tenant, person) = (seeded.make_tenant().await, seeded.make_user().await);
    seeded.make_member(&tenant, person, tenant.member_role).await;
    let mut owner = seeded.owner().await;
    sqlx::query("UPDATE policies SET condition = $1::text::jsonb WHERE role_id = $2")
        .bind(condition)
        .bind(tenant.member_role.as_uuid())
        .execute(&mut owner)
        .await
        .unwrap();
    // Two are there already: the system roles'.
    sqlx::query(
        r#"INSERT INTO policies (tenant_id, id, role_id, effect, resource, verbs, condition, digest)
           SELECT $1, gen_random_uuid(), CASE WHEN i % 2 = 0 THEN $2 END,
             CASE WHEN i % 10 = 0 THEN 'deny'::policy_effect ELSE 'allow' END,
             CASE WHEN i % 3 = 0 THEN 'user' ELSE 'resource_' || i END, ARRAY['verb_' || i],
             CASE WHEN i % 4 = 0 THEN '{"owner": {}}'::jsonb END, sha256(i::text::bytea)
           FROM generate_series(3, $3) AS i"#,
    )
    .bind(tenant.id.as_uuid())
    .bind(tenant.member_role.as_uuid())
    .bind(policies)
    .execute(&mut owner)
    .await
    .unwrap();
    seeded.scope(person, &tenant.slug).await.unwrap()
}

criterion_group!(benches, request);
criterion_main!(benches);
