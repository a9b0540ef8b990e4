//! Plans all changes before any file is written.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    edits::{Anchor, EDITS},
    name::Name,
};

/// The new contents of files, by path relative to the workspace root.
#[derive(Debug)]
pub(crate) struct Plan(BTreeMap<String, String>);

/// Why the changes can't be planned or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{0} already exists: choose another name")]
    AlreadyExists(String),
    #[error("a dependency is named `{0}`, and crate names must be unique: choose another name")]
    CrateExists(String),
    #[error("`{word}` is already used in {path}: choose another name")]
    NameInUse { word: String, path: String },
    #[error(
        "{path} has no {anchor}: update the anchor in tools/new-module/src/edits.rs, or add the module by hand as in \
         docs/adding-a-module.md"
    )]
    AnchorNotFound { path: String, anchor: String },
}

impl Plan {
    /// Plans the changes. Fails if an anchor is missing in the workspace, or the name is already used.
    pub(crate) fn of(name: &Name, root: &Path) -> Result<Self, PlanError> {
        let templates = templates(root)?;
        let migration = next_migration(root)?;
        let mut files = BTreeMap::new();
        for (path, text) in &templates {
            let path = name.fill(path, migration);
            if root.join(&path).exists() {
                return Err(PlanError::AlreadyExists(path));
            }
            files.insert(path, name.fill(text, migration));
        }
        let folder = format!("modules/{}", name.plural());
        if root.join(&folder).exists() {
            return Err(PlanError::AlreadyExists(folder));
        }
        check_name_is_free(name, &templates, root)?;
        for (path, anchor, new) in EDITS {
            let before = match files.remove(*path) {
                Some(text) => text,
                None => read(&root.join(path))?,
            };
            let after = insert_at(&before, *anchor, &name.fill(new, migration))
                .ok_or_else(|| PlanError::AnchorNotFound { path: (*path).into(), anchor: format!("{anchor:?}") })?;
            files.insert((*path).into(), after);
        }
        Ok(Self(files))
    }

    /// Returns the files to write: path and text.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }
}

fn read(path: &Path) -> Result<String, PlanError> {
    fs::read_to_string(path).map_err(|source| PlanError::Io { path: path.into(), source })
}

/// Returns all files below a folder.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>, PlanError> {
    let failed = |source| PlanError::Io { path: folder.into(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() { files.extend(files_below(&path)?) } else { files.push(path) }
    }
    files.sort();
    Ok(files)
}

/// Returns the templates: path and text.
fn templates(root: &Path) -> Result<Vec<(String, String)>, PlanError> {
    let folder = root.join("tools/new-module/templates");
    let named = |file: PathBuf| {
        let path = file.strip_prefix(&folder).unwrap_or(&file).to_string_lossy().into_owned();
        Ok((path, read(&file)?))
    };
    files_below(&folder)?.into_iter().map(named).collect()
}

fn next_migration(root: &Path) -> Result<u32, PlanError> {
    let numbers = files_below(&root.join("migrations"))?;
    let number = |path: &PathBuf| path.file_name()?.to_str()?.split('_').next()?.parse::<u32>().ok();
    Ok(numbers.iter().filter_map(number).max().unwrap_or(0) + 1)
}

/// Rejects a name that is used in the templates, in a file that is edited, or as a database object.
fn check_name_is_free(name: &Name, templates: &[(String, String)], root: &Path) -> Result<(), PlanError> {
    let lock = read(&root.join("Cargo.lock"))?;
    if lock.lines().any(|line| line == format!("name = \"{}\"", name.plural())) {
        return Err(PlanError::CrateExists(name.plural().into()));
    }
    for (_, text) in templates.iter().filter(|(path, _)| path.ends_with(".rs")) {
        check_unused_in("the templates", text, |word| name.is_item_name(word))?;
    }
    for path in EDITS.iter().map(|(path, ..)| *path).filter(|path| path.ends_with(".rs")) {
        check_unused_in(path, &read(&root.join(path))?, |word| name.is_public_item_name(word))?;
    }
    for file in files_below(&root.join("migrations"))? {
        let text = read(&file)?;
        let created: Vec<&str> = text.lines().filter(|line| line.starts_with("CREATE ")).collect();
        check_unused_in(
            file.strip_prefix(root).unwrap_or(&file).to_string_lossy().as_ref(),
            &created.join("\n"),
            |word| name.is_public_item_name(word),
        )?;
    }
    Ok(())
}

/// Rejects a name that occurs as a word in the text.
fn check_unused_in(path: &str, text: &str, is_taken: impl Fn(&str) -> bool) -> Result<(), PlanError> {
    let mut words = non_comment_lines(text).flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'));
    match words.find(|word| is_taken(word)) {
        Some(word) => Err(PlanError::NameInUse { word: word.into(), path: path.into() }),
        None => Ok(()),
    }
}

/// Returns the lines that aren't comments.
fn non_comment_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Inserts `new` at an anchor. Returns `None` if the anchor is missing.
fn insert_at(text: &str, anchor: Anchor, new: &str) -> Option<String> {
    let at = match anchor {
        Anchor::After(prefix) => text.find(prefix)? + prefix.len(),
        Anchor::Before(prefix, word) => {
            let from = text.find(prefix)? + prefix.len();
            from + text[from..].find(word)?
        }
        Anchor::LineAbove(beginning) => line_start(text, |line| line.starts_with(beginning))?,
        Anchor::SortedList(first) => {
            let list = line_start(text, |line| line.trim_end_matches('\n') == first)?;
            sorted_position(text, list, new)
        }
    };
    let line_end = if matches!(anchor, Anchor::LineAbove(_) | Anchor::SortedList(_)) { "\n" } else { "" };
    Some(format!("{}{new}{line_end}{}", &text[..at], &text[at..]))
}

/// Returns the offset of the first line that matches.
fn line_start(text: &str, matches: impl Fn(&str) -> bool) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if matches(line) {
            return Some(at);
        }
        at += line.len();
    }
    None
}

/// Returns the offset at which to insert a line into the sorted list below the line at offset `list`. The line goes
/// above the first one that sorts after it, or at the end of the list, which is a blank line or a bracket.
fn sorted_position(text: &str, list: usize, new: &str) -> usize {
    let key = |line: &str| line.replace("dyn ", "").trim_matches([' ', '+', ',', '\n']).to_lowercase();
    let mut lines = text[list..].split_inclusive('\n');
    let mut at = list + lines.next().map_or(0, str::len);
    for line in lines {
        let word = line.trim();
        let is_end = word.is_empty() || word.starts_with([']', '}', '{', '[']);
        if is_end || (!word.starts_with('#') && key(line) > key(new)) {
            break;
        }
        at += line.len();
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tests run in the folder of their package.
    fn root() -> PathBuf {
        PathBuf::from("../..")
    }

    fn plan(plural: &str) -> Result<Plan, PlanError> {
        Plan::of(&Name::parse(plural, None).unwrap(), &root())
    }

    /// `.ci/check-new-module` checks that the result compiles and passes all tests.
    #[test]
    fn plan_applies_to_current_tree() {
        // A name that no module will have.
        let Plan(files) = plan("testsofnewmodules").unwrap();
        for (path, text) in &files {
            let text = text.to_lowercase();
            assert!(text.contains("testsofnewmodule") && !text.contains("gadget"), "{path}: {text}");
            assert!(
                !["@g@", "@pad@", "@number@", "@acme@", "@globex@"].iter().any(|word| text.contains(word)),
                "{path}"
            );
        }
        assert!(files.keys().any(|path| path == "modules/testsofnewmodules/src/module.rs"));
    }

    #[test]
    fn existing_name_is_rejected() {
        for plural in ["users", "options", "roles", "pages", "names"] {
            assert!(
                matches!(plan(plural), Err(PlanError::NameInUse { .. } | PlanError::AlreadyExists(_))),
                "{plural}: {:?}",
                plan(plural)
            );
        }
        assert!(matches!(plan("bytes"), Err(PlanError::CrateExists(name)) if name == "bytes"));
    }

    #[test]
    fn insertion_is_alphabetical() {
        let list = "use {\n    A,\n    # comment\n    C,\n}\nend\n";
        let with = |new: &str| insert_at(list, Anchor::SortedList("use {"), new).unwrap();
        assert_eq!(with("    dyn B,"), "use {\n    A,\n    # comment\n    dyn B,\n    C,\n}\nend\n");
        assert_eq!(with("    D,"), "use {\n    A,\n    # comment\n    C,\n    D,\n}\nend\n");
        assert_eq!(insert_at("a(b, c)", Anchor::Before("a(", "c"), "x, "), Some("a(b, x, c)".into()));
        assert_eq!(insert_at("a(b)", Anchor::After("a("), "x, "), Some("a(x, b)".into()));
        assert_eq!(insert_at("a\nb\n", Anchor::LineAbove("b"), "x"), Some("a\nx\nb\n".into()));
    }

    #[test]
    fn missing_anchor_is_reported() {
        let gone = [
            Anchor::LineAbove("x"),
            Anchor::After("x"),
            Anchor::SortedList("x"),
            Anchor::Before("a", "x"),
            Anchor::Before("x", "a"),
        ];
        assert!(gone.iter().all(|anchor| insert_at("a\n", *anchor, "b").is_none()));
    }
}
