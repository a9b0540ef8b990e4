use std::sync::Mutex;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::*;

/// A clock that stands where it is put.
struct StandingClock(Mutex<OffsetDateTime>);

impl Clock for StandingClock {
    fn now(&self) -> OffsetDateTime {
        *self.0.lock().unwrap()
    }
}

struct Setting {
    tokens: JwtAccessTokens,
    clock: Arc<StandingClock>,
    user: UserId,
}

impl Setting {
    fn new() -> Self {
        let (signing_key, _) = SigningKey::generate().unwrap();
        let settings = AuthSettings {
            issuer: "tenantry".into(),
            audience: "tenantry-api".into(),
            token_ttl: Duration::from_secs(900),
            signing_key,
        };
        let clock = Arc::new(StandingClock(Mutex::new(OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap())));
        let tokens = JwtAccessTokens {
            settings: Arc::new(settings),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            verified: Verified::default(),
        };
        Self { tokens, clock, user: UserId::new() }
    }

    fn claims(&self) -> Value {
        let now = self.clock.now().unix_timestamp();
        json!({"iss": "tenantry", "aud": "tenantry-api", "sub": self.user, "iat": now, "exp": now + 900})
    }

    fn signed(&self, header: Value, claims: Value) -> SecretString {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(self.tokens.settings.signing_key.pkcs8()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes()))).into()
    }
}

fn header() -> Value {
    json!({"alg": "EdDSA", "typ": "at+jwt"})
}

#[test]
fn an_issued_token_says_who_its_bearer_is() {
    let setting = Setting::new();
    let token = setting.tokens.issue(setting.user, None).unwrap();
    assert_eq!(token.expires_in, Duration::from_secs(900));
    assert_eq!(setting.tokens.verify(&token.token).map(|claims| claims.user()), Ok(setting.user));
}

#[test]
fn a_token_claims_the_tenant_that_was_wished_for_and_else_none() {
    let setting = Setting::new();
    let id = "019a0000-0000-7000-8000-00000000acee";
    for tenant in [None, Some("acme"), Some(id)] {
        let tenant: Option<TenantRef> = tenant.map(|tenant| tenant.parse().unwrap());
        let token = setting.tokens.issue(setting.user, tenant.as_ref()).unwrap().token;
        // The second time it is remembered.
        for _ in 0..2 {
            assert_eq!(setting.tokens.verify(&token).unwrap().tenant(), tenant.as_ref());
        }
        let claims = URL_SAFE_NO_PAD.decode(token.expose_secret().split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims.get("tenant").is_some(), tenant.is_some());
    }
}

#[test]
fn a_tenant_that_is_none_is_a_credential_that_does_not_hold() {
    let setting = Setting::new();
    for tenant in [json!(""), json!("no slug"), json!("www"), json!(1), json!(["acme"])] {
        let mut claims = setting.claims();
        claims["tenant"] = tenant.clone();
        let token = setting.signed(header(), claims);
        assert_eq!(setting.tokens.verify(&token), Err(CredentialError), "{tenant}");
    }
}

#[test]
fn a_token_holds_until_the_second_it_expires() {
    let setting = Setting::new();
    let token = setting.tokens.issue(setting.user, None).unwrap().token;
    *setting.clock.0.lock().unwrap() += Duration::from_secs(899);
    assert!(setting.tokens.verify(&token).is_ok());
    *setting.clock.0.lock().unwrap() += Duration::from_secs(1);
    assert_eq!(setting.tokens.verify(&token), Err(CredentialError));
}

/// Each case differs from this one in a single thing: without it they might fail for another reason.
#[test]
fn a_token_put_together_by_hand_holds() {
    let setting = Setting::new();
    let token = setting.signed(header(), setting.claims());
    assert_eq!(setting.tokens.verify(&token).map(|claims| claims.user()), Ok(setting.user));
}

#[test]
fn a_token_for_somebody_else_does_not_hold() {
    let setting = Setting::new();
    for (claim, value) in [
        ("iss", json!("another")),
        ("aud", json!("another")),
        ("aud", json!(["another", "third"])),
        ("sub", json!("alice")),
        ("exp", json!("tomorrow")),
    ] {
        let mut claims = setting.claims();
        claims[claim] = value.clone();
        let token = setting.signed(header(), claims);
        assert_eq!(setting.tokens.verify(&token), Err(CredentialError), "{claim} = {value}");
    }
}

#[test]
fn a_token_that_lacks_a_claim_does_not_hold() {
    let setting = Setting::new();
    for claim in ["iss", "aud", "sub", "exp"] {
        let mut claims = setting.claims();
        claims.as_object_mut().unwrap().remove(claim);
        let token = setting.signed(header(), claims);
        assert_eq!(setting.tokens.verify(&token), Err(CredentialError), "without {claim}");
    }
}

#[test]
fn another_algorithm_does_not_hold_whatever_it_is_signed_with() {
    let setting = Setting::new();
    for algorithm in ["none", "HS256", "RS256", "ES256", "eddsa"] {
        let token = setting.signed(json!({"alg": algorithm, "typ": "at+jwt"}), setting.claims());
        assert_eq!(setting.tokens.verify(&token), Err(CredentialError), "{algorithm}");
    }
}

#[test]
fn another_type_of_token_does_not_hold() {
    let setting = Setting::new();
    for header in [json!({"alg": "EdDSA"}), json!({"alg": "EdDSA", "typ": "JWT"})] {
        let token = setting.signed(header, setting.claims());
        assert_eq!(setting.tokens.verify(&token), Err(CredentialError));
    }
}

#[test]
fn a_forged_token_does_not_hold() {
    let (setting, forger) = (Setting::new(), Setting::new());
    let token = forger.signed(header(), setting.claims());
    assert_eq!(setting.tokens.verify(&token), Err(CredentialError));
}

#[test]
fn a_token_with_any_part_changed_does_not_hold() {
    let setting = Setting::new();
    let token = setting.tokens.issue(setting.user, None).unwrap().token;
    let token = token.expose_secret();
    for position in [2, token.len() / 2, token.len() - 10] {
        let mut changed = token.to_owned().into_bytes();
        changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
        let changed = SecretString::from(String::from_utf8(changed).unwrap());
        assert_eq!(setting.tokens.verify(&changed), Err(CredentialError), "at {position}");
    }
    for text in ["", ".", "..", "a.b.c", "Bearer"] {
        assert_eq!(setting.tokens.verify(&text.into()), Err(CredentialError), "{text:?}");
    }
}
