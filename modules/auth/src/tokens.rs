//! Access tokens: JWTs (RFC 7519) signed with EdDSA (RFC 8037), of type `at+jwt` (RFC 9068). No other algorithm is
//! accepted, regardless of the token's header (RFC 8725, section 3.1).

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use auth_api::{AccessToken, AccessTokens, SignInError};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::ErrorKind,
};
use kernel::{Clock, CredentialError, IdentitySource, RequestContext, TenantRef, UserId, VerifiedClaims};
use quick_cache::sync::Cache;
use ring::{
    digest::{SHA256, digest},
    signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use shaku::Component;

use crate::signing_key::SigningKey;

/// The `typ` header of access tokens. It prevents other JWTs signed with the same key from being accepted.
const TOKEN_TYPE: &str = "at+jwt";

/// Settings for issuing and verifying tokens.
#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// Issuer (`iss`).
    pub issuer: String,
    /// Audience (`aud`).
    pub audience: String,
    /// Lifetime of a token.
    pub token_ttl: Duration,
    /// Key that signs and verifies tokens.
    pub signing_key: SigningKey,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    /// Unix timestamp in seconds.
    iat: i64,
    /// Unix timestamp in seconds.
    exp: i64,
    /// Unix timestamp in seconds. This program doesn't issue it.
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    /// A slug or an id.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
}

/// [`AccessTokens`] implemented as JWTs.
#[derive(Component)]
#[shaku(interface = AccessTokens)]
pub(crate) struct JwtAccessTokens {
    #[shaku(inject)]
    settings: Arc<AuthSettings>,
    #[shaku(inject)]
    clock: Arc<dyn Clock>,
    /// The claims of verified tokens by SHA-256 of the token. Saves verifying the signature again for every request.
    ///
    /// Rejected tokens are not cached, so that forged tokens can't evict valid ones.
    #[shaku(default = Cache::new(VERIFIED_CACHE_SIZE))]
    verified: Cache<[u8; 32], CachedClaims>,
}

impl AccessTokens for JwtAccessTokens {
    fn issue(&self, user: UserId, tenant: Option<&TenantRef>) -> Result<AccessToken, SignInError> {
        let AuthSettings { issuer, audience, token_ttl, signing_key } = &*self.settings;
        let iat = self.clock.now().unix_timestamp();
        let exp = iat.saturating_add_unsigned(token_ttl.as_secs());
        let tenant = tenant.map(ToString::to_string);
        let claims = Claims { iss: issuer.clone(), aud: audience.clone(), sub: user, iat, exp, nbf: None, tenant };
        install_crypto_provider();
        let token = jsonwebtoken::encode(&token_header(), &claims, &EncodingKey::from_ed_der(signing_key.pkcs8()));
        let token = token.map_err(|error| SignInError::Internal(error.into()))?.into();
        Ok(AccessToken { token, expires_in: *token_ttl })
    }

    fn verify(&self, token: &SecretString) -> Result<VerifiedClaims, CredentialError> {
        let key = fingerprint(token);
        let CachedClaims { user, tenant, nbf, exp } = match self.verified.get(&key) {
            Some(cached) => cached,
            None => {
                let decoded = self.decode(token)?;
                self.verified.insert(key, decoded.clone());
                decoded
            }
        };
        let now = self.clock.now().unix_timestamp();
        let is_live = nbf.is_none_or(|nbf| nbf <= now) && now < exp;
        #[expect(clippy::disallowed_methods, reason = "this is where credentials are verified")]
        let claims = VerifiedClaims::new(user, tenant);
        if is_live { Ok(claims) } else { Err(CredentialError) }
    }
}

impl JwtAccessTokens {
    /// Verifies everything except `nbf` and `exp`, which depend on the time and can't be cached.
    fn decode(&self, token: &SecretString) -> Result<CachedClaims, CredentialError> {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&[&self.settings.audience]);
        // `verify` checks `nbf` and `exp` against the injected clock, without leeway: the same clock issued the token.
        validation.validate_exp = false;
        install_crypto_provider();
        let key = DecodingKey::from_ed_der(self.settings.signing_key.public());
        let token = jsonwebtoken::decode::<Claims>(token.expose_secret(), &key, &validation).map_err(|error| {
            tracing::debug!(%error, "access token rejected");
            CredentialError
        })?;
        // A token of this program has no other parameters. That rejects `crit`, as required if its extensions aren't
        // supported (RFC 7515, section 4.1.11), nested tokens (`cty`), compression (`zip`), and keys in the header.
        if token.header != token_header() {
            return Err(CredentialError);
        }
        let Claims { sub, exp, nbf, tenant, .. } = token.claims;
        let tenant = tenant.map(|tenant| tenant.parse()).transpose().map_err(|_| CredentialError)?;
        Ok(CachedClaims { user: sub, tenant, nbf, exp })
    }
}

/// An [`IdentitySource`] that verifies the request's bearer token.
#[derive(Component)]
#[shaku(interface = IdentitySource)]
pub struct BearerIdentitySource {
    #[shaku(inject)]
    context: Arc<dyn RequestContext>,
    #[shaku(inject)]
    tokens: Arc<dyn AccessTokens>,
}

#[async_trait]
impl IdentitySource for BearerIdentitySource {
    async fn claims(&self) -> Result<Option<VerifiedClaims>, CredentialError> {
        self.context.credential().map(|token| self.tokens.verify(token)).transpose()
    }
}

/// Maximum number of cached tokens, about 8 MB. Tokens that haven't been used recently are evicted first.
const VERIFIED_CACHE_SIZE: usize = 50_000;

/// The claims of a verified token.
#[derive(Debug, Clone)]
pub(crate) struct CachedClaims {
    user: UserId,
    tenant: Option<TenantRef>,
    /// Unix timestamp in seconds.
    nbf: Option<i64>,
    /// Unix timestamp in seconds.
    exp: i64,
}

/// The header of every token.
fn token_header() -> Header {
    Header { typ: Some(TOKEN_TYPE.into()), ..Header::new(Algorithm::EdDSA) }
}

fn fingerprint(token: &SecretString) -> [u8; 32] {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, token.expose_secret().as_bytes()).as_ref());
    fingerprint
}

/// Installs Ed25519 of `ring` as the crypto provider of `jsonwebtoken`, which is set once per process.
///
/// The providers of `jsonwebtoken` itself would add RSA, the NIST curves or a C library. `ring` is already used for TLS
/// to the database.
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
    // Fails only if a provider is already installed. Only this function installs one.
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
