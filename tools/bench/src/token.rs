//! JSON Web Tokens (RFC 7519) for the requests.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

/// Returns a token with this header and these claims, signed by `sign`.
#[must_use]
pub fn encode<S: AsRef<[u8]>>(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> S) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signing_input = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(signing_input.as_bytes()));
    format!("{signing_input}.{signature}")
}
