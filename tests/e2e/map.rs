//! `docs/map.md` is drawn from the code, so it can't say what isn't so: `just map` draws it, and a test finds it stale.

mod project;

use std::{collections::BTreeMap, fmt::Write, fs};

use project::{Canvas, Package, Project, folder};
use tenantry::http::{CATALOGUE, RouteInfo, routes};

use crate::program::{folder as folder_of_program, run};

/// Set by `just map`: write the map and don't compare it.
const DRAW: &str = "TENANTRY_DRAW_MAP";

#[test]
fn the_map_is_as_the_code_is() {
    let (file, drawn) = (folder().join("docs/map.md"), draw(&Project::read(), &routes()));
    if std::env::var_os(DRAW).is_some() {
        fs::write(&file, &drawn).unwrap();
    }
    if let Some(stale) = stale(&fs::read_to_string(&file).unwrap_or_default(), &drawn) {
        panic!("{stale}");
    }
}

#[test]
fn a_stale_map_is_refused_by_its_line() {
    assert_eq!(stale("a\nb\n", "a\nb\n"), None);
    for (committed, line) in [("a\nx\n", 2), ("a\n", 2), ("a\nb\nc\n", 3), ("", 1)] {
        let expected = format!("docs/map.md:{line} isn't as the code is: run `just map` and commit the file");
        assert_eq!(stale(committed, "a\nb\n"), Some(expected));
    }
}

#[test]
fn every_canvas_says_what_its_module_has() {
    let project = Project::read();
    assert!(project.canvases.len() >= 4, "canvases aren't found");
    let wrong: Vec<String> = project.canvases.iter().flat_map(|canvas| project.wrong_in(canvas)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_canvas_that_says_something_else_is_refused() {
    let module = "//! | provides | needs | owns |\n//! | --- | --- | --- |\n\
                  //! | `Bills` | `Database`, `Clock` (why, and `what`), the view `people` | `bills`, the view `due` |\n\
                  module! { use dyn DbModule { components = [dyn Database], providers = [] } }";
    let project = Project {
        packages: Vec::new(),
        canvases: vec![Canvas::read("bills", module)],
        contracts: BTreeMap::from([(
            "bills.rs".into(),
            "pub trait BillsModule:\n    HasComponent<dyn Bills>\n    + HasComponent<dyn Refunds>\n{\n}".into(),
        )]),
        tables: BTreeMap::from([("bills".into(), vec!["bills".into(), "refunds".into()])]),
    };
    assert_eq!(
        project.wrong_in(&project.canvases[0]),
        [
            "modules/bills/src/module.rs: the canvas says that it provides Bills, and BillsModule that it provides \
             Bills, Refunds: make them the same",
            "modules/bills/src/module.rs: the canvas says that it needs Clock, Database, and `module!` that it needs \
             Database: make them the same",
            "modules/bills/src/module.rs: the canvas says that it owns bills, due, and its migrations that it owns \
             bills, refunds: make them the same",
        ]
    );
}

#[test]
fn normal_dependencies_within_the_workspace_are_drawn_and_no_others() {
    let metadata = r#"{"packages": [
        {"name": "a", "description": null, "dependencies": [
            {"name": "b", "kind": null, "optional": false}, {"name": "c-c", "kind": null, "optional": true},
            {"name": "b", "kind": "dev", "optional": false}, {"name": "serde", "kind": null, "optional": false}]},
        {"name": "b", "description": null, "dependencies": [{"name": "a", "kind": "dev", "optional": false}]},
        {"name": "c-c", "description": null, "dependencies": []}]}"#;
    let expected = "```mermaid\ngraph TD\n    a[a]\n    b[b]\n    c_c[c-c]\n    a --> b\n    a -.-> c_c\n```\n";
    assert_eq!(crates(&Package::of(metadata)), expected);
}

#[test]
fn the_program_prints_every_route_with_its_permission_whatever_the_settings() {
    let folder = folder_of_program();
    let output = run(folder.path(), &[("APP_ENV", "nonsense"), ("DATABASE_URL", "nowhere")], &["routes"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<&str>> = printed.lines().map(|line| line.split(['│', '┆']).map(str::trim).collect()).collect();
    for RouteInfo { method, path, class, permission, summary, .. } in routes() {
        let permission = permission.map(|permission| permission.name).unwrap_or_default();
        assert!(rows.contains(&vec!["", &method, path, class, permission, &summary, ""]), "{method} {path}: {printed}");
    }
    assert!(output.status.success() && fs::read_dir(folder.path()).unwrap().next().is_none(), "it leaves nothing");
}

/// Where the committed map differs, if it does.
fn stale(committed: &str, drawn: &str) -> Option<String> {
    if committed == drawn {
        return None;
    }
    let same = committed.lines().zip(drawn.lines()).take_while(|(one, other)| one == other).count();
    Some(format!("docs/map.md:{} isn't as the code is: run `just map` and commit the file", same + 1))
}

fn draw(project: &Project, routes: &[RouteInfo]) -> String {
    let mut map = format!(
        "# The map\n\nDrawn from the code by `just map`; a test fails when it is stale. ARCHITECTURE.md says why it is \
         so.\n\n## The crates\n\nWho depends on whom; dotted: unless the feature is left out. What only tests need isn't \
         drawn.\n\n{}\n## Who asks whom\n\nBusiness modules don't depend on one another. What one needs of another is a \
         contract in the kernel.\n\n{}\n## The modules\n\nA route stands with each module whose services its handler \
         calls, a permission with the module beside whose\ncontract it is declared.\n",
        crates(&project.packages),
        contracts(&project.canvases),
    );
    for canvas in &project.canvases {
        module(&mut map, project, canvas, routes);
    }
    let own = |route: &&RouteInfo| project.canvases.iter().all(|canvas| !serves(canvas, route));
    writeln!(map, "\n### The program itself\n\nThese take no module's service.\n").unwrap();
    table(&mut map, routes.iter().filter(own));
    map
}

fn crates(packages: &[Package]) -> String {
    let id = |name: &str| name.replace('-', "_");
    let mut graph = String::from("```mermaid\ngraph TD\n");
    for Package { name, .. } in packages {
        writeln!(graph, "    {}[{name}]", id(name)).unwrap();
    }
    for Package { name, needs, .. } in packages {
        for (other, optional) in needs {
            let arrow = if *optional { "-.->" } else { "-->" };
            writeln!(graph, "    {} {arrow} {}", id(name), id(other)).unwrap();
        }
    }
    graph + "```\n"
}

fn contracts(canvases: &[Canvas]) -> String {
    let mut graph = String::from("```mermaid\ngraph LR\n");
    for canvas in canvases {
        writeln!(graph, "    {}", canvas.module).unwrap();
    }
    for canvas in canvases {
        for other in canvases.iter().filter(|other| other.module != canvas.module) {
            let asked = |name: &&String| other.provides.contains(name) || other.owns.contains(name);
            for name in canvas.needs.iter().chain(&canvas.views).filter(asked) {
                writeln!(graph, "    {} -- {name} --> {}", canvas.module, other.module).unwrap();
            }
        }
    }
    graph + "```\n"
}

fn module(map: &mut String, project: &Project, canvas: &Canvas, routes: &[RouteInfo]) {
    let about = project.packages.iter().find(|package| package.name == canvas.module).map(|package| &package.about);
    let about = about.expect("each module is a crate of the same name");
    let [provides, needs, owns] = &canvas.cells;
    writeln!(map, "\n### {}\n\n{about}.\n\n| | |\n| --- | --- |", canvas.module).unwrap();
    writeln!(map, "| provides | {provides} |\n| needs | {needs} |\n| owns | {owns} |").unwrap();
    for permission in CATALOGUE {
        if project.declared_by(permission).is_some_and(|declaring| declaring.module == canvas.module) {
            writeln!(map, "| permission `{}` | {} |", permission.name, permission.about).unwrap();
        }
    }
    map.push('\n');
    table(map, routes.iter().filter(|route| serves(canvas, route)));
}

fn serves(canvas: &Canvas, route: &RouteInfo) -> bool {
    canvas.provides.iter().any(|service| route.services.contains(&service.as_str()))
}

fn table<'a>(map: &mut String, routes: impl Iterator<Item = &'a RouteInfo>) {
    map.push_str("| route | who may call | what for |\n| --- | --- | --- |\n");
    for RouteInfo { method, path, class, permission, summary, .. } in routes {
        let who = permission.map_or_else(|| (*class).to_owned(), |permission| format!("`{}`", permission.name));
        writeln!(map, "| `{method} {path}` | {who} | {summary} |").unwrap();
    }
}
