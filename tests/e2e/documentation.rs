//! `/openapi.json` and `/docs`

use rstest::rstest;

use crate::client::{App, app};

#[rstest]
fn the_openapi_document_is_this(app: App) {
    let answer = app.nobody().get("/openapi.json");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    snapshot!(serde_json::to_string_pretty(&answer.json()).unwrap());
}

#[rstest]
fn the_documentation_is_a_page_that_needs_no_network(app: App) {
    let nobody = app.nobody();
    assert_eq!(nobody.get("/docs").header("location"), Some("/docs/"));
    let page = nobody.get("/docs/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html")));
    // Everything that the page loads comes from here.
    let loaded = page.body.split(['"', '\'']).filter(|text| text.ends_with(".js") || text.ends_with(".css"));
    let loaded: Vec<&str> = loaded.collect();
    assert!(loaded.len() >= 3, "{}", page.body);
    for file in loaded {
        assert!(!file.contains("//"), "{file} comes from elsewhere");
        assert_eq!(nobody.get(&format!("/docs/{}", file.trim_start_matches("./"))).status, 200, "{file}");
    }
    let settings = nobody.get("/docs/swagger-initializer.js").body;
    assert!(settings.contains("/openapi.json"), "{settings}");
}

#[rstest]
fn every_answer_of_the_document_has_a_schema_that_is_in_it(app: App) {
    let document = app.nobody().get("/openapi.json");
    let schemas = document.json()["components"]["schemas"].as_object().unwrap().clone();
    let mut refs = 0;
    for reference in document.body.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name} isn't among the schemas");
        refs += 1;
    }
    assert!(refs > 20);
}
