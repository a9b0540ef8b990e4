//! Account creation.
#![expect(clippy::disallowed_methods, reason = "tests run unchecked SQL")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod helpers;

use std::sync::Arc;

use argon2::{Argon2, CustomizedPasswordHasher, Params};
use auth::OperatorAccountsModule;
use auth_api::{AccessTokens, AccountError, NewPassword, OperatorAccounts, Password, SignIn, SignInError};
use kernel::{UserId, ValueModule};
use rstest::rstest;
use shaku::HasComponent;
use sqlx::Row;
use test_support::{SeededDb, request_from, seeded};

use helpers::module;

const PASSWORD: &str = "carol's own words";

async fn create(seeded: &SeededDb, email: &str) -> Result<UserId, AccountError> {
    create_with_password(seeded, email, PASSWORD).await
}

async fn create_with_password(seeded: &SeededDb, email: &str, password: &str) -> Result<UserId, AccountError> {
    let users = ValueModule::new(seeded.users.resolve());
    let accounts: Arc<dyn OperatorAccounts> =
        OperatorAccountsModule::builder(seeded.db.module(), users).build().resolve();
    let password = NewPassword::try_from(Password::new(password.into())).unwrap();
    accounts.create(&email.parse().unwrap(), &"Carol Clark".parse().unwrap(), &password).await
}

/// Returns all users as e-mail address, display name, active and password hash.
async fn accounts(seeded: &SeededDb) -> Vec<(String, String, bool, Option<String>)> {
    let sql = "SELECT u.email, u.display_name, u.deactivated_at IS NULL, c.password_hash
        FROM users AS u LEFT JOIN auth_credentials AS c ON c.user_id = u.id
        ORDER BY u.email";
    let rows = sqlx::query(sql).fetch_all(&mut seeded.superuser().await).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect()
}

#[rstest]
#[tokio::test]
async fn account_signs_in_only_with_its_password(#[future(awt)] seeded: SeededDb) {
    let carol = create(&seeded, "Carol@Example.com").await.unwrap();
    let module = module(&seeded);
    let (sign_in, tokens): (Arc<dyn SignIn>, Arc<dyn AccessTokens>) = (module.resolve(), module.resolve());
    let email = "carol@example.com".parse().unwrap();
    let try_sign_in = async |password: &str| {
        let token =
            sign_in.with_password(Some(&email), &Password::new(password.into()), None, &request_from(None)).await?;
        Ok::<_, SignInError>(tokens.verify(&token.token).unwrap().user())
    };
    assert_eq!(try_sign_in(PASSWORD).await.unwrap(), carol);
    assert!(matches!(try_sign_in("carol's own word").await, Err(SignInError::InvalidCredentials)));
    let [_, _, (email, name, active, _)] = accounts(&seeded).await.try_into().unwrap();
    assert_eq!((email.as_str(), name.as_str(), active), ("carol@example.com", "Carol Clark", true));
}

/// Keyboards type an umlaut as one or two code points, and a space in several ways.
#[rstest]
#[tokio::test]
async fn equivalent_password_signs_in(#[future(awt)] seeded: SeededDb) {
    let carol = create_with_password(&seeded, "carol@example.com", "Mu\u{308}nchen\u{a0}leuchtet").await.unwrap();
    let module = module(&seeded);
    let (sign_in, email): (Arc<dyn SignIn>, _) = (module.resolve(), "carol@example.com".parse().unwrap());
    let signs_in = async |password: &str| match sign_in
        .with_password(Some(&email), &Password::new(password.into()), None, &request_from(None))
        .await
    {
        Ok(_) => true,
        Err(SignInError::InvalidCredentials) => false,
        Err(error) => panic!("{error}"),
    };
    for (password, expected) in [
        ("M\u{fc}nchen leuchtet", true),
        ("Mu\u{308}nchen\u{3000}leuchtet", true),
        ("m\u{fc}nchen leuchtet", false),
        ("\u{ff2d}\u{fc}nchen leuchtet", false),
        ("M\u{fc}nchen leuchtet ", false),
        ("\u{feff}M\u{fc}nchen leuchtet", false),
    ] {
        assert_eq!(signs_in(password).await, expected, "{password:?}");
    }
    // An imported hash verifies if normalization doesn't change the password.
    for (password, expected) in [("M\u{fc}nchen leuchtet", true), ("Mu\u{308}nchen leuchtet", false)] {
        let hash =
            Argon2::default().hash_password_customized(password.as_bytes(), b"somesalt", None, None, Params::DEFAULT);
        sqlx::query("UPDATE auth_credentials SET password_hash = $1 WHERE user_id = $2")
            .bind(hash.unwrap().to_string())
            .bind(carol.as_uuid())
            .execute(&mut seeded.superuser().await)
            .await
            .unwrap();
        assert_eq!(signs_in(password).await, expected, "{password:?}");
    }
}

#[rstest]
#[tokio::test]
async fn duplicate_email_is_rejected(#[future(awt)] seeded: SeededDb) {
    seeded.execute("UPDATE users SET deactivated_at = now() WHERE email = 'bob@example.com'").await;
    let before = accounts(&seeded).await;
    for taken in ["ALICE@example.com", "bob@example.com"] {
        let rejected = create(&seeded, taken).await;
        assert!(matches!(rejected, Err(AccountError::EmailTaken)), "{taken}: {rejected:?}");
    }
    assert_eq!(accounts(&seeded).await, before);
}

#[rstest]
#[tokio::test]
async fn account_creation_is_atomic(#[future(awt)] seeded: SeededDb) {
    seeded.execute("ALTER TABLE auth_credentials ADD CONSTRAINT reject_inserts CHECK (false) NOT VALID").await;
    let before = accounts(&seeded).await;
    let rejected = create(&seeded, "carol@example.com").await;
    assert!(matches!(rejected, Err(AccountError::Db(_))), "{rejected:?}");
    assert_eq!(accounts(&seeded).await, before);
}

#[rstest]
#[tokio::test]
async fn concurrent_same_email_creates_one_account(#[future(awt)] seeded: SeededDb) {
    let create = || create(&seeded, "carol@example.com");
    let outcomes: [_; 4] = tokio::join!(create(), create(), create(), create()).into();
    let created = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let taken = outcomes.iter().filter(|outcome| matches!(outcome, Err(AccountError::EmailTaken))).count();
    assert_eq!((created, taken), (1, 3), "{outcomes:?}");
    assert_eq!(accounts(&seeded).await.len(), 3);
}
