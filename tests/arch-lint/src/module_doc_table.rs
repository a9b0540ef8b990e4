//! What a module says of itself at the head of its `module.rs`: the tables that it owns, and the views that it needs.

use crate::sources::{Source, fake_source, names, read, root};

/// A module's canvas.
#[derive(Debug)]
pub(crate) struct ModuleDocTable {
    pub(crate) module: String,
    /// The file, and the line of the canvas in it.
    pub(crate) place: (String, usize),
    /// Tables and views that are this module's.
    pub(crate) owns: Vec<String>,
    /// Those of them that are views, and so what others may read.
    pub(crate) public_views: Vec<String>,
    /// Other modules' views.
    pub(crate) needs: Vec<String>,
}

impl ModuleDocTable {
    /// Reads a `module.rs`. `None`: it has no canvas.
    pub(crate) fn of(source: &Source) -> Option<Self> {
        let heading = "//! | provides | needs | owns |";
        let at = source.text.lines().position(|line| line == heading)?;
        let row = source.text.lines().nth(at + 2)?;
        let cells: Vec<&str> = row.strip_prefix("//! |")?.split('|').collect();
        let &[_, needs, owns, ..] = cells.as_slice() else { return None };
        Some(Self {
            module: source.path.split('/').nth(1)?.to_owned(),
            place: (source.path.clone(), at + 3),
            owns: owns.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
            public_views: views(owns),
            needs: views(needs),
        })
    }

    /// Those of the workspace's modules.
    pub(crate) fn all() -> Vec<Self> {
        let paths = names("modules").into_iter().map(|name| format!("modules/{name}/src/module.rs"));
        let there = paths.filter(|path| root().join(path).is_file());
        there
            .map(|path| {
                Self::of(&read(&path)).unwrap_or_else(|| panic!("{path}:1: it has no canvas; head it with one"))
            })
            .collect()
    }
}

/// What a cell calls a view.
fn views(cell: &str) -> Vec<String> {
    let named = cell.split("the view `").skip(1);
    named.filter_map(|rest| rest.split('`').next()).map(str::to_owned).collect()
}

/// The canvas of a made-up module.
pub(crate) fn fake_doc_table(module: &str, needs: &str, owns: &str) -> ModuleDocTable {
    let text = format!("//! | provides | needs | owns |\n//! | --- | --- | --- |\n//! | `X` | {needs} | {owns} |\n");
    ModuleDocTable::of(&fake_source(&format!("modules/{module}/src/module.rs"), &text)).unwrap()
}

#[test]
fn module_doc_table_lists_tables_and_views() {
    let doc_table = fake_doc_table(
        "user",
        "`Database` (why, and when), the view `tenants_shown`",
        "`users`, the view `user_profiles`",
    );
    assert_eq!((doc_table.module.as_str(), doc_table.place.1), ("user", 3));
    assert_eq!(doc_table.owns, ["users", "user_profiles"]);
    assert_eq!(
        (doc_table.public_views, doc_table.needs),
        (vec!["user_profiles".to_owned()], vec!["tenants_shown".to_owned()])
    );
    assert!(ModuleDocTable::of(&fake_source("modules/user/src/module.rs", "//! Nothing.")).is_none());
}
