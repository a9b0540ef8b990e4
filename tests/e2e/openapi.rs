//! `/openapi.json` and `/docs`

use kernel::TenancyMode;
use rstest::rstest;
use tenantry::http::{PROBLEM_TYPES, openapi};

use crate::client::{TestApp, app};

#[rstest]
fn openapi_snapshot(app: TestApp) {
    let response = app.anonymous().get("/openapi.json");
    assert_eq!(response.header("content-type"), Some("application/json"));
    snapshot!(serde_json::to_string_pretty(&response.json()).unwrap());
}

#[rstest]
fn docs_page_is_self_contained(app: TestApp) {
    let anonymous = app.anonymous();
    assert_eq!(anonymous.get("/docs").header("location"), Some("/docs/"));
    let page = anonymous.get("/docs/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html")));
    // Every script and stylesheet is served by this server.
    let assets = page.body.split(['"', '\'']).filter(|text| text.ends_with(".js") || text.ends_with(".css"));
    let assets: Vec<&str> = assets.collect();
    assert!(assets.len() >= 3, "{}", page.body);
    for file in assets {
        assert!(!file.contains("//"), "{file} is loaded from another host");
        assert_eq!(anonymous.get(&format!("/docs/{}", file.trim_start_matches("./"))).status, 200, "{file}");
    }
    // A page that shows it in a frame could make a user click its buttons.
    for path in ["/docs/", "/docs/index.html"] {
        assert_eq!(anonymous.get(path).header("content-security-policy"), Some("frame-ancestors 'none'"), "{path}");
    }
    let settings = anonymous.get("/docs/swagger-initializer.js").body;
    // Scripts of any page of the origin can read the browser's local storage.
    assert!(!settings.contains("persistAuthorization\": true"), "{settings}");
    assert!(settings.contains("/openapi.json"), "{settings}");
    // Unless it is disabled, the page sends the document's URL to a validator on another host.
    assert!(settings.contains(r#""validatorUrl": "none""#), "{settings}");
}

#[rstest]
fn openapi_refs_resolve(app: TestApp) {
    let document = app.anonymous().get("/openapi.json");
    let schemas = document.json()["components"]["schemas"].as_object().unwrap().clone();
    let mut refs = 0;
    for reference in document.body.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "the schema {name} is missing");
        refs += 1;
    }
    assert!(refs > 20);
}

/// Every path responds to other methods with this type, so no operation lists it.
const WITHOUT_OPERATION: &str = "method-not-allowed";

#[test]
fn every_problem_type_is_documented() {
    let single = TenancyMode::Single("acme".parse().unwrap());
    let modes = [TenancyMode::default(), TenancyMode::Personal, single];
    let documents = modes.map(|mode| serde_json::to_string(&openapi(&mode)).unwrap());
    for problem in PROBLEM_TYPES.iter().filter(|problem| problem.name != WITHOUT_OPERATION) {
        let is_listed = documents.iter().any(|document| document.contains(&format!("`{}`: ", problem.name)));
        assert!(
            is_listed,
            "no operation lists the problem type `{}`; add it with `.problems(&[…])` where the route is registered, or \
             remove it from src/http/problem/types.rs",
            problem.name
        );
    }
}
