//! Writes a new module and wires it in: `just new-module notes`.
//!
//! `templates/` has the new files, under the paths that they get; they speak of gadgets. `edits.rs` says what else is new,
//! and where. Everything is worked out before anything is written: what can't be done changes nothing.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to whoever called it")]

mod edits;
mod name;
mod plan;

use std::{env, fs, path::Path, process::ExitCode};

use name::Name;
use plan::{Plan, PlanError};

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
                "it takes the module's name, and what one of its things is called: just new-module notes note".into()
            );
        }
    };
    let name = Name::parse(plural, singular)?;
    // Where `just` runs its recipes. Not where this was compiled: that may have been a copy.
    let root = Path::new(".");
    let plan = Plan::of(&name, root)?;
    for (path, text) in plan.files() {
        let file = root.join(path);
        let write = || -> std::io::Result<()> {
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&file, text)
        };
        write().map_err(|source| PlanError::Io { path: path.into(), source })?;
        println!("{path}");
    }
    Ok(())
}
