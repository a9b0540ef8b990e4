//! `docs/reference/` and `.env.example` are generated from the code. `just update-docs` writes the files; the tests fail when one is stale.

mod modules;
mod workspace;

use std::{fmt::Write, fs};

use tenantry::{
    cli,
    config::{SECTIONS, keys},
    http::{PROBLEM_TYPES, routes},
    services::{AUDIT_EVENTS, PERMISSIONS},
};

use crate::source_files::{is_update, root};

/// Compares a generated document with the committed file.
fn assert_current(file: &str, generated: &str) {
    let path = root().join(file);
    if is_update() {
        fs::write(&path, generated).unwrap();
    }
    if let Some(message) = first_difference(file, &fs::read_to_string(path).unwrap_or_default(), generated) {
        panic!("{message}");
    }
}

/// Describes the first line that differs, if any.
fn first_difference(file: &str, committed: &str, generated: &str) -> Option<String> {
    if committed == generated {
        return None;
    }
    let same = committed.lines().zip(generated.lines()).take_while(|(one, other)| one == other).count();
    Some(format!("{file}:{} is stale: run `just update-docs` and commit the file", same + 1))
}

#[test]
fn stale_document_reports_line() {
    assert_eq!(first_difference("a.md", "a\nb\n", "a\nb\n"), None);
    for (committed, line) in [("a\nx\n", 2), ("a\n", 2), ("a\nb\nc\n", 3), ("", 1)] {
        let expected = format!("a.md:{line} is stale: run `just update-docs` and commit the file");
        assert_eq!(first_difference("a.md", committed, "a\nb\n"), Some(expected));
    }
}

fn header(title: &str, intro: &str) -> String {
    format!("# {title}\n\nGenerated from the code by `just update-docs`. {intro}\n")
}

/// A cell of a table: `|` would end it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[test]
fn configuration_reference_is_current() {
    let intro = "Each layer overrides the one before it: defaults, `tenantry.toml` (keys in lower case), `.env` (in \
                 development only), the environment. All errors are reported at once, and the program doesn't start \
                 until they are fixed.";
    let mut page = header("Configuration", intro) + "\n| key | default | description |\n| --- | --- | --- |\n";
    for key in keys() {
        let default = key.default.map(|value| format!("`{value}`")).unwrap_or_default();
        writeln!(page, "| `{}` | {default} | {} |", key.name, cell(key.help)).unwrap();
    }
    assert_current("docs/reference/configuration.md", &page.replace("|  |", "| |"));
}

#[test]
fn env_example_is_current() {
    let mut page = "\
# Generated from the code by `just update-docs`. Each configuration key has its default, or an example if it has none.
# On a developer's machine, copy this file to .env and uncomment the keys to change. A server takes the same keys from
# its environment or, in lower case, from tenantry.toml. The environment overrides .env, and .env overrides
# tenantry.toml. An empty value counts as unset.
#
# Put values that contain blanks, quotes or $ in single quotes: outside of them, $NAME is substituted.
"
    .to_owned();
    for (title, keys) in SECTIONS {
        writeln!(page, "\n# --- {title} ---").unwrap();
        for key in *keys {
            // Commented out, so that a copy of the file changes nothing.
            writeln!(page, "\n# {}\n#{}={}", key.help, key.name, key.default.unwrap_or(key.example)).unwrap();
        }
    }
    assert_current(".env.example", &page);
}

#[test]
fn cli_reference_is_current() {
    let intro = "In a clone, run `cargo run --` instead of `tenantry`. The program uses `data/`, `.env` and \
                 `tenantry.toml` of the working directory. `tenantry` without a command serves the API.";
    let mut page = header("Command line", intro);
    let mut command = cli::command();
    command.build();
    describe_command(&mut page, "tenantry", &command);
    assert_current("docs/reference/cli.md", &page);
}

/// Describes a command and its subcommands.
fn describe_command(page: &mut String, path: &str, command: &clap::Command) {
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        let path = format!("{path} {}", subcommand.get_name());
        if subcommand.has_subcommands() {
            describe_command(page, &path, subcommand);
            continue;
        }
        let about = subcommand.get_about().expect("every command has a description").to_string();
        writeln!(page, "\n## `{path}`\n\n{}.", about.trim_end_matches('.')).unwrap();
        let long_about = subcommand.get_long_about().map(ToString::to_string).unwrap_or_default();
        let details = long_about.strip_prefix(&about).unwrap_or(&long_about).trim();
        if !details.is_empty() {
            writeln!(page, "\n{details}").unwrap();
        }
        let arguments: Vec<_> = subcommand.get_arguments().filter(|argument| argument.get_id() != "help").collect();
        if !arguments.is_empty() {
            page.push_str("\n| argument | description |\n| --- | --- |\n");
        }
        for argument in arguments {
            let mut help = argument.get_help().expect("every argument has a description").to_string();
            let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
            if argument.is_required_set() {
                help += " (required)";
            } else if !defaults.is_empty() && argument.get_action().takes_values() {
                write!(help, " (default: {})", defaults.join(", ")).unwrap();
            }
            writeln!(page, "| `{argument}` | {} |", cell(&help)).unwrap();
        }
    }
}

#[test]
fn permissions_reference_is_current() {
    let intro = "A policy names a permission as `resource:verb`. The role `admin` of a new tenant has all of them.";
    let mut page = header("Permissions", intro) + "\n| permission | description | routes |\n| --- | --- | --- |\n";
    for permission in PERMISSIONS {
        let routes: Vec<String> = routes()
            .iter()
            .filter(|route| route.permission.is_some_and(|required| required.name == permission.name))
            .map(|route| format!("`{} {}`", route.method, route.path))
            .collect();
        writeln!(page, "| `{}` | {} | {} |", permission.name, cell(permission.about), routes.join(", ")).unwrap();
    }
    assert_current("docs/reference/permissions.md", &page);
}

#[test]
fn audit_events_reference_is_current() {
    let intro = "The types of audit events. The target is the object that the event is about. `GET /v1/audit-events` \
                 lists those of a tenant; events of accounts belong to no tenant. Events that are `denied` or `failed` also have \
                 the field `count`: how often they occurred since the previous record.";
    let mut page = header("Audit events", intro);
    page.push_str(
        "\n| type | version | description | result | target | fields |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for event in AUDIT_EVENTS.iter().copied().flatten() {
        let fields: Vec<String> = event.fields.iter().map(|field| format!("`{field}`")).collect();
        let (name, version, about) = (event.name, event.version, cell(event.about));
        let (result, target) = (event.result.name(), event.target);
        writeln!(page, "| `{name}` | {version} | {about} | {result} | `{target}` | {} |", fields.join(", ")).unwrap();
    }
    assert_current("docs/reference/audit-events.md", &page.replace("|  |", "| |"));
}

#[test]
fn errors_reference_is_current() {
    let intro = "Every error response is an RFC 9457 problem (`application/problem+json`). Its `type` is \
                 `urn:tenantry:problem:` and the name below; it is stable. `title` and `detail` may change. `errors` lists \
                 invalid fields by JSON pointer (RFC 6901).";
    let mut page = header("Errors", intro) + "\n| status | name | title | description |\n| --- | --- | --- | --- |\n";
    for problem in PROBLEM_TYPES {
        let status = problem.status.as_u16();
        writeln!(page, "| {status} | `{}` | {} | {} |", problem.name, problem.title, cell(problem.about)).unwrap();
    }
    assert_current("docs/reference/errors.md", &page);
}
