//! `UserRepository` and the constraints of the table `users`.
#![expect(clippy::disallowed_methods, reason = "tests run unchecked SQL")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::sync::Arc;

use db::{DbError, SystemReason, UnauditedReason};
use kernel::{Email, UserId};
use rstest::rstest;
use shaku::HasComponent;
use test_support::{TestDb, test_db};
use user::UserModule;
use user_api::{DisplayName, NewUser, UserRepository};

fn repository(db: &TestDb) -> Arc<dyn UserRepository> {
    UserModule::builder(db.db.module()).build().resolve()
}

fn new_user(email: &str) -> NewUser {
    NewUser { id: UserId::new(), email: email.parse().unwrap(), display_name: "Some One".into() }
}

async fn insert_user(db: &TestDb, email: &str) -> NewUser {
    let (new, mut tx) = (new_user(email), db.db.system().begin(SystemReason::Seed).await.unwrap());
    assert!(repository(db).create(&mut tx, &new).await.unwrap());
    tx.commit_unaudited(UnauditedReason::DemoData).await.unwrap();
    new
}

#[rstest]
#[tokio::test]
async fn find_by_id_and_email(#[future(awt)] test_db: TestDb) {
    let new = insert_user(&test_db, "One@Example.com").await;
    let mut tx = test_db.db.system().begin(SystemReason::SignIn).await.unwrap();
    let by_id = repository(&test_db).find_active(&mut tx, new.id).await.unwrap().unwrap();
    let by_email =
        repository(&test_db).find_active_by_email(&mut tx, &"one@example.com".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(by_id, by_email);
    assert_eq!((by_id.id, by_id.email, by_id.display_name), (new.id, new.email, new.display_name));
    assert_eq!(repository(&test_db).find_active(&mut tx, UserId::new()).await.unwrap(), None);
}

#[rstest]
#[tokio::test]
async fn find_many_skips_unknown_ids(#[future(awt)] test_db: TestDb) {
    let (one, two) = (insert_user(&test_db, "one@example.com").await, insert_user(&test_db, "two@example.com").await);
    insert_user(&test_db, "three@example.com").await;
    let mut tx = test_db.db.system().begin(SystemReason::Seed).await.unwrap();
    let users = repository(&test_db).find_many(&mut tx, &[two.id, UserId::new(), one.id]).await.unwrap();
    let mut ids: Vec<UserId> = users.into_iter().map(|user| user.id).collect();
    ids.sort();
    assert_eq!(ids, [one.id, two.id]);
    assert_eq!(repository(&test_db).find_many(&mut tx, &[]).await.unwrap(), []);
}

#[rstest]
#[tokio::test]
async fn create_is_idempotent(#[future(awt)] test_db: TestDb) {
    let new = insert_user(&test_db, "one@example.com").await;
    let mut tx = test_db.db.system().begin(SystemReason::Seed).await.unwrap();
    let again = NewUser { display_name: "Another Name".into(), ..new.clone() };
    assert!(!repository(&test_db).create(&mut tx, &again).await.unwrap());
    assert_eq!(repository(&test_db).find_active(&mut tx, new.id).await.unwrap().unwrap().display_name, "Some One");
}

#[rstest]
#[tokio::test]
async fn duplicate_email_is_rejected(#[future(awt)] test_db: TestDb) {
    insert_user(&test_db, "one@example.com").await;
    let mut tx = test_db.db.system().begin(SystemReason::Seed).await.unwrap();
    let error = repository(&test_db).create(&mut tx, &new_user("ONE@example.com")).await.unwrap_err();
    let DbError::Query(error) = error else { panic!("{error:?}") };
    assert_eq!(error.as_database_error().unwrap().constraint(), Some("users_email_key"));
}

#[rstest]
#[tokio::test]
async fn deactivate_keeps_row(#[future(awt)] test_db: TestDb) {
    let new = insert_user(&test_db, "one@example.com").await;
    let mut tx = test_db.db.system().begin(SystemReason::Seed).await.unwrap();
    assert!(repository(&test_db).deactivate(&mut tx, new.id).await.unwrap());
    assert!(!repository(&test_db).deactivate(&mut tx, new.id).await.unwrap());
    assert_eq!(repository(&test_db).find_active(&mut tx, new.id).await.unwrap(), None);
    assert_eq!(repository(&test_db).find_active_by_email(&mut tx, &new.email).await.unwrap(), None);
    assert!(repository(&test_db).find_many(&mut tx, &[new.id]).await.unwrap()[0].deactivated_at.is_some());
}

#[rstest]
#[tokio::test]
async fn schema_matches_type_invariants(#[future(awt)] test_db: TestDb) {
    let mut superuser = test_db.superuser().await;
    let insert = "INSERT INTO users (id, email, display_name) VALUES (gen_random_uuid(), $1, $2)";
    let long = "x".repeat(201);
    for (email, name) in [
        ("One@example.com", "n"),
        ("one", "n"),
        ("one@@example.com", "n"),
        ("o ne@example.com", "n"),
        ("on\u{200b}e@example.com", "n"),
        ("\u{43e}ne@example.com", "n"),
        ("one@b\u{fc}cher.example", "n"),
        ("one@example.com (comment)", "n"),
        ("one@example.com", ""),
        ("one@example.com", long.as_str()),
        ("one@example.com", " n"),
        ("one@example.com", "e\u{301}"),
        ("one@example.com", "n\n"),
        ("one@example.com", "\u{202e}n"),
        ("one@example.com", "n\u{200b}"),
        ("one@example.com", "\u{feff}n"),
    ] {
        let error = sqlx::query(insert).bind(email).bind(name).execute(&mut superuser).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "23514", "{email:?} {name:?}");
    }
    for (email, name) in [
        ("o'neil+tag_1=x@b\u{fc}cher.example", "Zoe\u{308} \u{1f469}\u{1f3fd}\u{200d}\u{1f680}"),
        ("!#$%&'*+-/=?^_`{|}~@a-1.example.com", "\u{645}\u{6cc}\u{200c}\u{62e}  \u{845b}\u{e0100}"),
    ] {
        let (email, name): (Email, DisplayName) = (email.parse().unwrap(), name.parse().unwrap());
        sqlx::query(insert).bind(email.as_str()).bind(name.as_str()).execute(&mut superuser).await.unwrap();
    }
}
