//! Reads what the module reference is generated from: manifests, doc tables, sources and migrations.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use kernel::PermissionInfo;
use serde_json::Value;

use crate::source_files::{cargo, files_below, root, sorted_entries};

/// The parts of the workspace that the reference shows.
pub(super) struct Workspace {
    /// Sorted by name.
    pub(super) packages: Vec<Package>,
    /// The doc tables of the business modules, sorted by module name.
    pub(super) doc_tables: Vec<ModuleDocTable>,
    /// The sources of each business module: of its api, and of its implementation.
    pub(super) sources: BTreeMap<String, [String; 2]>,
    /// The tables and views that the migrations of each module create.
    pub(super) tables: BTreeMap<String, Vec<String>>,
}

/// A crate of the workspace.
pub(super) struct Package {
    pub(super) name: String,
    pub(super) about: String,
    /// Its dependencies in the workspace, each with whether it is optional.
    pub(super) needs: Vec<(String, bool)>,
}

/// The table at the top of a `module.rs`, and the components that the `module!` below it imports.
pub(super) struct ModuleDocTable {
    pub(super) module: String,
    /// The Markdown cells: provides, needs, owns.
    pub(super) cells: [String; 3],
    pub(super) provides: Vec<String>,
    pub(super) needs: Vec<String>,
    /// Views of other modules that its statements may join.
    pub(super) views: Vec<String>,
    pub(super) owns: Vec<String>,
    /// Components that `module!` imports from other modules.
    imports: Vec<String>,
}

impl Workspace {
    pub(super) fn read() -> Self {
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let (mut doc_tables, mut sources) = (Vec::new(), BTreeMap::new());
        // Only business modules have an api.
        for module in sorted_entries(&root().join("modules")).iter().filter(|path| path.join("api").exists()) {
            let text = fs::read_to_string(module.join("src/module.rs")).unwrap();
            doc_tables.push(ModuleDocTable::read(&name(module), &text));
            sources.insert(name(module), [source_text(&module.join("api/src")), source_text(&module.join("src"))]);
        }
        let mut tables = BTreeMap::new();
        for path in sorted_entries(&root().join("migrations")).iter().filter(|path| name(path).ends_with(".up.sql")) {
            let owner = name(path).split(['_', '.']).nth(1).unwrap().to_owned();
            apply_ddl(tables.entry(owner).or_default(), &fs::read_to_string(path).unwrap());
        }
        Self {
            packages: Package::parse_metadata(&cargo(&["metadata", "--no-deps", "--format-version", "1"])),
            doc_tables,
            sources,
            tables,
        }
    }

    /// Returns whether the api of the module declares the permission.
    pub(super) fn declares(&self, module: &str, permission: &PermissionInfo) -> bool {
        let [api, _] = &self.sources[module];
        api.contains(&format!(" = \"{}\", \"{}\";", permission.resource, permission.verb))
    }

    /// Compares the doc table with the code and returns an error message for each difference.
    pub(super) fn mismatches(&self, doc_table: &ModuleDocTable) -> Vec<String> {
        let [_, implementation] = &self.sources[&doc_table.module];
        let tables = self.tables.get(&doc_table.module).cloned().unwrap_or_default();
        let compared = [
            ("provides", &doc_table.provides, "its components", provided_services(implementation)),
            ("needs", &doc_table.needs, "`module!`", doc_table.imports.clone()),
            ("owns", &doc_table.owns, "its migrations", tables),
        ];
        let mut mismatches = Vec::new();
        for (column, documented, source, actual) in compared {
            let (documented, actual) = (sorted(documented.clone()).join(", "), sorted(actual).join(", "));
            if documented != actual {
                mismatches.push(format!(
                    "modules/{}/src/module.rs: `{column}` is {documented} in the doc table, but {actual} in {source}; \
                     correct one of them",
                    doc_table.module
                ));
            }
        }
        mismatches
    }
}

impl Package {
    /// Parses the output of `cargo metadata`.
    pub(super) fn parse_metadata(metadata: &str) -> Vec<Self> {
        let metadata: Value = serde_json::from_str(metadata).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        let name = |package: &Value| package["name"].as_str().unwrap().to_owned();
        let names: Vec<String> = packages.iter().map(name).collect();
        let mut all: Vec<Self> = packages
            .iter()
            .map(|package| {
                let normal = package["dependencies"].as_array().unwrap().iter().filter(|other| other["kind"].is_null());
                let needs = normal.map(|other| (name(other), other["optional"] == true));
                let needs = sorted(needs.filter(|(other, _)| names.contains(other)).collect());
                let about = package["description"].as_str().unwrap_or_default().to_owned();
                Self { name: name(package), about, needs }
            })
            .collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }
}

impl ModuleDocTable {
    pub(super) fn read(module: &str, text: &str) -> Self {
        let row = text.lines().nth(2).and_then(|line| line.strip_prefix("//! | "));
        let row =
            row.unwrap_or_else(|| panic!("modules/{module}/src/module.rs doesn't start with a table of three columns"));
        let cells: Vec<String> = row.trim_end_matches(" |").split(" | ").map(Into::into).collect();
        let cells: [String; 3] = cells.try_into().expect("the doc table has the columns provides, needs, owns");
        let (views, needs) = items(&cells[1]).into_iter().partition::<Vec<_>, _>(|item| item.starts_with("the view"));
        let mut imports = BTreeSet::new();
        for definition in text.split("module! {").skip(1) {
            for source in definition.split("use ").skip(1) {
                let (_, list) = source.split_once("components = [").expect("`use` lists components");
                let (list, _) = list.split_once(']').expect("the list is closed");
                imports.extend(list.split(',').map(|name| name.trim().trim_start_matches("dyn ").to_owned()));
            }
        }
        Self {
            module: module.into(),
            provides: quoted_names(&items(&cells[0])),
            needs: quoted_names(&needs),
            views: quoted_names(&views),
            owns: quoted_names(&items(&cells[2])),
            cells,
            imports: imports.into_iter().collect(),
        }
    }
}

/// Splits a cell at commas and drops text in parentheses.
fn items(cell: &str) -> Vec<String> {
    let (mut text, mut depth) = (String::new(), 0);
    for c in cell.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 => text.push(c),
            _ => {}
        }
    }
    text.split(',').map(|item| item.trim().to_owned()).collect()
}

/// Returns the first name in backticks of each item.
fn quoted_names(items: &[String]) -> Vec<String> {
    items.iter().filter_map(|item| item.split('`').nth(1)).map(Into::into).collect()
}

/// Returns the interfaces of the components that other crates declare.
fn provided_services(implementation: &str) -> Vec<String> {
    let interfaces = implementation.split("#[shaku(interface = ").skip(1).filter_map(|rest| rest.split(')').next());
    let is_private = |name: &&str| implementation.contains(&format!("trait {name}: "));
    interfaces.filter(|name| !is_private(name)).map(Into::into).collect()
}

/// Returns the text of all source files below a directory.
fn source_text(dir: &Path) -> String {
    files_below(dir).iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// Updates the list of tables and views with the `CREATE` and `DROP` statements of a migration.
fn apply_ddl(tables: &mut Vec<String>, sql: &str) {
    for line in sql.lines() {
        let mut words = line.split([' ', '(', ';']);
        match (words.next(), words.next(), words.next()) {
            (Some("CREATE"), Some("TABLE" | "VIEW"), Some(name)) => tables.push(name.into()),
            (Some("DROP"), Some("TABLE" | "VIEW"), Some(name)) => tables.retain(|table| table != name),
            _ => {}
        }
    }
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list
}
