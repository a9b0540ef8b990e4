//! Compile-fail tests for handlers. Handlers use items that are private to the root package, so no other crate can
//! contain one. The cases are therefore added to a copy of its `src`, which is checked once. The root package
//! itself contains nothing for these tests.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use crate::rustc_output::Diagnostic;

/// The folder of the copy that the cases are added to.
const HANDLERS_DIR: &str = "src/http/handlers";

/// The compile-fail cases.
pub(crate) struct Cases {
    folder: PathBuf,
    names: Vec<String>,
}

impl Cases {
    /// Reads the names of the cases in `handlers/`.
    pub(crate) fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("handlers");
        let files = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
        let rust = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
        let mut names: Vec<String> = rust.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        Self { folder, names }
    }

    /// Fails unless the errors of each case match its golden file. With `TRYBUILD=overwrite`, writes the golden files
    /// instead.
    pub(crate) fn check(&self) {
        let copy = WorkspaceCopy::new();
        for name in &self.names {
            copy.add(name, &self.file(name, "rs"));
        }
        let mut errors_by_case = copy.errors();
        let mut failures = String::new();
        for name in &self.names {
            let Some(errors) = errors_by_case.remove(name.as_str()) else {
                writeln!(failures, "{name}.rs compiles, but must not").unwrap();
                continue;
            };
            self.compare(name, &errors, &mut failures);
        }
        for (file, errors) in errors_by_case {
            writeln!(failures, "unexpected errors in {file}:\n{errors}").unwrap();
        }
        assert!(failures.is_empty(), "\n{failures}");
    }

    fn compare(&self, name: &str, errors: &str, failures: &mut String) {
        let golden = self.file(name, "stderr");
        if should_overwrite() {
            return fs::write(golden, errors).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if errors != expected {
            let help = "if this is intended, run TRYBUILD=overwrite cargo test -p compile-fail";
            writeln!(
                failures,
                "the errors of {name}.rs have changed; {help}\n\nACTUAL\n{errors}\nEXPECTED\n{expected}"
            )
            .unwrap();
        }
    }

    fn file(&self, name: &str, extension: &str) -> PathBuf {
        self.folder.join(name).with_extension(extension)
    }
}

#[expect(clippy::disallowed_methods, reason = "the setting of trybuild also applies to these cases")]
fn should_overwrite() -> bool {
    std::env::var("TRYBUILD").is_ok_and(|value| value == "overwrite")
}

/// A copy of the root package that uses the original modules.
struct WorkspaceCopy {
    folder: PathBuf,
    /// Prevents concurrent writes to the folder.
    _lock: File,
}

impl WorkspaceCopy {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile-fail");
        fs::create_dir_all(&folder).unwrap();
        let lock = File::create(folder.join(".lock")).unwrap();
        lock.lock().unwrap();
        if folder.join("src").exists() {
            fs::remove_dir_all(folder.join("src")).unwrap();
        }
        copy_dir(&root.join("src"), &folder.join("src"));
        fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
        fs::write(folder.join("Cargo.toml"), relocated_manifest(&manifest, &root)).unwrap();
        Self { folder, _lock: lock }
    }

    /// Adds a file to the handlers.
    fn add(&self, name: &str, file: &Path) {
        let handlers = self.folder.join(HANDLERS_DIR);
        fs::copy(file, handlers.join(name).with_extension("rs")).unwrap();
        let mod_file = handlers.join("mod.rs");
        let text = fs::read_to_string(&mod_file).unwrap();
        fs::write(mod_file, format!("{text}mod {name};\n")).unwrap();
    }

    /// Returns the compiler's errors by case, or by path if the file isn't a case.
    fn errors(&self) -> BTreeMap<String, String> {
        let output = self.cargo().output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let diagnostics: Vec<Diagnostic> = stdout.lines().filter_map(Diagnostic::parse).collect();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!diagnostics.is_empty(), "the compiler reported no diagnostics:\n{stderr}");
        let mut errors: BTreeMap<String, String> = BTreeMap::new();
        for diagnostic in diagnostics {
            let case =
                diagnostic.file.strip_prefix(HANDLERS_DIR).and_then(|file| file.strip_prefix('/')?.strip_suffix(".rs"));
            let text = errors.entry(case.unwrap_or(&diagnostic.file).to_owned()).or_default();
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&diagnostic.normalized());
        }
        errors
    }

    /// Uses the target directory and the flags of trybuild, so that both share the built dependencies.
    fn cargo(&self) -> Command {
        const FLAGS: &str = r#"["--cfg","trybuild","--verbose","-A","dead_code","--diagnostic-width=140"]"#;
        let rustc = Command::new("rustc").arg("-vV").output().unwrap();
        let rustc = String::from_utf8(rustc.stdout).unwrap();
        let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let mut cargo = Command::new("cargo");
        cargo
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tests/trybuild"))
            .env_remove("RUSTFLAGS")
            .env("CARGO_INCREMENTAL", "0")
            .args(["check", "--lib", "--no-default-features", "--offline", "--quiet", "--color=never"])
            .args(["--message-format=json", "--target", host])
            .arg(format!("--config=build.rustflags={FLAGS}"))
            .arg(format!("--config=target.{host}.rustflags={FLAGS}"));
        cargo
    }
}

/// Adapts the root manifest for a copy: the workspace has no members, and paths point to the original modules.
fn relocated_manifest(manifest: &str, root: &Path) -> String {
    let lines = manifest.lines().map(|line| match line {
        line if line.starts_with("members = ") => "members = []\n".to_owned(),
        line => line.replace("path = \"", &format!("path = \"{}/", root.display())) + "\n",
    });
    lines.collect()
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
