//! Reading a tenant's subscription.

use std::sync::Arc;

use billing::{
    BillingModule,
    seed::{ACME, GLOBEX},
};
use billing_api::{BillingError, BillingRead, SubscriptionStatus, Subscriptions};
use rstest::rstest;
use shaku::HasComponent;
use test_support::{SeededDb, TestDb, seeded};

fn subscriptions(db: &TestDb) -> Arc<dyn Subscriptions> {
    BillingModule::builder(db.db.module()).build().resolve()
}

#[rstest]
#[tokio::test]
async fn admin_reads_own_tenants_subscription(#[future(awt)] seeded: SeededDb) {
    let alice = seeded.seed.users.alice.id;
    for (tenant, id, plan) in [("acme", ACME, "enterprise"), ("globex", GLOBEX, "pro")] {
        let permit = seeded.permit::<BillingRead>(alice, tenant).await.unwrap();
        let current = subscriptions(&seeded).current(&permit).await.unwrap();
        assert_eq!((current.id, current.plan.as_str(), current.status), (id, plan, SubscriptionStatus::Active));
    }
}

#[rstest]
#[tokio::test]
async fn member_is_denied(#[future(awt)] seeded: SeededDb) {
    let denial = seeded.permit::<BillingRead>(seeded.seed.users.bob.id, "acme").await.unwrap_err();
    assert_eq!(denial.permission.name, "billing:read");
}

#[rstest]
#[tokio::test]
async fn uncanceled_subscription_is_preferred(#[future(awt)] seeded: SeededDb) {
    let permit = seeded.permit::<BillingRead>(seeded.seed.users.alice.id, "acme").await.unwrap();
    let replace_active = "UPDATE subscriptions SET status = 'canceled';
        INSERT INTO subscriptions (tenant_id, id, provider, status, plan, current_period_end)
        SELECT id, gen_random_uuid(), 'demo', 'past_due', 'basic', '2000-01-01' FROM tenants";
    seeded.execute(replace_active).await;
    let current = subscriptions(&seeded).current(&permit).await.unwrap();
    assert_eq!((current.plan.as_str(), current.status), ("basic", SubscriptionStatus::PastDue));
    seeded.execute("UPDATE subscriptions SET status = 'canceled'").await;
    assert_eq!(subscriptions(&seeded).current(&permit).await.unwrap().plan, "enterprise");
}

#[rstest]
#[tokio::test]
async fn missing_subscription_is_not_found(#[future(awt)] seeded: SeededDb) {
    let permit = seeded.permit::<BillingRead>(seeded.seed.users.alice.id, "acme").await.unwrap();
    seeded.execute("DELETE FROM subscriptions WHERE tenant_id = (SELECT id FROM tenants WHERE slug = 'acme')").await;
    assert!(matches!(subscriptions(&seeded).current(&permit).await, Err(BillingError::NotFound)));
}
