//! The dependencies between the crates of the workspace are exactly those in the table in ARCHITECTURE.md, and the
//! modules depend on one another only through their api crates. The business modules share a row of the table, and so do
//! their api crates; `docs/reference/modules.md` shows the dependencies of each.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    production_build::cargo,
    sources::{Source, code_spans, fake_source, read, root},
    violation::{Message, Violation, assert_no_violations, assert_one_violation},
};

/// The heading of the table.
const HEADING: &str = "| crate | depends on |";

/// Crates that the tests of every crate may depend on, but no other code unless documented.
const TEST_ONLY_CRATES: [&str; 3] = ["cedar-oracle", "seeds", "test-support"];

/// The documented crates, each with its line in the document and its dependencies.
type Graph = BTreeMap<String, (usize, BTreeSet<String>)>;

fn documented(document: &Source) -> Graph {
    let lines = document.text.lines().enumerate().skip_while(|(_, line)| *line != HEADING).skip(2);
    let rows = lines.take_while(|(_, line)| line.starts_with('|'));
    let crates = rows.map(|(index, row)| {
        // The crate, then its dependencies.
        let mut names = code_spans(row).map(str::to_owned);
        (names.next().unwrap_or_default(), (index + 1, names.collect()))
    });
    crates.collect()
}

/// A manifest of the workspace.
struct Manifest {
    name: String,
    path: String,
    /// Each with whether it is a dev-dependency. In a crate that only contains tests, those count as normal ones.
    dependencies: Vec<(String, bool)>,
}

impl Manifest {
    fn all() -> Vec<Self> {
        let metadata = cargo(&["metadata", "--offline", "--locked", "--no-deps", "--format-version", "1"]);
        let metadata: Value = serde_json::from_str(&metadata).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let manifest = |package: &Value| {
            let is_test_crate = package["targets"].as_array().unwrap().iter().all(|target| target["kind"][0] == "test");
            let dependency = |on: &Value| (text(&on["name"]), on["kind"] == "dev" && !is_test_crate);
            let path = text(&package["manifest_path"]);
            Self {
                name: text(&package["name"]),
                path: path.strip_prefix(root().to_str().unwrap()).unwrap().trim_start_matches('/').to_owned(),
                dependencies: package["dependencies"].as_array().unwrap().iter().map(dependency).collect(),
            }
        };
        metadata["packages"].as_array().unwrap().iter().map(manifest).collect()
    }
}

/// The part of a crate in the architecture.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    Kernel,
    Db,
    EmbeddedPostgres,
    /// `modules/<name>/api`.
    Api,
    /// `modules/<name>`.
    Implementation,
    /// The program, tests and tools.
    Outer,
}

impl Layer {
    fn of(path: &str) -> Self {
        match path.split('/').collect::<Vec<_>>().as_slice() {
            ["modules", "kernel", ..] => Self::Kernel,
            ["modules", "db", ..] => Self::Db,
            ["modules", "embedded-postgres", ..] => Self::EmbeddedPostgres,
            ["modules", _, "api", ..] => Self::Api,
            ["modules", ..] => Self::Implementation,
            _ => Self::Outer,
        }
    }

    /// Returns what to do instead, if a crate of this layer may not depend on one of the other.
    fn help_against(self, on: Self) -> Option<&'static str> {
        let (allowed, help): (&[Self], _) = match self {
            Self::Kernel => {
                (&[], "the kernel uses no crate of the workspace; declare a trait that the other implements")
            }
            Self::EmbeddedPostgres => (&[], "it uses no crate of the workspace; pass the value in its options"),
            Self::Db => (&[Self::Kernel, Self::EmbeddedPostgres], "move what needs both to a module"),
            Self::Api => (&[Self::Kernel, Self::Db, Self::Api], "move what needs it to the implementation"),
            Self::Implementation => (&[Self::Kernel, Self::Db, Self::Api], "use the traits of an api crate"),
            Self::Outer => return None,
        };
        (!allowed.contains(&on)).then_some(help)
    }

    /// Returns the name in the table of a crate of this layer.
    fn row_name(self, name: &str) -> &str {
        match self {
            Self::Api => "modules/*/api",
            Self::Implementation => "modules/*",
            _ => name,
        }
    }
}

/// Compares the manifests with the table. `text` returns the text of a manifest, to find line numbers.
fn violations(manifests: &[Manifest], document: &Source, text: impl Fn(&str) -> String) -> Vec<Violation> {
    let graph = documented(document);
    let members: BTreeMap<&str, Layer> =
        manifests.iter().map(|manifest| (manifest.name.as_str(), Layer::of(&manifest.path))).collect();
    let mut violations = Vec::new();
    // What the crates of each row use.
    let mut used: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for manifest in manifests {
        let row_name = members[manifest.name.as_str()].row_name(&manifest.name);
        let used = used.entry(row_name).or_default();
        let Some((_, allowed)) = graph.get(row_name) else {
            let problem = format!("the crate `{}` isn't documented", manifest.name);
            let help = "add a row to the table of crates in ARCHITECTURE.md";
            violations.push(Violation::new(&manifest.path, 0, problem, help));
            continue;
        };
        for (on, is_dev) in &manifest.dependencies {
            if !is_dev {
                used.extend(members.get(on.as_str()).map(|layer| layer.row_name(on)));
            }
            if let Some((problem, help)) = dependency_violation(manifest, on, *is_dev, allowed, &members) {
                let text = text(&manifest.path);
                let line = text.lines().position(|line| line.split(['.', ' ', '=']).next() == Some(on));
                violations.push(Violation::new(&manifest.path, line.map_or(0, |line| line + 1), problem, help));
            }
        }
    }
    for (name, (row, documented)) in &graph {
        let Some(used) = used.get(name.as_str()) else {
            let problem = format!("there is no crate `{name}`");
            violations.push(Violation::new(&document.path, *row, problem, "remove its row from the table of crates"));
            continue;
        };
        for on in documented.iter().filter(|on| !used.contains(on.as_str())) {
            let problem = format!("`{name}` doesn't depend on `{on}`");
            violations.push(Violation::new(&document.path, *row, problem, "remove it from the table of crates"));
        }
    }
    violations
}

/// Returns why a crate may not depend on another, and what to do instead.
fn dependency_violation(
    manifest: &Manifest,
    on: &str,
    is_dev: bool,
    allowed: &BTreeSet<String>,
    members: &BTreeMap<&str, Layer>,
) -> Option<Message> {
    let name = manifest.name.as_str();
    if ["modules/", "seeds/"].iter().any(|folder| manifest.path.starts_with(folder)) && on.starts_with("actix") {
        return Some((format!("`{name}` depends on `{on}`"), "move HTTP code to src/http"));
    }
    let layer = members.get(on).filter(|_| !is_dev || !TEST_ONLY_CRATES.contains(&on))?;
    if let Some(help) = members[name].help_against(*layer) {
        return Some((format!("`{name}` depends on `{on}`"), help));
    }
    // Tests may use all documented dependencies of their crate, even if its other code doesn't.
    let help = "use an api crate, or document the dependency in the table of crates in ARCHITECTURE.md";
    (!allowed.contains(layer.row_name(on)))
        .then(|| (format!("`{name}` depends on `{on}`, which isn't documented"), help))
}

#[test]
fn crate_graph_matches_docs() {
    let document = read("ARCHITECTURE.md");
    assert!(documented(&document).len() > 5, "ARCHITECTURE.md has no table with the heading {HEADING}");
    assert_no_violations(&violations(&Manifest::all(), &document, |path| read(path).text));
}

const CRATE_TABLE: &str = "\
| crate | depends on |
| --- | --- |
| `modules/*` | `kernel`, `modules/*/api` |
| `modules/*/api` | `kernel` |
| `db` | `kernel` |
| `kernel` | |
| `embedded-postgres` | |
| `test-support` | `kernel`, `modules/*` |
| `seeds` | `kernel` |
";

/// Crates with the documented dependencies.
const CRATES: [(&str, &[&str]); 8] = [
    ("user", &["kernel", "user-api"]),
    ("auth", &["kernel"]),
    ("user-api", &["kernel"]),
    ("db", &["kernel"]),
    ("kernel", &[]),
    ("embedded-postgres", &[]),
    ("test-support", &["kernel", "user"]),
    ("seeds", &["kernel"]),
];

/// Creates a sample manifest. A dependency `name dev` is a dev-dependency.
fn manifest<'a>(name: &str, dependencies: impl IntoIterator<Item = &'a str>) -> Manifest {
    let folder = match name.split_once('-') {
        _ if name == "seeds" => name.to_owned(),
        Some((module, "api")) => format!("modules/{module}/api"),
        Some(("test", _)) => format!("tests/{name}"),
        _ => format!("modules/{name}"),
    };
    let dependency = |on: &'a str| (on.trim_end_matches(" dev").to_owned(), on.ends_with(" dev"));
    let dependencies = dependencies.into_iter().map(dependency).collect();
    Manifest { name: name.to_owned(), path: format!("{folder}/Cargo.toml"), dependencies }
}

/// Returns the violations if the crate `name` has these dependencies, and the other crates have the documented ones.
fn violations_of(name: &str, dependencies: &[&str]) -> Vec<Violation> {
    let document = fake_source("ARCHITECTURE.md", CRATE_TABLE);
    let others = CRATES.iter().filter(|(other, _)| *other != name);
    let mut manifests: Vec<_> = others.map(|(other, on)| manifest(other, on.iter().copied())).collect();
    manifests.push(manifest(name, dependencies.iter().copied()));
    let text = "[dependencies]\nauth.workspace = true\nactix-web = \"4\"\ndb = { path = \"x\" }";
    violations(&manifests, &document, |_| text.to_owned())
}

#[test]
fn undocumented_dependency_is_rejected() {
    let check = |on: &str| violations_of("user", &["kernel", "user-api", on]);
    for on in ["serde", "test-support dev"] {
        assert_no_violations(&check(on));
    }
    for (on, expected) in [
        ("db", "4: `user` depends on `db`, which isn't documented; use an api crate"),
        ("db dev", "4: `user` depends on `db`, which isn't documented"),
        ("actix-web", "3: `user` depends on `actix-web`; move HTTP code"),
        ("test-support", "0: `user` depends on `test-support`; use"),
    ] {
        assert_one_violation(&check(on), &format!("modules/user/Cargo.toml:{expected}"));
    }
    let seeds = violations_of("seeds", &["kernel", "actix-web dev"]);
    assert_one_violation(&seeds, "seeds/Cargo.toml:3: `seeds` depends on `actix-web`; move HTTP code");
}

#[test]
fn dependency_on_wrong_layer_is_rejected() {
    for (name, on, expected) in [
        ("user", "auth", "2: `user` depends on `auth`; use the traits of an api crate"),
        ("user", "embedded-postgres", "0: `user` depends on `embedded-postgres`; use the traits"),
        ("user-api", "auth", "2: `user-api` depends on `auth`; move what needs it to the impl"),
        ("user-api", "embedded-postgres", "0: `user-api` depends on `embedded-postgres`; move"),
        ("db", "user-api", "0: `db` depends on `user-api`; move what needs both to a module"),
        ("kernel", "db", "4: `kernel` depends on `db`; the kernel uses no crate of the work"),
        ("embedded-postgres", "kernel", "0: `embedded-postgres` depends on `kernel`; it"),
    ] {
        let (_, documented) = CRATES.iter().find(|(other, _)| *other == name).unwrap();
        let expected = format!("{}:{expected}", manifest(name, []).path);
        for on in [on, &format!("{on} dev")] {
            let dependencies: Vec<&str> = documented.iter().copied().chain([on]).collect();
            assert_one_violation(&violations_of(name, &dependencies), &expected);
        }
    }
}

#[test]
fn stale_graph_is_rejected() {
    assert_one_violation(
        &violations_of("user", &["kernel"]),
        "ARCHITECTURE.md:3: `modules/*` doesn't depend on `modules/",
    );
    assert_one_violation(&violations_of("db", &[]), "ARCHITECTURE.md:5: `db` doesn't depend on `kernel`");
    // A new module needs no row.
    assert_no_violations(&violations_of("billing", &["kernel"]));
    let problem = "tests/test-tools/Cargo.toml:0: the crate `test-tools` isn't documented";
    assert_one_violation(&violations_of("test-tools", &["kernel"]), problem);
    let table =
        fake_source("ARCHITECTURE.md", "| crate | depends on |\n| --- | --- |\n| `modules/*` | |\n| `gone` | |\n");
    let found = violations(&[manifest("user", [])], &table, |_| String::new());
    assert_one_violation(&found, "ARCHITECTURE.md:4: there is no crate `gone`");
}
