//! The gadgets of a tenant, against a real server.
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::sync::Arc;

use gadgets::{GadgetsModule, seed::ACME};
use gadgets_api::{Gadget, GadgetManage, GadgetName, GadgetRead, Gadgets, GadgetsError};
use kernel::Permit;
use rstest::rstest;
use shaku::HasComponent;
use test_support::{SeededDb, TestDb, seeded};

fn gadgets(db: &TestDb) -> Arc<dyn Gadgets> {
    GadgetsModule::builder(db.db.module()).build().resolve()
}

/// Alice's permits in a tenant, where she is admin.
async fn permits(seeded: &SeededDb, tenant: &str) -> (Permit<GadgetRead>, Permit<GadgetManage>) {
    let alice = seeded.seed.users.alice.id;
    (seeded.permit(alice, tenant).await.unwrap(), seeded.permit(alice, tenant).await.unwrap())
}

async fn all(seeded: &SeededDb, tenant: &str) -> Vec<Gadget> {
    gadgets(seeded).list(&permits(seeded, tenant).await.0, None, 100).await.unwrap()
}

fn name(text: &str) -> GadgetName {
    text.parse().unwrap()
}

#[rstest]
#[tokio::test]
async fn lifecycle(#[future(awt)] seeded: SeededDb) {
    let (service, (read, manage)) = (gadgets(&seeded), permits(&seeded, "acme").await);
    let before = all(&seeded, "acme").await;
    let created = service.create(&manage, &name("First")).await.unwrap();
    assert_eq!(service.get(&read, created.id).await.unwrap(), created);
    let renamed = service.rename(&manage, created.id, &name("Second")).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.created_at), ("Second", created.created_at));
    assert!(renamed.updated_at > created.updated_at);
    assert_eq!(all(&seeded, "acme").await, [before.clone(), vec![renamed]].concat());
    service.delete(&manage, created.id).await.unwrap();
    assert_eq!(all(&seeded, "acme").await, before);
    assert!(matches!(service.delete(&manage, created.id).await, Err(GadgetsError::NotFound)));
}

#[rstest]
#[tokio::test]
async fn other_tenants_gadgets_are_not_found(#[future(awt)] seeded: SeededDb) {
    let (service, (read, manage)) = (gadgets(&seeded), permits(&seeded, "globex").await);
    let (theirs, before) = (ACME, all(&seeded, "acme").await);
    assert!(before.iter().any(|gadget| gadget.id == theirs));
    assert!(matches!(service.get(&read, theirs).await, Err(GadgetsError::NotFound)));
    assert!(matches!(service.rename(&manage, theirs, &name("Mine")).await, Err(GadgetsError::NotFound)));
    assert!(matches!(service.delete(&manage, theirs).await, Err(GadgetsError::NotFound)));
    assert_eq!(all(&seeded, "acme").await, before);
    assert!(all(&seeded, "globex").await.iter().all(|gadget| gadget.id != theirs));
}

#[rstest]
#[tokio::test]
async fn list_is_paginated(#[future(awt)] seeded: SeededDb) {
    let (service, (read, manage)) = (gadgets(&seeded), permits(&seeded, "acme").await);
    for number in 1..=4 {
        service.create(&manage, &name(&format!("Number {number}"))).await.unwrap();
    }
    let (everything, mut paged) = (all(&seeded, "acme").await, Vec::<Gadget>::new());
    loop {
        let after = paged.last().map(|gadget| gadget.id);
        let page = service.list(&read, after, 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 2);
        paged.extend(page);
    }
    assert_eq!((paged.len(), paged), (5, everything));
}

#[rstest]
#[tokio::test]
async fn member_is_denied(#[future(awt)] seeded: SeededDb) {
    let bob = seeded.seed.users.bob.id;
    let denial = seeded.permit::<GadgetRead>(bob, "acme").await.unwrap_err();
    assert_eq!(denial.permission.name, "gadget:read");
    let denial = seeded.permit::<GadgetManage>(bob, "acme").await.unwrap_err();
    assert_eq!(denial.permission.name, "gadget:manage");
}
