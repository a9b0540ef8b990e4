//! The Ed25519 key (RFC 8032) that signs access tokens.

use std::io;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{Ed25519KeyPair, KeyPair},
};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

/// PKCS#8 version 1 of an Ed25519 key (RFC 8410, section 7), in front of the 32 bytes of the private key.
///
/// Version 2, which `ring` generates, also has the public key. OpenSSL 3.0 can't read version 2.
const PKCS8_PREFIX: [u8; 16] = [0x30, 46, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 34, 4, 32];

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
        // OpenSSL writes PKCS#8 version 1, without the public key. `from_pkcs8_maybe_unchecked` accepts that and
        // computes it.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| InvalidSigningKey)?;
        Ok(Self { public: pair.public_key().as_ref().to_vec(), pkcs8: der.into() })
    }

    /// Generates a key. Returns it with its PEM for storage.
    ///
    /// # Errors
    /// The system's random number generator failed.
    pub fn generate() -> io::Result<(Self, SecretString)> {
        let mut der = [0; 48];
        let (prefix, seed) = der.split_at_mut(PKCS8_PREFIX.len());
        prefix.copy_from_slice(&PKCS8_PREFIX);
        SystemRandom::new().fill(seed).map_err(|_| io::Error::other("the random number generator failed"))?;
        // One line, since it has 64 characters.
        let body = STANDARD.encode(der);
        let pem = SecretString::from(format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"));
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
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

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

    /// The format of `openssl genpkey`, which every version of OpenSSL with Ed25519 reads.
    #[test]
    fn generated_key_has_format_of_openssl() {
        let example = decode(OPENSSL).unwrap();
        assert_eq!(example[..16], PKCS8_PREFIX);
        let (_, pem) = SigningKey::generate().unwrap();
        let pem = pem.expose_secret();
        assert_eq!(decode(pem).unwrap()[..16], PKCS8_PREFIX);
        assert_eq!(pem.lines().map(str::len).collect::<Vec<_>>(), OPENSSL.lines().map(str::len).collect::<Vec<_>>());
    }

    #[test]
    #[ignore = "needs OpenSSL; CI runs it"]
    fn openssl_reads_generated_key() {
        let (key, pem) = SigningKey::generate().unwrap();
        let mut command = Command::new("openssl");
        command.args(["pkey", "-pubout", "-outform", "DER"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut openssl = command.spawn().unwrap();
        openssl.stdin.take().unwrap().write_all(pem.expose_secret().as_bytes()).unwrap();
        let output = openssl.wait_with_output().unwrap();
        assert!(output.status.success() && output.stdout.ends_with(key.public()), "{output:?}");
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
        let bytes = format!("{:?}", key.pkcs8.expose_secret());
        for (debug, secret) in [(format!("{key:?}"), bytes.as_str()), (format!("{pem:?}"), pem.expose_secret())] {
            assert!(debug.contains("REDACTED") && !debug.contains(secret), "{debug}");
        }
    }
}
