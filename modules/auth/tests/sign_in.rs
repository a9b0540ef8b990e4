//! Sign-in.
#![expect(clippy::disallowed_methods, reason = "tests run unchecked SQL")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod helpers;

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use auth_api::{AccessTokens, Password, SignIn, SignInError};
use rstest::rstest;
use shaku::HasComponent;
use test_support::{SeededDb, seeded};

use helpers::module;

async fn try_sign_in(seeded: &SeededDb, email: &str, password: &str) -> Result<auth_api::AccessToken, SignInError> {
    let sign_in: Arc<dyn SignIn> = module(seeded).resolve();
    sign_in.with_password(email.parse().ok().as_ref(), &Password::new(password.into()), None).await
}

#[rstest]
#[tokio::test]
async fn sign_in_returns_token_for_user(#[future(awt)] seeded: SeededDb) {
    let module = module(&seeded);
    let (sign_in, tokens): (Arc<dyn SignIn>, Arc<dyn AccessTokens>) = (module.resolve(), module.resolve());
    let email = "Alice@Example.com".parse().unwrap();
    let token = sign_in.with_password(Some(&email), &Password::new("tenantry-demo".into()), None).await.unwrap();
    assert_eq!(tokens.verify(&token.token).unwrap().user(), seeded.seed.users.alice.id);
    assert_eq!(token.expires_in, Duration::from_secs(900));
}

#[rstest]
#[tokio::test]
async fn invalid_credentials_return_one_error(#[future(awt)] seeded: SeededDb) {
    // Deactivate Bob and create a user without a password.
    let prepare = "UPDATE users SET deactivated_at = now() WHERE email = 'bob@example.com';
        INSERT INTO users (id, email, display_name) VALUES (gen_random_uuid(), 'none@example.com', 'None')";
    seeded.execute(prepare).await;
    for (email, password) in [
        ("alice@example.com", "tenantry-dem"),
        ("alice@example.com", ""),
        ("alice@example.com", "Tenantry-demo"),
        ("bob@example.com", "tenantry-demo"),
        ("none@example.com", "tenantry-demo"),
        ("none@example.com", ""),
        ("nobody@example.com", "tenantry-demo"),
        ("no address", "tenantry-demo"),
        ("' OR 1=1 --@x", "tenantry-demo"),
    ] {
        let result = try_sign_in(&seeded, email, password).await;
        assert!(matches!(result, Err(SignInError::InvalidCredentials)), "{email} {password}: {result:?}");
    }
}

#[rstest]
#[tokio::test]
async fn full_queue_rejects_all_sign_ins(#[future(awt)] seeded: SeededDb) {
    let sign_in: Arc<dyn SignIn> = module(&seeded).resolve();
    let (email, password) = ("alice@example.com".parse().unwrap(), Password::new("tenantry-demo".into()));
    let mut context = Context::from_waker(Waker::noop());
    // A sign-in enters the queue when it is first polled. There are at most 4 slots with 32 places each.
    let mut queued = Vec::new();
    let result = loop {
        let mut attempt = sign_in.with_password(Some(&email), &password, None);
        match attempt.as_mut().poll(&mut context) {
            Poll::Pending => queued.push(attempt),
            Poll::Ready(outcome) => break outcome,
        }
        assert!(queued.len() < 1000, "the queue isn't bounded");
    };
    assert!(matches!(result, Err(SignInError::Overloaded)), "{result:?}");
    for email in ["alice@example.com", "nobody@example.com", "no address"] {
        let result = sign_in.with_password(email.parse().ok().as_ref(), &password, None).await;
        assert!(matches!(result, Err(SignInError::Overloaded)), "{email}: {result:?}");
    }
    // Cancelled sign-ins leave the queue.
    drop(queued);
    sign_in.with_password(Some(&email), &password, None).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn app_role_cannot_read_password_hashes(#[future(awt)] seeded: SeededDb) {
    let mut tx = seeded.db.database().begin_unscoped().await.unwrap();
    let error = sqlx::query("SELECT password_hash FROM auth_credentials").fetch_all(tx.conn()).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501");
}
