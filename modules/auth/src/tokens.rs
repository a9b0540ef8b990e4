//! Access tokens: JWTs (RFC 7519) signed with EdDSA (RFC 8037), of type `at+jwt` (RFC 9068). One algorithm is
//! allowed, whatever a token's header says (RFC 8725, section 3.1).

use std::{sync::Arc, time::Duration};

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::ErrorKind,
};
use kernel::{
    clock::Clock,
    contracts::{AccessToken, AccessTokens, CredentialError, SignInError, TenantRef, UserId, VerifiedClaims},
};
use quick_cache::sync::Cache;
use ring::{
    digest::{SHA256, digest},
    signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use shaku::Component;

use crate::domain::SigningKey;

/// The type that marks an access token, so that no other JWT of the same key passes for one.
const TOKEN_TYPE: &str = "at+jwt";

/// What tokens are made of, and what they are held against.
#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// `iss`
    pub issuer: String,
    /// `aud`
    pub audience: String,
    /// How long a token holds.
    pub token_ttl: Duration,
    /// Signs and verifies.
    pub signing_key: SigningKey,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    /// Seconds since 1970.
    iat: i64,
    /// Seconds since 1970.
    exp: i64,
    /// A slug or an id.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
}

/// [`AccessTokens`] as JWTs.
#[derive(Component)]
#[shaku(interface = AccessTokens)]
pub(crate) struct JwtAccessTokens {
    #[shaku(inject)]
    settings: Arc<AuthSettings>,
    #[shaku(inject)]
    clock: Arc<dyn Clock>,
    #[shaku(default)]
    cache: VerifiedTokenCache,
}

impl AccessTokens for JwtAccessTokens {
    fn issue(&self, user: UserId, tenant: Option<&TenantRef>) -> Result<AccessToken, SignInError> {
        let AuthSettings { issuer, audience, token_ttl, signing_key } = &*self.settings;
        let iat = self.clock.now().unix_timestamp();
        let exp = iat.saturating_add_unsigned(token_ttl.as_secs());
        let tenant = tenant.map(ToString::to_string);
        let claims = Claims { iss: issuer.clone(), aud: audience.clone(), sub: user, iat, exp, tenant };
        let header = Header { typ: Some(TOKEN_TYPE.into()), ..Header::new(Algorithm::EdDSA) };
        install_crypto_provider();
        let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(signing_key.pkcs8()));
        let token = token.map_err(|error| SignInError::Internal(error.into()))?.into();
        Ok(AccessToken { token, expires_in: *token_ttl })
    }

    fn verify(&self, token: &SecretString) -> Result<VerifiedClaims, CredentialError> {
        let key = fingerprint(token);
        let CachedClaims { user, tenant, exp } = match self.cache.0.get(&key) {
            Some(known) => known,
            None => {
                let subject = self.decode(token)?;
                self.cache.0.insert(key, subject.clone());
                subject
            }
        };
        let live = self.clock.now().unix_timestamp() < exp;
        #[expect(clippy::disallowed_methods, reason = "this is where credentials are verified")]
        let claims = VerifiedClaims::new(user, tenant);
        if live { Ok(claims) } else { Err(CredentialError) }
    }
}

impl JwtAccessTokens {
    /// Everything about it but its expiry, which is another answer each time.
    fn decode(&self, token: &SecretString) -> Result<CachedClaims, CredentialError> {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&[&self.settings.audience]);
        // Expiry is held against our own clock, without leeway: it is the same clock that set it.
        validation.validate_exp = false;
        install_crypto_provider();
        let key = DecodingKey::from_ed_der(self.settings.signing_key.public());
        let token = jsonwebtoken::decode::<Claims>(token.expose_secret(), &key, &validation).map_err(|error| {
            tracing::debug!(%error, "a token doesn't hold");
            CredentialError
        })?;
        if token.header.typ.as_deref() != Some(TOKEN_TYPE) {
            return Err(CredentialError);
        }
        let Claims { sub, exp, tenant, .. } = token.claims;
        let tenant = tenant.map(|tenant| tenant.parse()).transpose().map_err(|_| CredentialError)?;
        Ok(CachedClaims { user: sub, tenant, exp })
    }
}

/// How many tokens are remembered at the most; what hasn't been seen lately goes first.
const VERIFIED_CACHE_SIZE: usize = 10_000;

/// Tokens whose signature has been verified, by their SHA-256: verifying one again, at each request that it comes with,
/// would say the same. What isn't verified isn't remembered, so forged ones can't drive the others out.
pub(crate) struct VerifiedTokenCache(Cache<[u8; 32], CachedClaims>);

/// What a token says.
#[derive(Debug, Clone)]
pub(crate) struct CachedClaims {
    user: UserId,
    tenant: Option<TenantRef>,
    /// Seconds since 1970.
    exp: i64,
}

impl Default for VerifiedTokenCache {
    fn default() -> Self {
        Self(Cache::new(VERIFIED_CACHE_SIZE))
    }
}

fn fingerprint(token: &SecretString) -> [u8; 32] {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, token.expose_secret().as_bytes()).as_ref());
    fingerprint
}

/// `jsonwebtoken` takes its cryptography from a provider that is set once a process. Its own ones bring RSA, the NIST
/// curves or a C library along; this one is the Ed25519 of `ring`, which TLS to the database uses already.
fn install_crypto_provider() {
    static RING: CryptoProvider = CryptoProvider {
        signer_factory: |algorithm, key| match algorithm {
            Algorithm::EdDSA => Ok(Box::new(RingSigner(key.as_bytes().to_vec()))),
            _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
        },
        verifier_factory: |algorithm, key| match algorithm {
            Algorithm::EdDSA => Ok(Box::new(RingVerifier(key.try_get_as_bytes()?.to_vec()))),
            _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
        },
        key_utils: KeyUtils::new_unimplemented(),
    };
    // An error says that it is set already: by an earlier call of this function, the only one there is.
    let _ = RING.install_default();
}

struct RingSigner(Vec<u8>);

impl signature::Signer<Vec<u8>> for RingSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&self.0).map_err(|_| signature::Error::new())?;
        Ok(pair.sign(message).as_ref().to_vec())
    }
}

impl JwtSigner for RingSigner {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct RingVerifier(Vec<u8>);

impl signature::Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

#[cfg(test)]
mod tests;
