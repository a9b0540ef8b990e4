//! Making accounts, against a real server.
#![expect(clippy::disallowed_methods, reason = "tests look behind the queries, and provoke")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::{sync::Arc, time::Duration};

use auth::{AuthModuleImpl, AuthSettings, SigningKey};
use kernel::{
    contracts::{
        AccessTokens, AccountCreation, AccountError, AuthModule, ChosenPassword, Password, SignIn, SignInError, UserId,
    },
    di::Given,
};
use rstest::rstest;
use sqlx::Row;
use test_support::{Seeded, seeded};

const PASSWORD: &str = "carol's own words";

fn module(seeded: &Seeded) -> Arc<dyn AuthModule> {
    let settings = AuthSettings {
        issuer: "tenantry".into(),
        audience: "tenantry-api".into(),
        token_ttl: Duration::from_secs(900),
        signing_key: SigningKey::generate().unwrap().0,
    };
    Arc::new(AuthModuleImpl::builder(seeded.db.module(), seeded.users(), Given::new(Arc::new(settings))).build())
}

async fn create(seeded: &Seeded, email: &str) -> Result<UserId, AccountError> {
    let accounts: Arc<dyn AccountCreation> = module(seeded).resolve();
    let password = ChosenPassword::try_from(Password::new(PASSWORD.into())).unwrap();
    accounts.create(&email.parse().unwrap(), &"Carol Clark".parse().unwrap(), &password).await
}

/// Everybody, with what they sign in with.
async fn accounts(seeded: &Seeded) -> Vec<(String, String, bool, Option<String>)> {
    let accounts = "SELECT u.email, u.display_name, u.deactivated_at IS NULL, c.password_hash
        FROM users AS u LEFT JOIN auth_credentials AS c ON c.user_id = u.id
        ORDER BY u.email";
    let rows = sqlx::query(accounts).fetch_all(&mut seeded.owner().await).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect()
}

#[rstest]
#[tokio::test]
async fn who_has_an_account_signs_in_with_its_password_and_no_other(#[future(awt)] seeded: Seeded) {
    let carol = create(&seeded, "Carol@Example.com").await.unwrap();
    let module = module(&seeded);
    let (sign_in, tokens): (Arc<dyn SignIn>, Arc<dyn AccessTokens>) = (module.resolve(), module.resolve());
    let email = "carol@example.com".parse().unwrap();
    let try_with = async |password: &str| {
        let token = sign_in.with_password(Some(&email), &Password::new(password.into()), None).await?;
        Ok::<_, SignInError>(tokens.verify(&token.token).unwrap().user())
    };
    assert_eq!(try_with(PASSWORD).await.unwrap(), carol);
    assert!(matches!(try_with("carol's own word").await, Err(SignInError::Refused)));
    let [_, _, (email, name, active, _)] = accounts(&seeded).await.try_into().unwrap();
    assert_eq!((email.as_str(), name.as_str(), active), ("carol@example.com", "Carol Clark", true));
}

#[rstest]
#[tokio::test]
async fn an_address_that_is_taken_stays_whose_it_is(#[future(awt)] seeded: Seeded) {
    let gone = "UPDATE users SET deactivated_at = now() WHERE email = 'bob@example.com'";
    sqlx::query(gone).execute(&mut seeded.owner().await).await.unwrap();
    let before = accounts(&seeded).await;
    for taken in ["ALICE@example.com", "bob@example.com"] {
        let refused = create(&seeded, taken).await;
        assert!(matches!(refused, Err(AccountError::EmailTaken)), "{taken}: {refused:?}");
    }
    assert_eq!(accounts(&seeded).await, before);
}

#[rstest]
#[tokio::test]
async fn half_an_account_is_never_made(#[future(awt)] seeded: Seeded) {
    let no_more = "ALTER TABLE auth_credentials ADD CONSTRAINT no_more CHECK (false) NOT VALID";
    sqlx::query(no_more).execute(&mut seeded.owner().await).await.unwrap();
    let before = accounts(&seeded).await;
    let refused = create(&seeded, "carol@example.com").await;
    assert!(matches!(refused, Err(AccountError::Db(_))), "{refused:?}");
    assert_eq!(accounts(&seeded).await, before);
}

#[rstest]
#[tokio::test]
async fn of_several_who_take_an_address_at_once_one_has_it(#[future(awt)] seeded: Seeded) {
    let create = || create(&seeded, "carol@example.com");
    let outcomes: [_; 4] = tokio::join!(create(), create(), create(), create()).into();
    let made: Vec<_> = outcomes.iter().filter(|outcome| outcome.is_ok()).collect();
    let taken = outcomes.iter().filter(|outcome| matches!(outcome, Err(AccountError::EmailTaken))).count();
    assert_eq!((made.len(), taken), (1, 3), "{outcomes:?}");
    assert_eq!(accounts(&seeded).await.len(), 3);
}
