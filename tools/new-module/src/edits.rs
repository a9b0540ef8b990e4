//! The lines that are inserted into existing files. If a place is missing, nothing is written, and the error message
//! refers to this file.

/// The place of an insertion.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// Above the first line that starts with this text.
    Above(&'static str),
    /// In alphabetical order in the list below this line.
    Sorted(&'static str),
    /// At the end of the block that this line begins.
    EndOf(&'static str),
}

use Place::{Above, EndOf, Sorted};

/// An insertion: the file, the place and the new lines.
pub(crate) type Edit = (&'static str, Place, &'static str);

/// All insertions, for the name `gadgets`. rustfmt sorts `use` and `mod` lines afterwards.
pub(crate) const EDITS: &[Edit] = &[
    (
        "Cargo.toml",
        Sorted("[workspace.dependencies]"),
        "gadgets = { path = \"modules/gadgets\" }\ngadgets-api = { path = \"modules/gadgets/api\" }",
    ),
    ("Cargo.toml", Sorted("[dependencies]"), "gadgets.workspace = true\ngadgets-api.workspace = true"),
    ("seeds/Cargo.toml", Sorted("[dependencies]"), "gadgets.workspace = true"),
    // The list of modules, and the handlers.
    (
        "src/services.rs",
        EndOf("services! {"),
        "    gadgets: gadgets::GadgetsModule {
        build: gadgets::GadgetsModule::builder(db.clone()),
        request: [],
        handlers: [dyn gadgets_api::Gadgets],
        permissions: [gadgets_api::GadgetManage, gadgets_api::GadgetRead],
        audit_events: gadgets_api::AUDIT_EVENTS,
    }",
    ),
    ("src/http/handlers/mod.rs", Above("mod "), "mod gadgets;"),
    ("src/http/handlers/mod.rs", Above("    health::register("), "    gadgets::register(&mut routes);"),
    // The demo data, and the tests.
    (
        "seeds/src/lib.rs",
        Above("    let created = ["),
        "    module_report.extend(lines(\"gadgets\", gadgets::seed::seed(&mut tx, acme, globex).await?));",
    ),
    ("tests/e2e/main.rs", Above("mod "), "mod gadgets;"),
];

/// Inserts lines. Returns `None` if the place is missing.
pub(crate) fn insert(text: &str, place: Place, new: &str) -> Option<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    let position = |from: usize, is_match: &dyn Fn(&str) -> bool| {
        lines.iter().skip(from).position(|line| is_match(line)).map(|at| from + at)
    };
    let below = |heading: &str| position(0, &|line| line == heading).map(|at| at + 1);
    let at = match place {
        Above(start) => position(0, &|line| line.starts_with(start)),
        Sorted(heading) => position(below(heading)?, &|line| line.is_empty() || line.starts_with('}') || line > new),
        EndOf(heading) => position(below(heading)?, &|line| line.starts_with('}')),
    };
    lines.insert(at?, new);
    Some(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_inserted_in_place() {
        let list = "use {\n    A,\n    # comment\n    C,\n}\nend\n\n";
        let with = |place, new| insert(list, place, new).unwrap();
        assert_eq!(with(Sorted("use {"), "    B,"), "use {\n    A,\n    # comment\n    B,\n    C,\n}\nend\n\n");
        assert_eq!(with(Sorted("use {"), "    D,"), "use {\n    A,\n    # comment\n    C,\n    D,\n}\nend\n\n");
        assert_eq!(with(Sorted("end"), "x"), "use {\n    A,\n    # comment\n    C,\n}\nend\nx\n\n");
        assert_eq!(with(EndOf("use {"), "    B,"), "use {\n    A,\n    # comment\n    C,\n    B,\n}\nend\n\n");
        assert_eq!(with(Above("en"), "x\ny"), "use {\n    A,\n    # comment\n    C,\n}\nx\ny\nend\n\n");
    }

    #[test]
    fn missing_place_is_reported() {
        for place in [Above("x"), Sorted("x"), Sorted("a"), EndOf("x"), EndOf("a")] {
            assert_eq!(insert("a\n", place, "b"), None, "{place:?}");
        }
    }
}
