//! The licenses of all dependencies, as `deny.toml` allows them. `.ci/check-dependencies` checks more, with cargo-deny;
//! this test needs only cargo.

use serde_json::Value as Json;
use spdx::{Expression, ParseMode};
use toml::Table;

use crate::{
    lints::parse_toml,
    production_build::cargo,
    sources::read,
    violation::{Violation, assert_no_violations, assert_one_violation},
};

/// Whether a license expression (SPDX) is satisfied by the allowed licenses. The lax mode accepts `/` for `OR`, which old
/// crates use.
fn satisfies(expression: &str, is_allowed: impl Fn(&str) -> bool) -> bool {
    Expression::parse_mode(expression, ParseMode::LAX)
        .is_ok_and(|expression| expression.evaluate(|license| is_allowed(&license.to_string())))
}

/// Checks the packages in the output of `cargo metadata`.
fn violations(metadata: &Json, config: &Table) -> Vec<Violation> {
    let names = |value: Option<&toml::Value>| -> Vec<String> {
        let values = value.and_then(toml::Value::as_array).into_iter().flatten();
        values.filter_map(|value| value.as_str().map(ToOwned::to_owned)).collect()
    };
    let licenses = config.get("licenses");
    let allowed = names(licenses.and_then(|licenses| licenses.get("allow")));
    let exceptions = licenses.and_then(|licenses| licenses.get("exceptions")?.as_array()).cloned().unwrap_or_default();
    let mut violations = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let (name, license) = (package["name"].as_str().unwrap_or_default(), package["license"].as_str());
        let exception = exceptions.iter().find(|one| one.get("crate").and_then(toml::Value::as_str) == Some(name));
        let extra = names(exception.and_then(|one| one.get("allow")));
        let is_allowed = |license: &str| allowed.iter().chain(&extra).any(|one| one == license);
        if !satisfies(license.unwrap_or_default(), is_allowed) {
            let problem = format!("the license of `{name}`, {}, isn't allowed", license.unwrap_or("none"));
            let help = "use another crate, or add an exception with a reason to deny.toml";
            violations.push(Violation::new("Cargo.lock", 0, problem, help));
        }
    }
    violations
}

#[test]
fn licenses_are_allowed() {
    // For the machine's platform: cargo has downloaded no crates that are only used on others.
    let version = cargo(&["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let arguments = ["metadata", "--offline", "--locked", "--format-version", "1", "--filter-platform", host];
    let metadata: Json = serde_json::from_str(&cargo(&arguments)).unwrap();
    let count = metadata["packages"].as_array().map_or(0, Vec::len);
    assert!(count > 200, "expected more than 200 packages, found {count}");
    assert_no_violations(&violations(&metadata, &parse_toml(&read("deny.toml"))));
}

#[test]
fn license_that_is_not_allowed_is_rejected() {
    let config: Table =
        "[licenses]\nallow = [\"MIT\", \"Zlib\"]\nexceptions = [{ crate = \"b\", allow = [\"GPL-3.0\"] }]"
            .parse()
            .unwrap();
    let violations = |name: &str, license: Option<&str>| {
        violations(&serde_json::json!({"packages": [{"name": name, "license": license}]}), &config)
    };
    for license in
        ["MIT", "GPL-3.0 OR MIT", "GPL-3.0/MIT", "(GPL-3.0 OR MIT) AND Zlib", "MIT OR Apache-2.0 WITH LLVM-exception"]
    {
        assert_no_violations(&violations("a", Some(license)));
    }
    assert_no_violations(&violations("b", Some("GPL-3.0")));
    for license in [
        Some("GPL-3.0"),
        Some("MIT AND GPL-3.0"),
        Some("(GPL-3.0 OR MIT) AND ISC"),
        Some("MIT WITH X"),
        Some("(MIT"),
        None,
    ] {
        assert_one_violation(&violations("a", license), "Cargo.lock:0: the license of `a`, ");
    }
}
