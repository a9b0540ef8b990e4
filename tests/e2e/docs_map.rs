//! `docs/reference/modules.md` is drawn from the code, so it can't say what isn't so: `just update-docs` draws it, and a test finds it stale.

mod workspace;

use std::{collections::BTreeMap, fmt::Write, fs};

use workspace::{ModuleDocTable, Package, Workspace, workspace_root};
use tenantry::http::{PERMISSIONS, RouteInfo, routes};

use crate::cli::{run, work_dir as cli_work_dir};

/// Set by `just update-docs`: write the map and don't compare it.
const UPDATE_VAR: &str = "UPDATE_DOCS";

#[test]
fn map_is_up_to_date() {
    let (file, rendered) = (workspace_root().join("docs/reference/modules.md"), render(&Workspace::read(), &routes()));
    if std::env::var_os(UPDATE_VAR).is_some() {
        fs::write(&file, &rendered).unwrap();
    }
    if let Some(stale) = first_difference(&fs::read_to_string(&file).unwrap_or_default(), &rendered) {
        panic!("{stale}");
    }
}

#[test]
fn stale_map_reports_line() {
    assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
    for (committed, line) in [("a\nx\n", 2), ("a\n", 2), ("a\nb\nc\n", 3), ("", 1)] {
        let expected = format!("docs/reference/modules.md:{line} isn't as the code is: run `just update-docs` and commit the file");
        assert_eq!(first_difference(committed, "a\nb\n"), Some(expected));
    }
}

#[test]
fn module_doc_tables_match_code() {
    let workspace = Workspace::read();
    assert!(workspace.doc_tables.len() >= 4, "canvases aren't found");
    let wrong: Vec<String> = workspace.doc_tables.iter().flat_map(|doc_table| workspace.mismatches(doc_table)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn wrong_module_doc_table_is_rejected() {
    let module = "//! | provides | needs | owns |\n//! | --- | --- | --- |\n\
                  //! | `Bills` | `Database`, `Clock` (why, and `what`), the view `user_profiles` | `bills`, the view `due` |\n\
                  module! { use dyn DbModule { components = [dyn Database], providers = [] } }";
    let workspace = Workspace {
        packages: Vec::new(),
        doc_tables: vec![ModuleDocTable::read("bills", module)],
        contracts: BTreeMap::from([(
            "bills.rs".into(),
            "pub trait BillsModule:\n    HasComponent<dyn Bills>\n    + HasComponent<dyn Refunds>\n{\n}".into(),
        )]),
        tables: BTreeMap::from([("bills".into(), vec!["bills".into(), "refunds".into()])]),
    };
    assert_eq!(
        workspace.mismatches(&workspace.doc_tables[0]),
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
fn map_lists_normal_workspace_deps_only() {
    let metadata = r#"{"packages": [
        {"name": "a", "description": null, "dependencies": [
            {"name": "b", "kind": null, "optional": false}, {"name": "c-c", "kind": null, "optional": true},
            {"name": "b", "kind": "dev", "optional": false}, {"name": "serde", "kind": null, "optional": false}]},
        {"name": "b", "description": null, "dependencies": [{"name": "a", "kind": "dev", "optional": false}]},
        {"name": "c-c", "description": null, "dependencies": []}]}"#;
    let expected = "```mermaid\ngraph TD\n    a[a]\n    b[b]\n    c_c[c-c]\n    a --> b\n    a -.-> c_c\n```\n";
    assert_eq!(crate_graph(&Package::parse_metadata(metadata)), expected);
}

#[test]
fn routes_command_output() {
    let work_dir = cli_work_dir();
    let output = run(work_dir.path(), &[("APP_ENV", "nonsense"), ("DATABASE_URL", "nowhere")], &["routes"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<&str>> = printed.lines().map(|line| line.split(['│', '┆']).map(str::trim).collect()).collect();
    for RouteInfo { method, path, class, permission, summary, .. } in routes() {
        let permission = permission.map(|permission| permission.name).unwrap_or_default();
        assert!(rows.contains(&vec!["", &method, path, class, permission, &summary, ""]), "{method} {path}: {printed}");
    }
    assert!(output.status.success() && fs::read_dir(work_dir.path()).unwrap().next().is_none(), "it leaves nothing");
}

/// Where the committed map differs, if it does.
fn first_difference(committed: &str, rendered: &str) -> Option<String> {
    if committed == rendered {
        return None;
    }
    let same = committed.lines().zip(rendered.lines()).take_while(|(one, other)| one == other).count();
    Some(format!("docs/reference/modules.md:{} isn't as the code is: run `just update-docs` and commit the file", same + 1))
}

fn render(workspace: &Workspace, routes: &[RouteInfo]) -> String {
    let mut map = format!(
        "# The map\n\nDrawn from the code by `just update-docs`; a test fails when it is stale. ARCHITECTURE.md says why it is \
         so.\n\n## The crates\n\nWho depends on whom; dotted: unless the feature is left out. What only tests need isn't \
         drawn.\n\n{}\n## Who asks whom\n\nBusiness modules don't depend on one another. What one needs of another is a \
         contract in the kernel.\n\n{}\n## The modules\n\nA route stands with each module whose services its handler \
         calls, a permission with the module beside whose\ncontract it is declared.\n",
        crate_graph(&workspace.packages),
        contract_graph(&workspace.doc_tables),
    );
    for doc_table in &workspace.doc_tables {
        write_module(&mut map, workspace, doc_table, routes);
    }
    let own = |route: &&RouteInfo| workspace.doc_tables.iter().all(|doc_table| !serves(doc_table, route));
    writeln!(map, "\n### The program itself\n\nThese take no module's service.\n").unwrap();
    write_route_table(&mut map, routes.iter().filter(own));
    map
}

fn crate_graph(packages: &[Package]) -> String {
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

fn contract_graph(doc_tables: &[ModuleDocTable]) -> String {
    let mut graph = String::from("```mermaid\ngraph LR\n");
    for doc_table in doc_tables {
        writeln!(graph, "    {}", doc_table.module).unwrap();
    }
    for doc_table in doc_tables {
        for other in doc_tables.iter().filter(|other| other.module != doc_table.module) {
            let asked = |name: &&String| other.provides.contains(name) || other.owns.contains(name);
            for name in doc_table.needs.iter().chain(&doc_table.views).filter(asked) {
                writeln!(graph, "    {} -- {name} --> {}", doc_table.module, other.module).unwrap();
            }
        }
    }
    graph + "```\n"
}

fn write_module(map: &mut String, workspace: &Workspace, doc_table: &ModuleDocTable, routes: &[RouteInfo]) {
    let about = workspace.packages.iter().find(|package| package.name == doc_table.module).map(|package| &package.about);
    let about = about.expect("each module is a crate of the same name");
    let [provides, needs, owns] = &doc_table.cells;
    writeln!(map, "\n### {}\n\n{about}.\n\n| | |\n| --- | --- |", doc_table.module).unwrap();
    writeln!(map, "| provides | {provides} |\n| needs | {needs} |\n| owns | {owns} |").unwrap();
    for permission in PERMISSIONS {
        if workspace.declaring_module(permission).is_some_and(|declaring| declaring.module == doc_table.module) {
            writeln!(map, "| permission `{}` | {} |", permission.name, permission.about).unwrap();
        }
    }
    map.push('\n');
    write_route_table(map, routes.iter().filter(|route| serves(doc_table, route)));
}

fn serves(doc_table: &ModuleDocTable, route: &RouteInfo) -> bool {
    doc_table.provides.iter().any(|service| route.services.contains(&service.as_str()))
}

fn write_route_table<'a>(map: &mut String, routes: impl Iterator<Item = &'a RouteInfo>) {
    map.push_str("| route | who may call | what for |\n| --- | --- | --- |\n");
    for RouteInfo { method, path, class, permission, summary, .. } in routes {
        let who = permission.map_or_else(|| (*class).to_owned(), |permission| format!("`{}`", permission.name));
        writeln!(map, "| `{method} {path}` | {who} | {summary} |").unwrap();
    }
}
