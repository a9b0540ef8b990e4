//! The Ed25519 key (RFC 8032) that signs access tokens.

use std::io;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

/// An Ed25519 key pair. `Debug` redacts the private key.
#[derive(Debug, Clone)]
pub struct SigningKey {
    pkcs8: SecretSlice<u8>,
    public: Vec<u8>,
}

/// The text isn't an Ed25519 key. The message doesn't contain the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("isn't an Ed25519 key in PKCS#8 form; generate one with `openssl genpkey -algorithm ed25519`")]
pub struct InvalidSigningKey;

impl SigningKey {
    /// Parses a PKCS#8 key (RFC 8410): PEM, or on one line the base64 of the PEM or of the DER.
    ///
    /// # Errors
    /// The text has another format or another kind of key.
    pub fn parse(text: &SecretString) -> Result<Self, InvalidSigningKey> {
        let mut der = decode(text.expose_secret())?;
        if der.starts_with(b"-----") {
            der = decode(std::str::from_utf8(&der).map_err(|_| InvalidSigningKey)?)?;
        }
        // OpenSSL writes PKCS#8 version 1, without the public key. "Maybe unchecked" computes it then.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| InvalidSigningKey)?;
        Ok(Self { public: pair.public_key().as_ref().to_vec(), pkcs8: der.into() })
    }

    /// Generates a key. Returns it with its PEM for storage.
    ///
    /// # Errors
    /// The system's random number generator failed.
    pub fn generate() -> io::Result<(Self, SecretString)> {
        let rng_error = |_| io::Error::other("the random number generator failed");
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(rng_error)?;
        let body = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> = body.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
        let pem = SecretString::from(pem);
        Ok((Self::parse(&pem).map_err(io::Error::other)?, pem))
    }

    pub(crate) fn pkcs8(&self) -> &[u8] {
        self.pkcs8.expose_secret()
    }

    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }
}

/// Decodes PEM or plain base64.
fn decode(text: &str) -> Result<Vec<u8>, InvalidSigningKey> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    STANDARD.decode(lines.collect::<String>()).map_err(|_| InvalidSigningKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 8410, section 10.3, in the format of `openssl genpkey -algorithm ed25519`.
    const OPENSSL: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";

    #[test]
    fn parses_pem_and_single_line_base64() {
        let one_line: String = OPENSSL.lines().filter(|line| !line.starts_with('-')).collect();
        let pem = SigningKey::parse(&OPENSSL.into()).unwrap();
        let encoded = STANDARD.encode(OPENSSL);
        for text in [one_line, encoded] {
            assert_eq!(pem.public(), SigningKey::parse(&text.into()).unwrap().public());
        }
    }

    #[test]
    fn generated_key_round_trips_through_pem() {
        let (key, pem) = SigningKey::generate().unwrap();
        assert_eq!(SigningKey::parse(&pem).unwrap().public(), key.public());
    }

    #[test]
    fn invalid_key_is_rejected_without_echo() {
        for text in ["", "secret", "c2VjcmV0", "-----BEGIN PRIVATE KEY-----"] {
            let error = SigningKey::parse(&text.into()).map(drop).unwrap_err();
            assert!(text.is_empty() || !error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn debug_redacts_key() {
        let (key, pem) = SigningKey::generate().unwrap();
        let debug = format!("{:?}", key.pkcs8) + &format!("{pem:?}");
        assert!(!debug.contains("MC"), "{debug}");
        assert!(debug.contains("REDACTED"), "{debug}");
    }
}
