//! Sign-in.
#![expect(clippy::disallowed_methods, reason = "tests run unchecked SQL")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod helpers;

use std::{
    iter::repeat,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use auth_api::{AccessToken, AccessTokens, Password, SignIn, SignInError};
use kernel::Email;
use rstest::rstest;
use shaku::HasComponent;
use test_support::{SeededDb, request_from, seeded};

use helpers::module;

async fn try_sign_in(seeded: &SeededDb, email: &str, password: &str) -> Result<AccessToken, SignInError> {
    let sign_in: Arc<dyn SignIn> = module(seeded).resolve();
    sign_in.with_password(email.parse().ok().as_ref(), &Password::new(password.into()), None, &request_from(None)).await
}

#[rstest]
#[tokio::test]
async fn sign_in_returns_token_for_user(#[future(awt)] seeded: SeededDb) {
    let module = module(&seeded);
    let (sign_in, tokens): (Arc<dyn SignIn>, Arc<dyn AccessTokens>) = (module.resolve(), module.resolve());
    let email = "Alice@Example.com".parse().unwrap();
    let token = sign_in
        .with_password(Some(&email), &Password::new("tenantry-demo".into()), None, &request_from(None))
        .await
        .unwrap();
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
        ("unknown@example.com", "tenantry-demo"),
        ("no address", "tenantry-demo"),
        ("' OR 1=1 --@x", "tenantry-demo"),
    ] {
        let result = try_sign_in(&seeded, email, password).await;
        assert!(matches!(result, Err(SignInError::InvalidCredentials)), "{email} {password}: {result:?}");
    }
}

/// A sign-in that waits in the queue.
type Attempt<'a> = Pin<Box<dyn Future<Output = Result<AccessToken, SignInError>> + Send + 'a>>;

/// Starts sign-ins from these addresses until one is rejected, and returns those that wait. Each takes its place in the
/// queue when it is polled first.
fn fill_queue<'a>(
    sign_in: &'a Arc<dyn SignIn>,
    email: &'a Email,
    password: &'a Password,
    clients: impl Iterator<Item = Option<IpAddr>>,
) -> Vec<Attempt<'a>> {
    let mut waiting: Vec<Attempt> = Vec::new();
    // At most 4 slots have 33 places each.
    for client in clients.take(1000) {
        let mut attempt: Attempt =
            Box::pin(async move { sign_in.with_password(Some(email), password, None, &request_from(client)).await });
        match attempt.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => waiting.push(attempt),
            Poll::Ready(Err(SignInError::Overloaded)) => return waiting,
            Poll::Ready(outcome) => panic!("{outcome:?}"),
        }
    }
    panic!("the queue isn't bounded");
}

#[rstest]
#[tokio::test]
async fn full_queue_rejects_all_sign_ins(#[future(awt)] seeded: SeededDb) {
    let sign_in: Arc<dyn SignIn> = module(&seeded).resolve();
    let (email, password) = ("alice@example.com".parse().unwrap(), Password::new("tenantry-demo".into()));
    let clients = (1..).map(|number: u32| Some(IpAddr::V4(number.into())));
    let waiting = fill_queue(&sign_in, &email, &password, clients);
    for email in ["alice@example.com", "unknown@example.com", "no address"] {
        let rejected = sign_in.with_password(email.parse().ok().as_ref(), &password, None, &request_from(None)).await;
        assert!(matches!(rejected, Err(SignInError::Overloaded)), "{email}: {rejected:?}");
    }
    // Cancelled sign-ins leave the queue.
    drop(waiting);
    sign_in.with_password(Some(&email), &password, None, &request_from(None)).await.unwrap();
}

#[rstest]
#[case::ipv4(Some("192.0.2.1"), Some("192.0.2.2"))]
#[case::ipv6(Some("2001:db8::1"), Some("2001:db8:0:1::1"))]
#[case::unknown(None, Some("192.0.2.2"))]
#[tokio::test]
async fn flooding_client_does_not_block_others(
    #[future(awt)] seeded: SeededDb,
    #[case] client: Option<&str>,
    #[case] other: Option<&str>,
) {
    let sign_in: Arc<dyn SignIn> = module(&seeded).resolve();
    let (email, password) = ("alice@example.com".parse().unwrap(), Password::new("tenantry-demo".into()));
    let [client, other] = [client, other].map(|addr| addr.map(|addr| addr.parse().unwrap()));
    let waiting = fill_queue(&sign_in, &email, &password, repeat(client));
    for email in ["alice@example.com", "unknown@example.com", "no address"] {
        let rejected = sign_in.with_password(email.parse().ok().as_ref(), &password, None, &request_from(client)).await;
        assert!(matches!(rejected, Err(SignInError::Overloaded)), "{email}: {rejected:?}");
    }
    let mut others = fill_queue(&sign_in, &email, &password, repeat(other));
    assert_eq!(others.len(), waiting.len());
    // Those that aren't polled keep their connections.
    let other = others.swap_remove(0);
    drop((waiting, others));
    other.await.unwrap();
}

#[rstest]
#[tokio::test]
async fn app_role_cannot_read_password_hashes(#[future(awt)] seeded: SeededDb) {
    let mut tx = seeded.db.database().begin_unscoped().await.unwrap();
    let error = sqlx::query("SELECT password_hash FROM auth_credentials").fetch_all(tx.conn()).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501");
}
