use std::sync::Mutex;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::*;

/// A clock that changes only when it is set.
struct FixedClock(Mutex<OffsetDateTime>);

impl Clock for FixedClock {
    fn now(&self) -> OffsetDateTime {
        *self.0.lock().unwrap()
    }
}

struct TokenFixture {
    tokens: JwtAccessTokens,
    clock: Arc<FixedClock>,
    user: UserId,
}

impl TokenFixture {
    fn new() -> Self {
        let (signing_key, _) = SigningKey::generate().unwrap();
        let settings = AuthSettings {
            issuer: "tenantry".into(),
            audience: "tenantry-api".into(),
            token_ttl: Duration::from_secs(900),
            signing_key,
        };
        let clock = Arc::new(FixedClock(Mutex::new(OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap())));
        let tokens = JwtAccessTokens {
            settings: Arc::new(settings),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            verified: Cache::new(VERIFIED_CACHE_SIZE),
        };
        Self { tokens, clock, user: UserId::new() }
    }

    fn claims(&self) -> Value {
        let now = self.clock.now().unix_timestamp();
        json!({"iss": "tenantry", "aud": "tenantry-api", "sub": self.user, "iat": now, "exp": now + 900})
    }

    fn sign(&self, header: Value, claims: Value) -> SecretString {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    fn sign_text(&self, header: &str, claims: &str) -> SecretString {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(self.tokens.settings.signing_key.pkcs8()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes()))).into()
    }

    fn assert_rejected(&self, header: Value, claims: Value) {
        let what = format!("{header} {claims}");
        assert_eq!(self.tokens.verify(&self.sign(header, claims)), Err(CredentialError), "{what}");
    }
}

fn header() -> Value {
    json!({"alg": "EdDSA", "typ": "at+jwt"})
}

#[test]
fn issued_token_identifies_user() {
    let fixture = TokenFixture::new();
    let token = fixture.tokens.issue(fixture.user, None).unwrap();
    assert_eq!(token.expires_in, Duration::from_secs(900));
    assert_eq!(fixture.tokens.verify(&token.token).map(|claims| claims.user()), Ok(fixture.user));
}

#[test]
fn tenant_claim_is_the_requested_tenant() {
    let fixture = TokenFixture::new();
    let id = "019a0000-0000-7000-8000-00000000acee";
    for tenant in [None, Some("acme"), Some(id)] {
        let tenant: Option<TenantRef> = tenant.map(|tenant| tenant.parse().unwrap());
        let token = fixture.tokens.issue(fixture.user, tenant.as_ref()).unwrap().token;
        // The second verification uses the cache.
        for _ in 0..2 {
            assert_eq!(fixture.tokens.verify(&token).unwrap().tenant(), tenant.as_ref());
        }
        let claims = URL_SAFE_NO_PAD.decode(token.expose_secret().split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims.get("tenant").is_some(), tenant.is_some());
    }
}

#[test]
fn invalid_tenant_claim_is_rejected() {
    let fixture = TokenFixture::new();
    for tenant in [json!(""), json!("no slug"), json!("www"), json!(1), json!(["acme"])] {
        let mut claims = fixture.claims();
        claims["tenant"] = tenant;
        fixture.assert_rejected(header(), claims);
    }
}

#[test]
fn token_is_valid_until_exp() {
    let fixture = TokenFixture::new();
    let token = fixture.tokens.issue(fixture.user, None).unwrap().token;
    *fixture.clock.0.lock().unwrap() += Duration::from_secs(899);
    assert!(fixture.tokens.verify(&token).is_ok());
    *fixture.clock.0.lock().unwrap() += Duration::from_secs(1);
    assert_eq!(fixture.tokens.verify(&token), Err(CredentialError));
}

/// Baseline of the tests below, each of which changes a single property of this token.
#[test]
fn handcrafted_valid_token_is_accepted() {
    let fixture = TokenFixture::new();
    let token = fixture.sign(header(), fixture.claims());
    assert_eq!(fixture.tokens.verify(&token).map(|claims| claims.user()), Ok(fixture.user));
}

#[test]
fn wrong_issuer_or_audience_is_rejected() {
    let fixture = TokenFixture::new();
    for (claim, value) in [
        ("iss", json!("another")),
        ("aud", json!("another")),
        ("aud", json!(["another", "third"])),
        ("sub", json!("alice")),
        ("exp", json!("tomorrow")),
    ] {
        let mut claims = fixture.claims();
        claims[claim] = value;
        fixture.assert_rejected(header(), claims);
    }
}

#[test]
fn missing_claim_is_rejected() {
    let fixture = TokenFixture::new();
    for claim in ["iss", "aud", "sub", "exp"] {
        let mut claims = fixture.claims();
        claims.as_object_mut().unwrap().remove(claim);
        fixture.assert_rejected(header(), claims);
    }
}

#[test]
fn other_algorithms_are_rejected() {
    let fixture = TokenFixture::new();
    for algorithm in ["none", "HS256", "RS256", "ES256", "eddsa"] {
        fixture.assert_rejected(json!({"alg": algorithm, "typ": "at+jwt"}), fixture.claims());
    }
}

/// RFC 7515, section 4.1.11: a token with an unsupported critical extension is invalid. RFC 8725, section 3.10: keys in a
/// header aren't trusted.
#[test]
fn other_header_parameter_is_rejected() {
    let fixture = TokenFixture::new();
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!(["b64"])),
        ("crit", json!([])),
        ("crit", json!("exp")),
        ("b64", json!(false)),
        ("cty", json!("JWT")),
        ("zip", json!("DEF")),
        ("enc", json!("A128GCM")),
        ("kid", json!("1")),
        ("jku", json!("https://example.com/keys")),
        ("jwk", json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})),
        ("x5u", json!("https://example.com/chain")),
        ("x5c", json!(["MIIB"])),
        ("other", json!(1)),
    ] {
        let mut header = header();
        header[name] = value;
        fixture.assert_rejected(header, fixture.claims());
    }
}

#[test]
fn token_is_invalid_before_nbf() {
    let fixture = TokenFixture::new();
    let now = fixture.clock.now().unix_timestamp();
    let token = |nbf: Value| {
        let mut claims = fixture.claims();
        claims["nbf"] = nbf;
        fixture.sign(header(), claims)
    };
    assert!(fixture.tokens.verify(&token(json!(now))).is_ok());
    for nbf in [json!("now"), json!(true), json!([now])] {
        assert_eq!(fixture.tokens.verify(&token(nbf.clone())), Err(CredentialError), "{nbf}");
    }
    let later = token(json!(now + 1));
    // The second verification uses the cache.
    for _ in 0..2 {
        assert_eq!(fixture.tokens.verify(&later), Err(CredentialError));
    }
    *fixture.clock.0.lock().unwrap() += Duration::from_secs(1);
    assert!(fixture.tokens.verify(&later).is_ok());
}

#[test]
fn duplicate_name_is_rejected() {
    let fixture = TokenFixture::new();
    let claims = fixture.claims().to_string();
    let header = header().to_string();
    let doubled = |object: &str, member: &str| format!("{{{member},{}", &object[1..]);
    for (header, claims) in [
        (doubled(&header, r#""typ":"at+jwt""#), claims.clone()),
        (header.clone(), doubled(&claims, r#""sub":"019a0000-0000-7000-8000-00000000acee""#)),
        (header, doubled(&claims, r#""exp":9999999999"#)),
    ] {
        let token = fixture.sign_text(&header, &claims);
        assert_eq!(fixture.tokens.verify(&token), Err(CredentialError), "{header} {claims}");
    }
}

#[test]
fn wrong_typ_header_is_rejected() {
    let fixture = TokenFixture::new();
    for header in [json!({"alg": "EdDSA"}), json!({"alg": "EdDSA", "typ": "JWT"})] {
        fixture.assert_rejected(header, fixture.claims());
    }
}

#[test]
fn forged_signature_is_rejected() {
    let (fixture, forger) = (TokenFixture::new(), TokenFixture::new());
    let token = forger.sign(header(), fixture.claims());
    assert_eq!(fixture.tokens.verify(&token), Err(CredentialError));
}

#[test]
fn tampered_token_is_rejected() {
    let fixture = TokenFixture::new();
    let token = fixture.tokens.issue(fixture.user, None).unwrap().token;
    let token = token.expose_secret();
    for position in [2, token.len() / 2, token.len() - 10] {
        let mut changed = token.to_owned().into_bytes();
        changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
        let changed = SecretString::from(String::from_utf8(changed).unwrap());
        assert_eq!(fixture.tokens.verify(&changed), Err(CredentialError), "at {position}");
    }
    for text in ["", ".", "..", "a.b.c", "Bearer"] {
        assert_eq!(fixture.tokens.verify(&text.into()), Err(CredentialError), "{text:?}");
    }
}
