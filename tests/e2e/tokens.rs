//! Tokens that don't hold, over HTTP. What makes them not hold is tested beside the code; here, that all are one 401.

use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rstest::rstest;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::client::{App, app, transcript};

const NEVER: i64 = 4_000_000_000;

fn token(app: &App, header: Header, change: impl FnOnce(&mut Value)) -> String {
    let mut claims = json!({
        "iss": "tenantry", "aud": "tenantry-api", "sub": app.seed.users.alice.id, "iat": 0, "exp": NEVER
    });
    change(&mut claims);
    let pem = app.signing_key.expose_secret();
    let der = STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap();
    // Signing in has set up the program's cryptography for `jsonwebtoken`.
    app.alice();
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&der)).unwrap()
}

fn at_jwt() -> Header {
    Header { typ: Some("at+jwt".into()), ..Header::new(Algorithm::EdDSA) }
}

#[rstest]
fn a_token_made_like_the_programs_own_holds(app: App) {
    let good = token(&app, at_jwt(), |_| {});
    assert_eq!(app.nobody().with_token(&good).get("/v1/me").status, 200);
}

#[rstest]
fn tokens_that_do_not_hold_are_all_the_same_401(app: App) {
    let nobody = app.nobody();
    let unsigned = {
        let good = token(&app, at_jwt(), |_| {});
        let payload = good.split('.').nth(1).unwrap();
        format!(
            "{}.{payload}.",
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#)
        )
    };
    let forged = {
        let other = App::start();
        token(&other, at_jwt(), |_| {})
    };
    let first = nobody.with_token("x").get("/v1/me");
    for (what, token) in [
        ("expired", token(&app, at_jwt(), |claims| claims["exp"] = 1.into())),
        ("for another audience", token(&app, at_jwt(), |claims| claims["aud"] = "another".into())),
        ("of another issuer", token(&app, at_jwt(), |claims| claims["iss"] = "another".into())),
        ("of another type", token(&app, Header::new(Algorithm::EdDSA), |_| {})),
        ("for nobody", token(&app, at_jwt(), |claims| claims["sub"] = json!(kernel::contracts::UserId::new()))),
        ("unsigned", unsigned),
        ("forged", forged),
        ("empty", String::new()),
    ] {
        let answer = nobody.with_token(&token).get("/v1/me");
        assert_eq!((answer.status, &answer.body), (401, &first.body), "{what}");
    }
    let basic = nobody.with("Authorization", "Basic YWxpY2U6dGVuYW50cnktZGVtbw==").get("/v1/me");
    assert_eq!((basic.status, &basic.body), (401, &first.body));
    snapshot!(transcript([("no token", nobody.get("/v1/me")), ("a bad one", first)]));
}
