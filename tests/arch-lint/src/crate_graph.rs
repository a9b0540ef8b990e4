//! Which crate of the workspace builds on which: as the table in ARCHITECTURE.md says, and no other way.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    production_build::cargo,
    sources::{Source, fake_source, read, root},
    violation::{Violation, assert_no_violations, assert_one_violation},
};

/// The first column's heading of the table.
const HEADING: &str = "| crate | builds on |";

/// Crates that only tests may build on, whoever's they are.
const TEST_ONLY_CRATES: [&str; 3] = ["cedar-oracle", "seeds", "test-support"];

/// By crate, what it builds on.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// The drawing, and the line of each crate in it.
fn documented(document: &Source) -> (Graph, BTreeMap<String, usize>) {
    let lines = document.text.lines().enumerate().skip_while(|(_, line)| *line != HEADING).skip(2);
    let rows = lines.take_while(|(_, line)| line.starts_with('|'));
    let (mut graph, mut places) = (Graph::new(), BTreeMap::new());
    for (index, row) in rows {
        // What is between backticks: the crate first, then what it builds on.
        let mut names = row.split('`').skip(1).step_by(2).map(str::to_owned);
        let name = names.next().unwrap_or_default();
        places.insert(name.clone(), index + 1);
        graph.insert(name, names.collect());
    }
    (graph, places)
}

/// A manifest of the workspace, by what `cargo metadata --no-deps` says of it.
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

    /// The dependencies, each with whether it is for the tests of something else. A crate that is nothing but tests builds
    /// on what they build on.
    fn dependencies(&self) -> impl Iterator<Item = (&'a str, bool)> {
        let targets = self.package["targets"].as_array();
        let is_tests = targets.is_some_and(|all| !all.is_empty() && all.iter().all(|one| one["kind"][0] == "test"));
        let dependencies = self.package["dependencies"].as_array().unwrap().iter();
        dependencies
            .map(move |dependency| (dependency["name"].as_str().unwrap(), dependency["kind"] == "dev" && !is_tests))
    }
}

/// What of the manifests isn't as drawn. `text` gives a manifest's text, to find the line in.
fn violations(metadata: &Value, root: &str, document: &Source, text: impl Fn(&str) -> String) -> Vec<Violation> {
    let (graph, places) = documented(document);
    let manifests = Manifest::all(metadata, root);
    let members: BTreeSet<&str> = manifests.iter().map(|manifest| manifest.name).collect();
    let mut found = Vec::new();
    for manifest in &manifests {
        let Some(allowed) = graph.get(manifest.name) else {
            let problem = format!("the crate `{}` isn't drawn", manifest.name);
            found.push(Violation::new(
                &manifest.path,
                0,
                problem,
                "give it a row in the table of crates in ARCHITECTURE.md",
            ));
            continue;
        };
        let mut missing = allowed.clone();
        for (on, for_tests) in manifest.dependencies() {
            if !for_tests {
                missing.remove(on);
            }
            if let Some((problem, help)) = refusal(manifest, on, for_tests, allowed, &members) {
                let text = text(&manifest.path);
                let line = text.lines().position(|line| line.split(['.', ' ', '=']).next() == Some(on));
                found.push(Violation::new(&manifest.path, line.map_or(0, |line| line + 1), problem, help));
            }
        }
        for on in missing {
            let problem = format!("`{}` doesn't build on `{on}`", manifest.name);
            found.push(Violation::new(
                &document.path,
                places[manifest.name],
                problem,
                "take it out of the table of crates",
            ));
        }
    }
    for gone in graph.keys().filter(|name| !members.contains(name.as_str())) {
        let problem = format!("there is no crate `{gone}`");
        found.push(Violation::new(&document.path, places[gone], problem, "take its row out of the table of crates"));
    }
    found
}

/// Why a crate can't build on another, if so, and what to do instead.
fn refusal(
    manifest: &Manifest<'_>,
    on: &str,
    for_tests: bool,
    allowed: &BTreeSet<String>,
    members: &BTreeSet<&str>,
) -> Option<(String, &'static str)> {
    let name = manifest.name;
    if manifest.path.starts_with("modules/") && on.starts_with("actix") {
        return Some((format!("the module `{name}` builds on `{on}`"), "put HTTP into src/http"));
    }
    // Tests may have whatever their crate may, whether it does or not.
    let documented = allowed.contains(on) || (for_tests && TEST_ONLY_CRATES.contains(&on));
    if !members.contains(on) || documented {
        return None;
    }
    let help = "put a contract into the kernel, or draw it in the table of crates in ARCHITECTURE.md";
    Some((format!("`{name}` builds on `{on}`, which isn't drawn"), help))
}

#[test]
fn crate_graph_matches_docs() {
    let metadata = cargo(&["metadata", "--offline", "--locked", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let root = root().to_str().unwrap().to_owned();
    let document = read("ARCHITECTURE.md");
    assert!(documented(&document).0.len() > 5, "ARCHITECTURE.md has no table that begins with {HEADING}");
    assert_no_violations(&violations(&metadata, &root, &document, |path| read(path).text));
}

const CRATE_TABLE: &str = "\
| crate | builds on |
| --- | --- |
| `user` | `kernel` |
| `auth` | `kernel` |
| `kernel` | |
| `test-support` | `kernel`, `user` |
";

/// What is found where `crate` has the dependencies, and the others are as drawn.
fn with(name: &str, dependencies: &[(&str, &str)]) -> Vec<Violation> {
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
    assert_no_violations(&with("user", &[kernel, ("serde", "normal"), ("test-support", "dev")]));
    assert_one_violation(
        &with("user", &[kernel, ("auth", "normal")]),
        "modules/user/Cargo.toml:2: `user` builds on `auth`, which isn't drawn; put a contract into the kernel",
    );
    assert_one_violation(
        &with("user", &[kernel, ("auth", "dev")]),
        "modules/user/Cargo.toml:2: `user` builds on `auth`",
    );
    assert_one_violation(
        &with("user", &[kernel, ("test-support", "normal")]),
        "modules/user/Cargo.toml:0: `user` builds on",
    );
    assert_one_violation(
        &with("user", &[kernel, ("actix-web", "normal")]),
        "modules/user/Cargo.toml:3: the module `user` builds",
    );
}

#[test]
fn stale_graph_is_rejected() {
    assert_one_violation(&with("user", &[]), "ARCHITECTURE.md:3: `user` doesn't build on `kernel`");
    assert_one_violation(
        &with("billing", &[("kernel", "normal")]),
        "modules/billing/Cargo.toml:0: the crate `billing` isn't drawn",
    );
    let one = serde_json::json!({"packages": [
        {"name": "user", "manifest_path": "/somewhere/modules/user/Cargo.toml", "dependencies": []},
    ]});
    let two = fake_source("ARCHITECTURE.md", "| crate | builds on |\n| --- | --- |\n| `user` | |\n| `gone` | |\n");
    assert_one_violation(
        &violations(&one, "/somewhere", &two, |_| String::new()),
        "ARCHITECTURE.md:4: there is no crate `gone`",
    );
}
