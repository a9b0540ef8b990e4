//! Generates a new module and wires it in: `just new-module notes`.
//!
//! `templates/` contains the new files under their target paths, for a module named `gadgets`. `edits.rs` lists the
//! insertions into existing files. All changes are planned before any file is written, so an error in planning changes
//! nothing.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool prints to the terminal")]

mod edits;
mod name;
mod plan;

use std::{env, fs, path::Path, process::ExitCode};

use name::Name;
use plan::{PlanError, plan};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| !argument.is_empty()).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("new-module: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let (plural, singular) = match arguments {
        [plural] => (plural, None),
        [plural, singular] => (plural, Some(singular.as_str())),
        _ => {
            return Err(
                "expected the plural name of the module and optionally its singular: just new-module notes note".into(),
            );
        }
    };
    let name = Name::parse(plural, singular)?;
    // The working directory of `just` recipes. Not the manifest directory: the tool may be compiled elsewhere.
    let root = Path::new(".");
    for (path, text) in plan(&name, root)? {
        let file = root.join(&path);
        let write = || -> std::io::Result<()> {
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&file, &text)
        };
        write().map_err(|source| PlanError::Io { path: file.clone(), source })?;
        println!("{path}");
    }
    Ok(())
}
