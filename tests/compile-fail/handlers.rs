//! Handlers are inside of the root package, and what they are made of is nobody else's: no crate beside it can be one.
//! So the cases are put into a copy of its `src`, all at once, and the copy is checked. The product has no door for it.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use crate::rustc_output::Diagnostic;

/// Where the cases are put, in the copy.
const HANDLERS_DIR: &str = "src/http/handlers";

/// The wrong programs.
pub(crate) struct Cases {
    folder: PathBuf,
    names: Vec<String>,
}

impl Cases {
    /// Those of `handlers/`.
    pub(crate) fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("handlers");
        let files = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
        let rust = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
        let mut names: Vec<String> = rust.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        Self { folder, names }
    }

    /// Fails unless each is refused in the words of its golden file, which is written where it is absent or
    /// `TRYBUILD=overwrite`.
    pub(crate) fn check(&self) {
        let copy = WorkspaceCopy::new();
        for name in &self.names {
            copy.add(name, &self.file(name, "rs"));
        }
        let mut said = copy.errors();
        let mut failures = String::new();
        for name in &self.names {
            let Some(errors) = said.remove(name.as_str()) else {
                writeln!(failures, "{name}.rs compiles; it should be refused").unwrap();
                continue;
            };
            self.compare(name, &errors, &mut failures);
        }
        for (place, errors) in said {
            writeln!(failures, "what no case is about is refused, in {place}:\n{errors}").unwrap();
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
            let again = "if this is intended: TRYBUILD=overwrite cargo test -p compile-fail";
            writeln!(failures, "{name}.rs is refused in other words; {again}\n\nNOW\n{errors}\nBEFORE\n{expected}")
                .unwrap();
        }
    }

    fn file(&self, name: &str, extension: &str) -> PathBuf {
        self.folder.join(name).with_extension(extension)
    }
}

#[expect(clippy::disallowed_methods, reason = "trybuild's own setting, for these cases as well")]
fn should_overwrite() -> bool {
    std::env::var("TRYBUILD").is_ok_and(|value| value == "overwrite")
}

/// The root package once more, with the same modules under it.
struct WorkspaceCopy {
    folder: PathBuf,
    /// Nobody else writes to the folder meanwhile.
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

    /// Puts a file among the handlers.
    fn add(&self, name: &str, file: &Path) {
        let handlers = self.folder.join(HANDLERS_DIR);
        fs::copy(file, handlers.join(name).with_extension("rs")).unwrap();
        let list = handlers.join("mod.rs");
        let listed = fs::read_to_string(&list).unwrap();
        fs::write(list, format!("{listed}mod {name};\n")).unwrap();
    }

    /// What the compiler says, by case; by the file's path where it is none.
    fn errors(&self) -> BTreeMap<String, String> {
        let output = self.cargo().output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let diagnostics: Vec<Diagnostic> = stdout.lines().filter_map(Diagnostic::parse).collect();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!diagnostics.is_empty(), "the compiler never came to the cases:\n{stderr}");
        let mut errors: BTreeMap<String, String> = BTreeMap::new();
        for message in diagnostics {
            let case =
                message.file.strip_prefix(HANDLERS_DIR).and_then(|file| file.strip_prefix('/')?.strip_suffix(".rs"));
            let said = errors.entry(case.unwrap_or(&message.file).to_owned()).or_default();
            if !said.is_empty() {
                said.push('\n');
            }
            said.push_str(&message.text());
        }
        errors
    }

    /// As trybuild has it, in its folder and with its flags: what lies below the cases is then built once for both.
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

/// The manifest for a package elsewhere: its workspace has no other members, and its paths lead back.
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
