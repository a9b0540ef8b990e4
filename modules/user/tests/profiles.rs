//! What people say of themselves.
#![expect(clippy::disallowed_methods, reason = "tests look behind the queries, and provoke")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::sync::Arc;

use kernel::contracts::{ProfileError, Profiles, UserId};
use rstest::rstest;
use shaku::HasComponent;
use sqlx::Row;
use test_support::{Seeded, TestDb, seeded};
use user::UserModuleImpl;

fn profiles(db: &TestDb) -> Arc<dyn Profiles> {
    UserModuleImpl::builder(db.db.module()).build().resolve()
}

/// Everybody, as the table has them.
async fn people(db: &TestDb) -> Vec<(UserId, String, bool)> {
    let people = "SELECT id, display_name, updated_at > created_at FROM users ORDER BY id";
    let rows = sqlx::query(people).fetch_all(&mut db.owner().await).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

#[rstest]
#[tokio::test]
async fn a_person_changes_their_own_name_and_nobody_elses(#[future(awt)] seeded: Seeded) {
    let (alice, bob) = (seeded.seed.users.alice.id, seeded.seed.users.bob.id);
    let me = seeded.identity(bob).await.unwrap();
    let renamed = profiles(&seeded).rename(&me, &" Robert Brown ".parse().unwrap()).await.unwrap();
    assert_eq!((renamed.id, renamed.display_name.as_str()), (bob, "Robert Brown"));
    assert_eq!(profiles(&seeded).get(&me).await.unwrap(), renamed);
    let after = people(&seeded).await;
    assert_eq!(after, [(bob, "Robert Brown".into(), true), (alice, "Alice Adams".into(), false)]);
}

#[rstest]
#[tokio::test]
async fn a_person_who_is_gone_by_now_changes_nothing(#[future(awt)] seeded: Seeded) {
    let me = seeded.identity(seeded.seed.users.bob.id).await.unwrap();
    let gone = "UPDATE users SET deactivated_at = now() WHERE email = 'bob@example.com'";
    sqlx::query(gone).execute(&mut seeded.owner().await).await.unwrap();
    let before = people(&seeded).await;
    let renamed = profiles(&seeded).rename(&me, &"Robert".parse().unwrap()).await;
    assert!(matches!(renamed, Err(ProfileError::NotFound)), "{renamed:?}");
    assert!(matches!(profiles(&seeded).get(&me).await, Err(ProfileError::NotFound)));
    assert_eq!(people(&seeded).await, before);
}

/// The way that isn't taken: a grant would be for everybody's rows.
#[rstest]
#[tokio::test]
async fn a_tenants_work_cannot_write_people(#[future(awt)] seeded: Seeded) {
    let scope = seeded.scope(seeded.seed.users.alice.id, "acme").await.unwrap();
    let mut tx = seeded.db.database().begin(&scope).await.unwrap();
    let refused = sqlx::query("UPDATE users SET display_name = 'x'").execute(&mut **tx).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "42501");
}
