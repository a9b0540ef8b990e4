//! Compares the responses that other tests receive with the OpenAPI document.

use std::sync::LazyLock;

use kernel::TenancyMode;
use serde_json::Value;
use tenantry::http::openapi;

/// The documents of all tenancy modes, which list different problem types.
static DOCUMENTS: LazyLock<[Value; 3]> = LazyLock::new(|| {
    let single = TenancyMode::Single("acme".parse().unwrap());
    [TenancyMode::default(), TenancyMode::Personal, single].map(|mode| serde_json::to_value(openapi(&mode)).unwrap())
});

/// Fails if a route responds with a status or a problem type that its operation doesn't list.
pub(crate) fn assert_documented(method: &str, path: &str, status: u16, problem: Option<&str>) {
    let verb = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
    let path = path.split('?').next().unwrap_or(path);
    let operations = || DOCUMENTS.iter().filter_map(|document| operation(document, &verb, path));
    // Other paths and methods have the same response everywhere.
    if operations().next().is_none() {
        return;
    }
    let listed = operations().filter_map(|operation| operation["responses"].get(status.to_string()));
    let is_listed = match problem {
        None => listed.count() > 0,
        Some(problem) => {
            let entry = format!("`{problem}`: ");
            listed.filter_map(|response| response["description"].as_str()).any(|text| text.contains(&entry))
        }
    };
    assert!(
        is_listed,
        "{method} {path} responds with {status} {}, which the OpenAPI document doesn't list; add it with `.problems(&[…])` \
         where the route is registered",
        problem.unwrap_or_default()
    );
}

/// Returns the operation of a path. One without placeholders takes precedence.
fn operation<'a>(document: &'a Value, verb: &str, path: &str) -> Option<&'a Value> {
    let paths = document["paths"].as_object()?;
    let operations = paths.get(path).or_else(|| {
        let matches = |template: &str| {
            template.split('/').count() == path.split('/').count()
                && template.split('/').zip(path.split('/')).all(|(one, other)| one == other || one.starts_with('{'))
        };
        paths.iter().find(|(template, _)| matches(template)).map(|(_, operations)| operations)
    })?;
    operations.get(verb)
}

#[test]
#[should_panic(expected = "DELETE /v1/members/1 responds with 409 policy-exists")]
fn undocumented_problem_is_found() {
    assert_documented("PATCH", "/v1/members/1?a=b", 409, Some("last-admin"));
    assert_documented("DELETE", "/v1/members/1", 204, None);
    assert_documented("PUT", "/v1/members/1", 405, Some("method-not-allowed"));
    assert_documented("DELETE", "/v1/members/1", 409, Some("policy-exists"));
}
