//! Reading and changing the caller's own profile.
#![expect(clippy::disallowed_methods, reason = "tests run unchecked SQL")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::sync::Arc;

use kernel::UserId;
use rstest::rstest;
use shaku::HasComponent;
use sqlx::Row;
use test_support::{SeededDb, TestDb, seeded};
use user::UserModule;
use user_api::{ProfileError, Profiles};

fn profiles(db: &TestDb) -> Arc<dyn Profiles> {
    UserModule::builder(db.db.module()).build().resolve()
}

/// Returns all rows of `users`: id, display name, and whether the row was updated.
async fn all_users(db: &TestDb) -> Vec<(UserId, String, bool)> {
    let select = "SELECT id, display_name, updated_at > created_at FROM users ORDER BY id";
    let rows = sqlx::query(select).fetch_all(&mut db.superuser().await).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

#[rstest]
#[tokio::test]
async fn user_renames_only_self(#[future(awt)] seeded: SeededDb) {
    let (alice, bob) = (seeded.seed.users.alice.id, seeded.seed.users.bob.id);
    let me = seeded.identity(bob).await.unwrap();
    let renamed = profiles(&seeded).rename(&me, &" Robert Brown ".parse().unwrap()).await.unwrap();
    assert_eq!((renamed.id, renamed.display_name.as_str()), (bob, "Robert Brown"));
    assert_eq!(profiles(&seeded).get(&me).await.unwrap(), renamed, "the change isn't stored; commit the transaction");
    let after = all_users(&seeded).await;
    assert_eq!(
        after,
        [(bob, "Robert Brown".into(), true), (alice, "Alice Adams".into(), false)],
        "a user changes only themselves; filter by the id"
    );
}

#[rstest]
#[tokio::test]
async fn deactivated_user_cannot_update_profile(#[future(awt)] seeded: SeededDb) {
    let me = seeded.identity(seeded.seed.users.bob.id).await.unwrap();
    seeded.execute("UPDATE users SET deactivated_at = now() WHERE email = 'bob@example.com'").await;
    let before = all_users(&seeded).await;
    let renamed = profiles(&seeded).rename(&me, &"Robert".parse().unwrap()).await;
    assert!(matches!(renamed, Err(ProfileError::NotFound)), "{renamed:?}");
    assert!(matches!(profiles(&seeded).get(&me).await, Err(ProfileError::NotFound)));
    assert_eq!(all_users(&seeded).await, before);
}

/// `tenantry_app` has no UPDATE grant on `users`.
#[rstest]
#[tokio::test]
async fn tenant_tx_cannot_write_users(#[future(awt)] seeded: SeededDb) {
    let scope = seeded.scope(seeded.seed.users.alice.id, "acme").await.unwrap();
    let mut tx = seeded.db.database().begin(&scope).await.unwrap();
    let error = sqlx::query("UPDATE users SET display_name = 'x'").execute(tx.conn()).await.unwrap_err();
    assert_eq!(
        error.as_database_error().unwrap().code().unwrap(),
        "42501",
        "tenantry_app must not be granted UPDATE on users"
    );
}
