//! The dependencies between the crates of the workspace are exactly those in the table in ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    production_build::cargo,
    sources::{Source, fake_source, read, root},
    violation::{Violation, assert_no_violations, assert_one_violation},
};

/// The heading of the table.
const HEADING: &str = "| crate | depends on |";

/// Crates that the tests of every crate may depend on, but no other code unless documented.
const TEST_ONLY_CRATES: [&str; 3] = ["cedar-oracle", "seeds", "test-support"];

/// The dependencies of each crate.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Returns the documented graph, and the line of each crate in the document.
fn documented(document: &Source) -> (Graph, BTreeMap<String, usize>) {
    let lines = document.text.lines().enumerate().skip_while(|(_, line)| *line != HEADING).skip(2);
    let rows = lines.take_while(|(_, line)| line.starts_with('|'));
    let (mut graph, mut line_numbers) = (Graph::new(), BTreeMap::new());
    for (index, row) in rows {
        // The names in backticks: the crate, then its dependencies.
        let mut names = row.split('`').skip(1).step_by(2).map(str::to_owned);
        let name = names.next().unwrap_or_default();
        line_numbers.insert(name.clone(), index + 1);
        graph.insert(name, names.collect());
    }
    (graph, line_numbers)
}

/// A manifest of the workspace, from the output of `cargo metadata --no-deps`.
struct Manifest<'a> {
    name: &'a str,
    path: String,
    package: &'a Value,
}

impl<'a> Manifest<'a> {
    fn all(metadata: &'a Value, root: &str) -> Vec<Self> {
        let packages = metadata["packages"].as_array().unwrap().iter();
        let manifest = |package: &'a Value| {
            let path = package["manifest_path"].as_str().unwrap();
            let path = path.strip_prefix(root).unwrap_or(path).trim_start_matches('/').to_owned();
            Self { name: package["name"].as_str().unwrap(), path, package }
        };
        packages.map(manifest).collect()
    }

    /// Returns the dependencies, each with whether it is a dev-dependency. In a crate that only contains tests,
    /// dev-dependencies count as normal ones.
    fn dependencies(&self) -> impl Iterator<Item = (&'a str, bool)> {
        let targets = self.package["targets"].as_array();
        let is_test_crate =
            targets.is_some_and(|all| !all.is_empty() && all.iter().all(|target| target["kind"][0] == "test"));
        let dependencies = self.package["dependencies"].as_array().unwrap().iter();
        dependencies.map(move |dependency| {
            (dependency["name"].as_str().unwrap(), dependency["kind"] == "dev" && !is_test_crate)
        })
    }
}

/// Compares the manifests with the table. `text` returns the text of a manifest, to find line numbers.
fn violations(metadata: &Value, root: &str, document: &Source, text: impl Fn(&str) -> String) -> Vec<Violation> {
    let (graph, line_numbers) = documented(document);
    let manifests = Manifest::all(metadata, root);
    let members: BTreeSet<&str> = manifests.iter().map(|manifest| manifest.name).collect();
    let mut violations = Vec::new();
    for manifest in &manifests {
        let Some(allowed) = graph.get(manifest.name) else {
            let problem = format!("the crate `{}` isn't documented", manifest.name);
            violations.push(Violation::new(
                &manifest.path,
                0,
                problem,
                "add a row to the table of crates in ARCHITECTURE.md",
            ));
            continue;
        };
        let mut missing = allowed.clone();
        for (on, is_dev) in manifest.dependencies() {
            if !is_dev {
                missing.remove(on);
            }
            if let Some((problem, help)) = dependency_violation(manifest, on, is_dev, allowed, &members) {
                let text = text(&manifest.path);
                let line = text.lines().position(|line| line.split(['.', ' ', '=']).next() == Some(on));
                violations.push(Violation::new(&manifest.path, line.map_or(0, |line| line + 1), problem, help));
            }
        }
        for on in missing {
            let problem = format!("`{}` doesn't depend on `{on}`", manifest.name);
            violations.push(Violation::new(
                &document.path,
                line_numbers[manifest.name],
                problem,
                "remove it from the table of crates",
            ));
        }
    }
    for gone in graph.keys().filter(|name| !members.contains(name.as_str())) {
        let problem = format!("there is no crate `{gone}`");
        violations.push(Violation::new(
            &document.path,
            line_numbers[gone],
            problem,
            "remove its row from the table of crates",
        ));
    }
    violations
}

/// Returns why a crate may not depend on another, and what to do instead.
fn dependency_violation(
    manifest: &Manifest<'_>,
    on: &str,
    is_dev: bool,
    allowed: &BTreeSet<String>,
    members: &BTreeSet<&str>,
) -> Option<(String, &'static str)> {
    let name = manifest.name;
    if manifest.path.starts_with("modules/") && on.starts_with("actix") {
        return Some((format!("the module `{name}` depends on `{on}`"), "move HTTP code to src/http"));
    }
    // Tests may use all documented dependencies of their crate, even if its other code doesn't.
    let is_allowed = allowed.contains(on) || (is_dev && TEST_ONLY_CRATES.contains(&on));
    if !members.contains(on) || is_allowed {
        return None;
    }
    let help = "add a contract to the kernel, or document the dependency in the table of crates in ARCHITECTURE.md";
    Some((format!("`{name}` depends on `{on}`, which isn't documented"), help))
}

#[test]
fn crate_graph_matches_docs() {
    let metadata = cargo(&["metadata", "--offline", "--locked", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let root = root().to_str().unwrap().to_owned();
    let document = read("ARCHITECTURE.md");
    assert!(documented(&document).0.len() > 5, "ARCHITECTURE.md has no table with the heading {HEADING}");
    assert_no_violations(&violations(&metadata, &root, &document, |path| read(path).text));
}

const CRATE_TABLE: &str = "\
| crate | depends on |
| --- | --- |
| `user` | `kernel` |
| `auth` | `kernel` |
| `kernel` | |
| `test-support` | `kernel`, `user` |
";

/// Returns the violations if the crate `name` has these dependencies, and the other crates have the documented ones.
fn violations_of(name: &str, dependencies: &[(&str, &str)]) -> Vec<Violation> {
    let documented_crates = [("user", "kernel"), ("auth", "kernel"), ("kernel", ""), ("test-support", "kernel,user")];
    let mut packages: Vec<Value> = Vec::new();
    let package = |name: &str, dependencies: &[(&str, &str)]| {
        let dependencies: Vec<Value> = dependencies
            .iter()
            .map(|(on, kind)| serde_json::json!({"name": on, "kind": (*kind == "dev").then_some("dev")}))
            .collect();
        let path = format!("/somewhere/modules/{name}/Cargo.toml");
        serde_json::json!({"name": name, "manifest_path": path, "dependencies": dependencies})
    };
    for (other, on) in documented_crates.iter().filter(|(other, _)| *other != name) {
        let on: Vec<_> = on.split(',').filter(|on| !on.is_empty()).map(|on| (on, "normal")).collect();
        packages.push(package(other, &on));
    }
    packages.push(package(name, dependencies));
    let text =
        |_: &str| "[dependencies]\nauth.workspace = true\nactix-web = \"4\"\nbilling = { path = \"x\" }".to_owned();
    let document = fake_source("ARCHITECTURE.md", CRATE_TABLE);
    violations(&serde_json::json!({ "packages": packages }), "/somewhere", &document, text)
}

#[test]
fn undocumented_dependency_is_rejected() {
    let kernel = ("kernel", "normal");
    assert_no_violations(&violations_of("user", &[kernel, ("serde", "normal"), ("test-support", "dev")]));
    assert_one_violation(
        &violations_of("user", &[kernel, ("auth", "normal")]),
        "modules/user/Cargo.toml:2: `user` depends on `auth`, which isn't documented; add a contract to the kernel",
    );
    assert_one_violation(
        &violations_of("user", &[kernel, ("auth", "dev")]),
        "modules/user/Cargo.toml:2: `user` depends on `auth`",
    );
    assert_one_violation(
        &violations_of("user", &[kernel, ("test-support", "normal")]),
        "modules/user/Cargo.toml:0: `user` depends on",
    );
    assert_one_violation(
        &violations_of("user", &[kernel, ("actix-web", "normal")]),
        "modules/user/Cargo.toml:3: the module `user` depends",
    );
}

#[test]
fn stale_graph_is_rejected() {
    assert_one_violation(&violations_of("user", &[]), "ARCHITECTURE.md:3: `user` doesn't depend on `kernel`");
    assert_one_violation(
        &violations_of("billing", &[("kernel", "normal")]),
        "modules/billing/Cargo.toml:0: the crate `billing` isn't documented",
    );
    let one = serde_json::json!({"packages": [
        {"name": "user", "manifest_path": "/somewhere/modules/user/Cargo.toml", "dependencies": []},
    ]});
    let two = fake_source("ARCHITECTURE.md", "| crate | depends on |\n| --- | --- |\n| `user` | |\n| `gone` | |\n");
    assert_one_violation(
        &violations(&one, "/somewhere", &two, |_| String::new()),
        "ARCHITECTURE.md:4: there is no crate `gone`",
    );
}
