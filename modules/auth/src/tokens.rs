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
    contracts::{AccessToken, AccessTokens, CredentialError, SignInError, UserId, VerifiedClaims},
};
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use shaku::Component;

use crate::domain::SigningKey;

/// The type that marks an access token, so that no other JWT of the same key passes for one.
const TYPE: &str = "at+jwt";

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
}

/// [`AccessTokens`] as JWTs.
#[derive(Component)]
#[shaku(interface = AccessTokens)]
pub(crate) struct JwtAccessTokens {
    #[shaku(inject)]
    settings: Arc<AuthSettings>,
    #[shaku(inject)]
    clock: Arc<dyn Clock>,
}

impl AccessTokens for JwtAccessTokens {
    fn issue(&self, user: UserId) -> Result<AccessToken, SignInError> {
        let AuthSettings { issuer, audience, token_ttl, signing_key } = &*self.settings;
        let iat = self.clock.now().unix_timestamp();
        let exp = iat.saturating_add_unsigned(token_ttl.as_secs());
        let claims = Claims { iss: issuer.clone(), aud: audience.clone(), sub: user, iat, exp };
        let header = Header { typ: Some(TYPE.into()), ..Header::new(Algorithm::EdDSA) };
        use_ring();
        let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(signing_key.pkcs8()));
        let token = token.map_err(|error| SignInError::Internal(error.into()))?.into();
        Ok(AccessToken { token, expires_in: *token_ttl })
    }

    fn verify(&self, token: &SecretString) -> Result<VerifiedClaims, CredentialError> {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&[&self.settings.audience]);
        // Expiry is held against our own clock below, without leeway: it is the same clock that set it.
        validation.validate_exp = false;
        use_ring();
        let key = DecodingKey::from_ed_der(self.settings.signing_key.public());
        let token = jsonwebtoken::decode::<Claims>(token.expose_secret(), &key, &validation);
        let token = token.map_err(|error| {
            tracing::debug!(%error, "a token doesn't hold");
            CredentialError
        })?;
        let typed = token.header.typ.as_deref() == Some(TYPE);
        let live = self.clock.now().unix_timestamp() < token.claims.exp;
        if typed && live { Ok(VerifiedClaims { user: token.claims.sub }) } else { Err(CredentialError) }
    }
}

/// `jsonwebtoken` takes its cryptography from a provider that is set once a process. Its own ones bring RSA, the NIST
/// curves or a C library along; this one is the Ed25519 of `ring`, which TLS to the database uses already.
fn use_ring() {
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
