//! The table `users`.
#![expect(clippy::disallowed_methods, reason = "tests look behind the queries, and provoke")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::sync::Arc;

use kernel::{
    contracts::{NewUser, UserId, UserRepository},
    db::{DbError, SystemWork},
};
use rstest::rstest;
use shaku::HasComponent;
use test_support::{TestDb, db};
use user::UserModuleImpl;

fn repository(db: &TestDb) -> Arc<dyn UserRepository> {
    UserModuleImpl::builder(db.db.module()).build().resolve()
}

fn person(email: &str) -> NewUser {
    NewUser { id: UserId::new(), email: email.parse().unwrap(), display_name: "Some One".into() }
}

async fn created(db: &TestDb, email: &str) -> NewUser {
    let (new, mut tx) = (person(email), db.db.system().begin(SystemWork::Seed).await.unwrap());
    assert!(repository(db).create(&mut tx, &new).await.unwrap());
    tx.commit().await.unwrap();
    new
}

#[rstest]
#[tokio::test]
async fn a_person_is_found_by_id_and_by_address(#[future(awt)] db: TestDb) {
    let new = created(&db, "One@Example.com").await;
    let mut tx = db.db.database().begin_unscoped().await.unwrap();
    let by_id = repository(&db).find_active(&mut tx, new.id).await.unwrap().unwrap();
    let by_email =
        repository(&db).find_active_by_email(&mut tx, &"one@example.com".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(by_id, by_email);
    assert_eq!((by_id.id, by_id.email, by_id.display_name), (new.id, new.email, new.display_name));
    assert_eq!(repository(&db).find_active(&mut tx, UserId::new()).await.unwrap(), None);
}

#[rstest]
#[tokio::test]
async fn many_are_found_at_once_and_the_unknown_left_out(#[future(awt)] db: TestDb) {
    let (one, two) = (created(&db, "one@example.com").await, created(&db, "two@example.com").await);
    created(&db, "three@example.com").await;
    let mut tx = db.db.database().begin_unscoped().await.unwrap();
    let found = repository(&db).find_many(&mut tx, &[two.id, UserId::new(), one.id]).await.unwrap();
    let mut ids: Vec<UserId> = found.into_iter().map(|user| user.id).collect();
    ids.sort();
    assert_eq!(ids, [one.id, two.id]);
    assert_eq!(repository(&db).find_many(&mut tx, &[]).await.unwrap(), []);
}

#[rstest]
#[tokio::test]
async fn creating_the_same_person_twice_is_creating_them_once(#[future(awt)] db: TestDb) {
    let new = created(&db, "one@example.com").await;
    let mut tx = db.db.system().begin(SystemWork::Seed).await.unwrap();
    let again = NewUser { display_name: "Another Name".into(), ..new.clone() };
    assert!(!repository(&db).create(&mut tx, &again).await.unwrap());
    assert_eq!(repository(&db).find_active(&mut tx, new.id).await.unwrap().unwrap().display_name, "Some One");
}

#[rstest]
#[tokio::test]
async fn two_people_cannot_have_the_same_address(#[future(awt)] db: TestDb) {
    created(&db, "one@example.com").await;
    let mut tx = db.db.system().begin(SystemWork::Seed).await.unwrap();
    let error = repository(&db).create(&mut tx, &person("ONE@example.com")).await.unwrap_err();
    let DbError::Query(error) = error else { panic!("{error:?}") };
    assert_eq!(error.as_database_error().unwrap().constraint(), Some("users_email_key"));
}

#[rstest]
#[tokio::test]
async fn a_deactivated_person_is_no_longer_active_but_still_there(#[future(awt)] db: TestDb) {
    let new = created(&db, "one@example.com").await;
    let mut tx = db.db.system().begin(SystemWork::Seed).await.unwrap();
    assert!(repository(&db).deactivate(&mut tx, new.id).await.unwrap());
    assert!(!repository(&db).deactivate(&mut tx, new.id).await.unwrap());
    assert_eq!(repository(&db).find_active(&mut tx, new.id).await.unwrap(), None);
    assert_eq!(repository(&db).find_active_by_email(&mut tx, &new.email).await.unwrap(), None);
    assert!(repository(&db).find_many(&mut tx, &[new.id]).await.unwrap()[0].deactivated_at.is_some());
}

#[rstest]
#[tokio::test]
async fn the_schema_refuses_what_the_types_would(#[future(awt)] db: TestDb) {
    let mut owner = db.owner().await;
    let insert = "INSERT INTO users (id, email, display_name) VALUES (gen_random_uuid(), $1, $2)";
    let long = "x".repeat(201);
    for (email, name) in [
        ("One@example.com", "n"),
        ("one", "n"),
        ("one@@example.com", "n"),
        ("o ne@example.com", "n"),
        ("one@example.com", ""),
        ("one@example.com", long.as_str()),
    ] {
        let refused = sqlx::query(insert).bind(email).bind(name).execute(&mut owner).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "23514", "{email:?} {name:?}");
    }
}
