//! Plans all changes before any file is written.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    edits::{EDITS, insert},
    name::Name,
};

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
        "{path} has no place {place}: update tools/new-module/src/edits.rs, or add the module by hand as in \
         docs/adding-a-module.md"
    )]
    PlaceNotFound { path: String, place: String },
}

/// Returns the new contents of files, by path relative to the workspace root. Fails if the name is already used, or a
/// place for an insertion is missing.
pub(crate) fn plan(name: &Name, root: &Path) -> Result<BTreeMap<String, String>, PlanError> {
    let folder = format!("modules/{}", name.plural());
    if root.join(&folder).exists() {
        return Err(PlanError::AlreadyExists(folder));
    }
    let templates = files_below(&root.join("tools/new-module/templates"))?;
    let migrations = files_below(&root.join("migrations"))?;
    check_name_is_free(name, &templates, &migrations, root)?;
    let number = migrations.keys().filter_map(|file| file.split('_').next()?.parse().ok()).max().unwrap_or(0) + 1;
    let mut files = BTreeMap::new();
    for (path, text) in &templates {
        let path = name.fill(path, number);
        if root.join(&path).exists() {
            return Err(PlanError::AlreadyExists(path));
        }
        files.insert(path, name.fill(text, number));
    }
    for (path, place, new) in EDITS {
        let before = files.remove(*path).map_or_else(|| read(&root.join(path)), Ok)?;
        let after = insert(&before, *place, &name.fill(new, number))
            .ok_or_else(|| PlanError::PlaceNotFound { path: (*path).into(), place: format!("{place:?}") })?;
        files.insert((*path).into(), after);
    }
    Ok(files)
}

fn read(path: &Path) -> Result<String, PlanError> {
    fs::read_to_string(path).map_err(|source| PlanError::Io { path: path.into(), source })
}

/// Returns the texts of all files below a folder, by path relative to it.
fn files_below(folder: &Path) -> Result<BTreeMap<String, String>, PlanError> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(path) = folders.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
            let entries = entries.map_err(|source| PlanError::Io { path, source })?;
            folders.extend(entries.into_iter().map(|entry| entry.path()));
        } else {
            let relative = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
            files.insert(relative, read(&path)?);
        }
    }
    Ok(files)
}

/// Rejects a name that is used in the templates, in a file that is edited, or as a database object.
fn check_name_is_free(
    name: &Name,
    templates: &BTreeMap<String, String>,
    migrations: &BTreeMap<String, String>,
    root: &Path,
) -> Result<(), PlanError> {
    let lock = read(&root.join("Cargo.lock"))?;
    if lock.lines().any(|line| line == format!("name = \"{}\"", name.plural())) {
        return Err(PlanError::CrateExists(name.plural().into()));
    }
    for (_, text) in templates.iter().filter(|(path, _)| path.ends_with(".rs")) {
        check_unused_in("the templates", text, |word| name.is_item_name(word))?;
    }
    for (path, ..) in EDITS.iter().filter(|(path, ..)| path.ends_with(".rs")) {
        check_unused_in(path, &read(&root.join(path))?, |word| name.is_public_item_name(word))?;
    }
    for (file, text) in migrations {
        let created: Vec<&str> = text.lines().filter(|line| line.starts_with("CREATE ")).collect();
        check_unused_in(&format!("migrations/{file}"), &created.join("\n"), |word| name.is_public_item_name(word))?;
    }
    Ok(())
}

/// Rejects a name that occurs as a word in the text, outside of comments.
fn check_unused_in(path: &str, text: &str, is_taken: impl Fn(&str) -> bool) -> Result<(), PlanError> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut words = code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'));
    match words.find(|word| is_taken(word)) {
        Some(word) => Err(PlanError::NameInUse { word: word.into(), path: path.into() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plans a module in the workspace. Tests run in the folder of their package.
    fn plan_of(plural: &str) -> Result<BTreeMap<String, String>, PlanError> {
        plan(&Name::parse(plural, None).unwrap(), Path::new("../.."))
    }

    /// `.ci/check-new-module` checks that the result compiles and passes all tests.
    #[test]
    fn plan_applies_to_current_tree() {
        // A name that no module will have.
        let files = plan_of("testsofnewmodules").unwrap();
        for (path, text) in &files {
            let text = text.to_lowercase();
            assert!(text.contains("testsofnewmodule") && !text.contains("gadget"), "{path}: {text}");
            assert!(!["@number@", "@acme@", "@globex@"].iter().any(|word| text.contains(word)), "{path}");
        }
        assert!(files.contains_key("modules/testsofnewmodules/src/module.rs"));
    }

    #[test]
    fn existing_name_is_rejected() {
        for plural in ["users", "options", "roles", "pages", "names"] {
            let outcome = plan_of(plural);
            assert!(matches!(outcome, Err(PlanError::NameInUse { .. } | PlanError::AlreadyExists(_))), "{plural}");
        }
        assert!(matches!(plan_of("bytes"), Err(PlanError::CrateExists(name)) if name == "bytes"));
    }
}
