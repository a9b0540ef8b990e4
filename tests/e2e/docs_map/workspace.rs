//! What the map is drawn from: manifests, canvases, contracts, migrations.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use kernel::contracts::PermissionInfo;
use serde_json::Value;

/// The workspace's folder.
pub(super) fn workspace_root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// The parts of the workspace that are drawn.
pub(super) struct Workspace {
    /// By name.
    pub(super) packages: Vec<Package>,
    /// Those of the business modules, by name.
    pub(super) doc_tables: Vec<ModuleDocTable>,
    /// The kernel's contracts: the text of each file.
    pub(super) contracts: BTreeMap<String, String>,
    /// What each module's migrations make, tables and views, by name.
    pub(super) tables: BTreeMap<String, Vec<String>>,
}

/// A crate of the workspace.
pub(super) struct Package {
    pub(super) name: String,
    pub(super) about: String,
    /// The crates of the workspace that it depends on, each with whether a feature can leave it out.
    pub(super) needs: Vec<(String, bool)>,
}

/// The table that heads a `module.rs`, and what the `module!` below it needs.
pub(super) struct ModuleDocTable {
    pub(super) module: String,
    /// As written: provides, needs, owns.
    pub(super) cells: [String; 3],
    pub(super) provides: Vec<String>,
    pub(super) needs: Vec<String>,
    /// Other modules' views that its statements may join.
    pub(super) views: Vec<String>,
    pub(super) owns: Vec<String>,
    /// What `module!` takes from outside.
    injected: Vec<String>,
}

impl Workspace {
    pub(super) fn read() -> Self {
        let mut doc_tables = Vec::new();
        for module in sorted_entries(&workspace_root().join("modules")) {
            // The kernel and the embedded server are no business modules, and have none.
            if let Ok(text) = fs::read_to_string(module.join("src/module.rs")) {
                doc_tables.push(ModuleDocTable::read(module.file_name().unwrap().to_str().unwrap(), &text));
            }
        }
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let contracts = sorted_entries(&workspace_root().join("modules/kernel/src/contracts"));
        let contracts = contracts.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect();
        let mut tables = BTreeMap::new();
        for path in sorted_entries(&workspace_root().join("migrations")).iter().filter(|path| name(path).ends_with(".up.sql")) {
            let owner = name(path).split(['_', '.']).nth(1).unwrap().to_owned();
            apply_ddl(tables.entry(owner).or_default(), &fs::read_to_string(path).unwrap());
        }
        Self { packages: Package::parse_metadata(&cargo_metadata()), doc_tables, contracts, tables }
    }

    /// The module beside whose contract the permission is declared.
    pub(super) fn declaring_module(&self, permission: &PermissionInfo) -> Option<&ModuleDocTable> {
        let declaration = format!(" = \"{}\", \"{}\";", permission.resource, permission.verb);
        let contract = self.contracts.values().find(|text| text.contains(&declaration))?;
        let offers = |name: &String| contract.contains(&format!("pub trait {name}: "));
        self.doc_tables.iter().find(|doc_table| doc_table.provides.iter().any(offers))
    }

    /// Where a canvas says something else than the code.
    pub(super) fn mismatches(&self, doc_table: &ModuleDocTable) -> Vec<String> {
        let interface = interface_name(&doc_table.module);
        let offered: Vec<String> = self.contracts.values().flat_map(|text| interface_components(text, &interface)).collect();
        let tables = self.tables.get(&doc_table.module).cloned().unwrap_or_default();
        let compared = [
            ("provides", &doc_table.provides, interface.as_str(), offered),
            ("needs", &doc_table.needs, "`module!`", doc_table.injected.clone()),
            ("owns", &doc_table.owns, "its migrations", tables),
        ];
        let mut wrong = Vec::new();
        for (verb, said, who, is) in compared {
            let (said, is) = (sorted(said.clone()).join(", "), sorted(is).join(", "));
            if said != is {
                wrong.push(format!(
                    "modules/{}/src/module.rs: the canvas says that it {verb} {said}, and {who} that it {verb} {is}: \
                     make them the same",
                    doc_table.module
                ));
            }
        }
        wrong
    }
}

impl Package {
    /// From what `cargo metadata` says.
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
        let row = row.unwrap_or_else(|| panic!("modules/{module}/src/module.rs begins with no table of three columns"));
        let cells: Vec<String> = row.trim_end_matches(" |").split(" | ").map(Into::into).collect();
        let cells: [String; 3] = cells.try_into().expect("provides, needs, owns");
        let (views, needs) = items(&cells[1]).into_iter().partition::<Vec<_>, _>(|item| item.starts_with("the view"));
        let (_, assembled) = text.split_once("module! {").expect("a `module!`");
        let mut injected = Vec::new();
        for source in assembled.split("use ").skip(1) {
            let (_, list) = source.split_once("components = [").expect("components");
            let (list, _) = list.split_once(']').expect("an end of the list");
            injected.extend(list.split(',').map(|name| name.trim().trim_start_matches("dyn ").to_owned()));
        }
        Self {
            module: module.into(),
            provides: quoted_names(&items(&cells[0])),
            needs: quoted_names(&needs),
            views: quoted_names(&views),
            owns: quoted_names(&items(&cells[2])),
            cells,
            injected,
        }
    }
}

/// A cell's parts, without what is said of them in parentheses.
fn items(cell: &str) -> Vec<String> {
    let (mut bare, mut depth) = (String::new(), 0);
    for c in cell.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 => bare.push(c),
            _ => {}
        }
    }
    bare.split(',').map(|item| item.trim().to_owned()).collect()
}

/// What stands between the backticks.
fn quoted_names(items: &[String]) -> Vec<String> {
    items.iter().filter_map(|item| item.split('`').nth(1)).map(Into::into).collect()
}

/// `BillingModule` of `billing`.
fn interface_name(module: &str) -> String {
    let capitalised = |word: &str| word[..1].to_uppercase() + &word[1..];
    module.split(['-', '_']).map(capitalised).collect::<String>() + "Module"
}

/// What the interface collects, if this text declares it.
fn interface_components(text: &str, interface: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once(&format!("pub trait {interface}:")) else { return Vec::new() };
    let bounds = rest.split('{').next().unwrap_or_default();
    bounds.split("HasComponent<dyn ").skip(1).filter_map(|rest| rest.split('>').next()).map(Into::into).collect()
}

/// Notes which tables and views there are after these statements.
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

/// What is in the folder, by name.
fn sorted_entries(dir: &Path) -> Vec<PathBuf> {
    sorted(fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect())
}

fn cargo_metadata() -> String {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"])
        .current_dir(workspace_root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
