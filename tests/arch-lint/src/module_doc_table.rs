//! The doc table at the top of each `modules/*/src/module.rs`: the database tables that the module owns, and the views
//! that it needs.

use crate::sources::{Source, code_spans, fake_source, folders, read, root};

/// The doc table of a module.
#[derive(Debug)]
pub(crate) struct ModuleDocTable {
    pub(crate) module: String,
    /// The file, and the line of the doc table's row in it.
    pub(crate) location: (String, usize),
    /// Database tables and views that the module owns.
    pub(crate) owns: Vec<String>,
    /// The views among them, which other modules may read.
    pub(crate) public_views: Vec<String>,
    /// Views of other modules.
    pub(crate) needs: Vec<String>,
}

impl ModuleDocTable {
    /// Reads the doc table in a `module.rs`, if it has one.
    pub(crate) fn of(source: &Source) -> Option<Self> {
        let heading = "//! | provides | needs | owns |";
        let at = source.text.lines().position(|line| line == heading)?;
        let row = source.text.lines().nth(at + 2)?;
        let cells: Vec<&str> = row.strip_prefix("//! |")?.split('|').collect();
        let &[_, needs, owns, ..] = cells.as_slice() else { return None };
        Some(Self {
            module: source.path.split('/').nth(1)?.to_owned(),
            location: (source.path.clone(), at + 3),
            owns: code_spans(owns).map(str::to_owned).collect(),
            public_views: views(owns),
            needs: views(needs),
        })
    }

    /// Reads the doc tables of all modules in the workspace.
    pub(crate) fn all() -> Vec<Self> {
        let paths = folders("modules/*/src").into_iter().map(|folder| format!("{folder}/module.rs"));
        let sources = paths.filter(|path| root().join(path).is_file()).map(|path| read(&path));
        let table = |source: Source| {
            let help = "no doc table; add one at the top, as in the other modules";
            Self::of(&source).unwrap_or_else(|| panic!("{}:1: {help}", source.path))
        };
        sources.map(table).collect()
    }
}

/// Returns the names after "the view" in a cell.
fn views(cell: &str) -> Vec<String> {
    let names = cell.split("the view `").skip(1);
    names.filter_map(|rest| rest.split('`').next()).map(str::to_owned).collect()
}

/// Creates the doc table of a sample module.
pub(crate) fn fake_doc_table(module: &str, needs: &str, owns: &str) -> ModuleDocTable {
    let text = format!("//! | provides | needs | owns |\n//! | --- | --- | --- |\n//! | `X` | {needs} | {owns} |\n");
    ModuleDocTable::of(&fake_source(&format!("modules/{module}/src/module.rs"), &text)).unwrap()
}

#[test]
fn module_doc_table_lists_tables_and_views() {
    let doc_table = fake_doc_table(
        "user",
        "`Database` (why, and when), the view `tenant_names`",
        "`users`, the view `user_profiles`",
    );
    assert_eq!((doc_table.module.as_str(), doc_table.location.1), ("user", 3));
    assert_eq!(doc_table.owns, ["users", "user_profiles"]);
    assert_eq!(
        (doc_table.public_views, doc_table.needs),
        (vec!["user_profiles".to_owned()], vec!["tenant_names".to_owned()])
    );
    assert!(ModuleDocTable::of(&fake_source("modules/user/src/module.rs", "//! Nothing.")).is_none());
}
