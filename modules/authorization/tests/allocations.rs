//! Checks that a decision doesn't allocate. This is a separate test binary, because it installs a counting allocator.
#![expect(clippy::disallowed_methods, reason = "tests insert policies directly")]

use authorization_api::UserRead;
use kernel::{Environment, Permit, ResourceAttributes};
use rstest::rstest;
use test_support::{TestDb, test_db};
use time::macros::datetime;

#[rstest]
#[tokio::test]
async fn allow_decision_does_not_allocate(#[future(awt)] test_db: TestDb) {
    let tenant = test_db.create_tenant().await;
    let user = test_db.create_member(&tenant, tenant.member_role).await;
    let environment =
        Environment { now: datetime!(2026-06-01 12:00 UTC), client_addr: Some("10.1.2.3".parse().unwrap()) };
    let owned = ResourceAttributes { owner: Some(user) };
    // First without a condition, then with conditions of every kind and a deny that must be evaluated first.
    let condition = r#"{"all": [
        {"any": [{"not": {"owner": {}}}, {"owner": {}}]}, {"plan": "free"}, {"not": {"feature": "sso"}},
        {"attribute": {"name": "subject.id", "is_same_as": "resource.owner"}},
        {"attribute": {"name": "tenant.contract_type", "one_of": ["standard", "enterprise"]}},
        {"client_addr": ["2001:db8::/32", "10.0.0.0/8"]},
        {"time": {"from": "08:00", "to": "18:00", "zone": "Europe/Berlin"}}
    ]}"#;
    for condition in [None, Some(condition)] {
        if condition.is_some() {
            sqlx::query("UPDATE policies SET condition = $1::text::jsonb WHERE role_id = $2")
                .bind(condition)
                .bind(tenant.member_role.as_uuid())
                .execute(&mut test_db.superuser().await)
                .await
                .unwrap();
            sqlx::query(
                r#"INSERT INTO policies (tenant_id, id, effect, resource, verbs, condition, digest)
                   VALUES ($1, gen_random_uuid(), 'deny', 'user', '{*}', '{"client_addr": ["11.0.0.0/8"]}', sha256('1'))"#,
            )
            .bind(tenant.id.as_uuid())
            .execute(&mut test_db.superuser().await)
            .await
            .unwrap();
        }
        let scope = test_db.scope(user, &tenant.slug).await.unwrap();
        let allocations = allocation_counter::measure(|| {
            for _ in 0..100 {
                Permit::<UserRead>::authorize(&scope, Some(&owned), &environment).unwrap();
            }
        });
        assert_eq!(allocations.count_total, 0, "{condition:?}");
        let control = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1))));
        assert_eq!(control.count_total, 1, "the counter must count allocations");
    }
}
