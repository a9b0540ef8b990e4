//! Access tokens over HTTP: every invalid token gets the same 401. Unit tests of `auth` cover the validation itself.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rstest::rstest;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::client::{TestApp, app, transcript};

const FAR_FUTURE: i64 = 4_000_000_000;

fn token(app: &TestApp, header: Header, change: impl FnOnce(&mut Value)) -> String {
    let mut claims = json!({
        "iss": "tenantry", "aud": "tenantry-api", "sub": app.seed.users.alice.id, "iat": 0, "exp": FAR_FUTURE
    });
    change(&mut claims);
    let pem = app.signing_key.expose_secret();
    let der = STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap();
    // The first sign-in installs the crypto provider of `jsonwebtoken`.
    app.alice();
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&der)).unwrap()
}

fn at_jwt() -> Header {
    Header { typ: Some("at+jwt".into()), ..Header::new(Algorithm::EdDSA) }
}

#[rstest]
fn handcrafted_valid_token_is_accepted(app: TestApp) {
    let valid = token(&app, at_jwt(), |_| {});
    assert_eq!(app.anonymous().with_token(&valid).get("/v1/me").status, 200);
}

fn remove_hyphens(id: &mut Value) {
    *id = id.as_str().unwrap().replace('-', "").into();
}

#[rstest]
fn invalid_tokens_are_indistinguishable(app: TestApp) {
    let anonymous = app.anonymous();
    let unsigned = {
        let valid = token(&app, at_jwt(), |_| {});
        let payload = valid.split('.').nth(1).unwrap();
        format!("{}.{payload}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#))
    };
    let forged = {
        let other = TestApp::start();
        token(&other, at_jwt(), |_| {})
    };
    let first = anonymous.with_token("x").get("/v1/me");
    for (what, token) in [
        ("expired", token(&app, at_jwt(), |claims| claims["exp"] = 1.into())),
        ("wrong audience", token(&app, at_jwt(), |claims| claims["aud"] = "another".into())),
        ("wrong issuer", token(&app, at_jwt(), |claims| claims["iss"] = "another".into())),
        ("wrong type", token(&app, Header::new(Algorithm::EdDSA), |_| {})),
        ("unknown user", token(&app, at_jwt(), |claims| claims["sub"] = json!(kernel::UserId::new()))),
        ("user id without hyphens", token(&app, at_jwt(), |claims| remove_hyphens(&mut claims["sub"]))),
        (
            "tenant id without hyphens",
            token(&app, at_jwt(), |claims| {
                claims["tenant"] = json!(app.seed.tenants.acme.id);
                remove_hyphens(&mut claims["tenant"]);
            }),
        ),
        ("unsigned", unsigned),
        ("forged", forged),
        ("empty", String::new()),
    ] {
        let response = anonymous.with_token(&token).get("/v1/me");
        assert_eq!((response.status, &response.body), (401, &first.body), "{what}");
    }
    let basic = anonymous.with_header("Authorization", "Basic YWxpY2U6dGVuYW50cnktZGVtbw==").get("/v1/me");
    assert_eq!((basic.status, &basic.body), (401, &first.body));
    snapshot!(transcript([("no token", anonymous.get("/v1/me")), ("invalid token", first)]));
}
