//! Sign-in with e-mail address and password.

use std::sync::Arc;

use async_trait::async_trait;
use audit_api::AuditRecorder;
use auth_api::{AccessToken, AccessTokens, Password, SignIn, SignInError, SignInFailed, SignInSucceeded};
use db::{DbError, SystemAuditEvents, SystemDatabase, SystemReason};
use kernel::{Caller, Email, IntoAuditEvents, RequestContext, TenantRef, UserId, VerifiedClaims};
use shaku::Component;
use user_api::UserRepository;

use crate::{
    credentials,
    password::{HashingError, PasswordHash, PasswordHasher},
};

/// In place of the id of a user who doesn't exist.
const NO_USER: UserId = UserId::from_uuid(uuid::Uuid::nil());

/// Implements `POST /v1/auth/login`.
#[derive(Component)]
#[shaku(interface = SignIn)]
pub(crate) struct SignInService {
    #[shaku(inject)]
    system: Arc<dyn SystemDatabase>,
    #[shaku(inject)]
    users: Arc<dyn UserRepository>,
    #[shaku(default)]
    hasher: PasswordHasher,
    #[shaku(inject)]
    tokens: Arc<dyn AccessTokens>,
    #[shaku(inject)]
    recorder: Arc<dyn AuditRecorder>,
}

#[async_trait]
impl SignIn for SignInService {
    /// All failures are indistinguishable in response and timing: an invalid or unknown address, a user without a
    /// password, a deactivated user and a wrong password. See the OWASP Authentication Cheat Sheet, "Authentication and
    /// Error Messages".
    async fn with_password(
        &self,
        email: Option<&Email>,
        password: &Password,
        tenant: Option<&TenantRef>,
        request: &Arc<dyn RequestContext>,
    ) -> Result<AccessToken, SignInError> {
        // Before the address is looked up, so that a full queue rejects all sign-ins and costs no query.
        let place = self.hasher.enqueue(request.client_addr())?;
        let (user, hash) = self.find_credentials(email).await?.unzip();
        let password_matches = place.verify(password, hash).await?;
        match user {
            Some(user) if password_matches => {
                let token = self.tokens.issue(user, tenant)?;
                self.record_success(user, request).await?;
                Ok(token)
            }
            // Recorded for unknown users, too: without a statement, and in the same time.
            user => {
                let event = SignInFailed { user: user.unwrap_or(NO_USER) };
                self.recorder.record(None, &Caller::anonymous(request), event.into_events());
                Err(SignInError::InvalidCredentials)
            }
        }
    }
}

impl From<HashingError> for SignInError {
    fn from(error: HashingError) -> Self {
        match error {
            HashingError::Overloaded => Self::Overloaded,
            HashingError::Failed(_) => Self::Internal(error.into()),
        }
    }
}

impl SignInService {
    async fn record_success(&self, user: UserId, request: &Arc<dyn RequestContext>) -> Result<(), DbError> {
        #[expect(clippy::disallowed_methods, reason = "the password has been verified")]
        let caller = VerifiedClaims::new(user, None).caller(request);
        let tx = self.system.begin(SystemReason::SignIn).await?;
        tx.commit(&caller, SystemAuditEvents::of_deployment(SignInSucceeded { user })).await
    }

    /// Returns the active user with this address and their password hash.
    ///
    /// Always runs two queries, so that timing doesn't reveal whether the user exists. The transaction ends before the
    /// password is hashed.
    async fn find_credentials(&self, email: Option<&Email>) -> Result<Option<(UserId, PasswordHash)>, DbError> {
        let mut tx = self.system.begin(SystemReason::SignIn).await?;
        let user = match email {
            Some(email) => self.users.find_active_by_email(&mut tx, email).await?,
            None => self.users.find_active(&mut tx, NO_USER).await?,
        };
        let id = user.map_or(NO_USER, |user| user.id);
        let hash = credentials::password_hash(&mut tx, id).await?;
        Ok(hash.map(|hash| (id, hash)))
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::Ordering, time::Duration};

    use kernel::{AuditEvents, CredentialError, TenantId, VerifiedClaims};
    use rstest::rstest;
    use secrecy::SecretString;
    use shaku::HasComponent;
    use test_support::{SeededDb, request_from, seeded};

    use super::*;

    struct SameToken;

    impl AccessTokens for SameToken {
        fn issue(&self, _: UserId, _: Option<&TenantRef>) -> Result<AccessToken, SignInError> {
            Ok(AccessToken { token: "token".into(), expires_in: Duration::ZERO })
        }

        fn verify(&self, _: &SecretString) -> Result<VerifiedClaims, CredentialError> {
            Err(CredentialError)
        }
    }

    struct NoRecorder;

    #[async_trait]
    impl AuditRecorder for NoRecorder {
        fn record(&self, _: Option<TenantId>, _: &Caller, _: AuditEvents) {}

        async fn flush(&self) -> Result<(), DbError> {
            Ok(())
        }
    }

    /// Otherwise the response time reveals whether the address is registered.
    #[rstest]
    #[tokio::test]
    async fn every_attempt_computes_one_hash(#[future(awt)] seeded: SeededDb) {
        let prepare = "UPDATE users SET deactivated_at = now() WHERE email = 'bob@example.com';
            INSERT INTO users (id, email, display_name) VALUES (gen_random_uuid(), 'none@example.com', 'None')";
        seeded.execute(prepare).await;
        let service = SignInService {
            system: seeded.db.system(),
            users: seeded.users.resolve(),
            hasher: PasswordHasher::default(),
            tokens: Arc::new(SameToken),
            recorder: Arc::new(NoRecorder),
        };
        for (case, email, password, succeeds) in [
            ("right password", "alice@example.com", "tenantry-demo", true),
            ("wrong password", "alice@example.com", "tenantry-dem", false),
            ("empty password", "alice@example.com", "", false),
            ("deactivated user", "bob@example.com", "tenantry-demo", false),
            ("user without password", "none@example.com", "tenantry-demo", false),
            ("unknown address", "unknown@example.com", "tenantry-demo", false),
            ("invalid address", "no address", "tenantry-demo", false),
        ] {
            let before = service.hasher.computed.load(Ordering::Relaxed);
            let (email, password) = (email.parse().ok(), Password::new(password.into()));
            let outcome = service.with_password(email.as_ref(), &password, None, &request_from(None)).await;
            assert_eq!(outcome.is_ok(), succeeds, "{case}: {outcome:?}");
            let hashes = service.hasher.computed.load(Ordering::Relaxed) - before;
            assert_eq!(
                hashes, 1,
                "{case}: sign-in must compute exactly one hash in every branch, so that its timing reveals nothing; \
                 call QueuePlace::verify, also without a stored hash"
            );
        }
    }
}
