//! Generates `docs/reference/modules.md`.

use std::{collections::BTreeMap, fmt::Write, fs};

use super::{
    assert_current,
    workspace::{ModuleDocTable, Package, Workspace},
};
use crate::process::{run, stdout, work_dir};
use tenantry::{
    http::{RouteInfo, routes},
    services::PERMISSIONS,
};

#[test]
fn modules_reference_is_current() {
    assert_current("docs/reference/modules.md", &render(&Workspace::read(), &routes()));
}

#[test]
fn module_doc_tables_match_code() {
    let workspace = Workspace::read();
    assert!(workspace.doc_tables.len() >= 4, "expected at least 4 doc tables, found {}", workspace.doc_tables.len());
    let mismatches: Vec<String> =
        workspace.doc_tables.iter().flat_map(|doc_table| workspace.mismatches(doc_table)).collect();
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
}

#[test]
fn wrong_module_doc_table_is_rejected() {
    let module = "//! | provides | needs | owns |\n//! | --- | --- | --- |\n\
                  //! | `Bills` | `Database`, `Clock` (why, and `what`), the view `user_profiles` | `bills`, the view `due` |\n\
                  module! { use DbModule { components = [dyn Database], providers = [] } }";
    let workspace = Workspace {
        packages: Vec::new(),
        doc_tables: vec![ModuleDocTable::read("bills", module)],
        sources: BTreeMap::from([(
            "bills".into(),
            [
                String::new(),
                "#[shaku(interface = Bills)] #[shaku(interface = Refunds)] #[shaku(interface = Repository)] trait \
                 Repository: Interface"
                    .into(),
            ],
        )]),
        tables: BTreeMap::from([("bills".into(), vec!["bills".into(), "refunds".into()])]),
    };
    assert_eq!(
        workspace.mismatches(&workspace.doc_tables[0]),
        [
            "modules/bills/src/module.rs: `provides` is Bills in the doc table, but Bills, Refunds in its components; \
             correct one of them",
            "modules/bills/src/module.rs: `needs` is Clock, Database in the doc table, but Database in `module!`; \
             correct one of them",
            "modules/bills/src/module.rs: `owns` is bills, due in the doc table, but bills, refunds in its migrations; \
             correct one of them",
        ]
    );
}

#[test]
fn crate_graph_lists_normal_workspace_deps_only() {
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
fn routes_command_lists_all_routes() {
    let work_dir = work_dir();
    let output = run(work_dir.path(), &[("APP_ENV", "nonsense"), ("DATABASE_URL", "nowhere")], &["routes"]);
    let printed = stdout(&output);
    let rows: Vec<Vec<&str>> = printed.lines().map(|line| line.split(['│', '┆']).map(str::trim).collect()).collect();
    for RouteInfo { method, path, class, permission, summary, .. } in routes() {
        let permission = permission.map(|permission| permission.name).unwrap_or_default();
        assert!(rows.contains(&vec!["", &method, path, class, permission, &summary, ""]), "{method} {path}: {printed}");
    }
    assert!(output.status.success());
    assert!(fs::read_dir(work_dir.path()).unwrap().next().is_none(), "files were created");
}

fn render(workspace: &Workspace, routes: &[RouteInfo]) -> String {
    let mut page = format!(
        "# Modules\n\nGenerated from the code by `just update-docs`; a test fails if it is outdated. ARCHITECTURE.md explains \
         the design.\n\n## Crates\n\nDependencies between the crates. A dotted arrow is an optional dependency. \
         Dev-dependencies are left out.\n\n{}\n## Services\n\nThe implementations of business modules don't depend on \
         each other. A module uses another one through its api.\n\n{}\n## Business modules\n\nA route is listed under each \
         module whose services its handler calls, a permission under the module whose\napi declares it.\n",
        crate_graph(&workspace.packages),
        service_graph(&workspace.doc_tables),
    );
    for doc_table in &workspace.doc_tables {
        write_module(&mut page, workspace, doc_table, routes);
    }
    let has_no_module = |route: &&RouteInfo| workspace.doc_tables.iter().all(|doc_table| !serves(doc_table, route));
    writeln!(page, "\n### Routes without a module\n\nTheir handlers call no module's service.\n").unwrap();
    write_route_table(&mut page, routes.iter().filter(has_no_module));
    page
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

fn service_graph(doc_tables: &[ModuleDocTable]) -> String {
    let mut graph = String::from("```mermaid\ngraph LR\n");
    for doc_table in doc_tables {
        writeln!(graph, "    {}", doc_table.module).unwrap();
    }
    for doc_table in doc_tables {
        for other in doc_tables.iter().filter(|other| other.module != doc_table.module) {
            let offered = |name: &&String| other.provides.contains(name) || other.owns.contains(name);
            for name in doc_table.needs.iter().chain(&doc_table.views).filter(offered) {
                writeln!(graph, "    {} -- {name} --> {}", doc_table.module, other.module).unwrap();
            }
        }
    }
    graph + "```\n"
}

fn write_module(page: &mut String, workspace: &Workspace, doc_table: &ModuleDocTable, routes: &[RouteInfo]) {
    let about =
        workspace.packages.iter().find(|package| package.name == doc_table.module).map(|package| &package.about);
    let about = about.expect("the module has no crate of the same name");
    let [provides, needs, owns] = &doc_table.cells;
    writeln!(page, "\n### {}\n\n{about}.\n\n| | |\n| --- | --- |", doc_table.module).unwrap();
    writeln!(page, "| provides | {provides} |\n| needs | {needs} |\n| owns | {owns} |").unwrap();
    for permission in PERMISSIONS {
        if workspace.declares(&doc_table.module, permission) {
            writeln!(page, "| permission `{}` | {} |", permission.name, permission.about).unwrap();
        }
    }
    page.push('\n');
    write_route_table(page, routes.iter().filter(|route| serves(doc_table, route)));
}

fn serves(doc_table: &ModuleDocTable, route: &RouteInfo) -> bool {
    doc_table.provides.iter().any(|service| route.services.contains(&service.as_str()))
}

fn write_route_table<'a>(page: &mut String, routes: impl Iterator<Item = &'a RouteInfo>) {
    page.push_str("| route | access | summary |\n| --- | --- | --- |\n");
    for RouteInfo { method, path, class, permission, summary, .. } in routes {
        let access = permission.map_or_else(|| (*class).to_owned(), |permission| format!("`{}`", permission.name));
        writeln!(page, "| `{method} {path}` | {access} | {summary} |").unwrap();
    }
}
