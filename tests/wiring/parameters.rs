//! shaku has one hole at run time: a component's field that is neither injected nor has a default is a parameter, and
//! building a module where it wasn't set panics. So there is none, and building can't panic, whatever is configured.

use std::{
    fs,
    path::{Path, PathBuf},
};

#[test]
fn no_component_has_a_parameter_that_could_be_forgotten() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (mut seen, mut wrong) = (0, Vec::new());
    for file in sources(&root) {
        let source = fs::read_to_string(&file).unwrap();
        seen += components(&source).len();
        let place = file.strip_prefix(&root).unwrap().display();
        wrong.extend(forgettable(&source).iter().map(|(line, field)| format!("{place}:{line}: {field}")));
    }
    assert!(seen >= 20, "of the components only {seen} were found");
    assert!(
        wrong.is_empty(),
        "building the module panics unless somebody sets these fields of components: inject them \
         (`#[shaku(inject)] name: Arc<dyn X>`), and take values in as `use Given<X>`, see modules/kernel/src/di.rs\n{}",
        wrong.join("\n")
    );
}

/// The program's own files.
fn sources(root: &Path) -> Vec<PathBuf> {
    let mut folders = vec![root.join("src")];
    folders.extend(fs::read_dir(root.join("modules")).unwrap().map(|module| module.unwrap().path().join("src")));
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// The structs that shaku builds: each as its numbered lines, from the derive to its end.
fn components(source: &str) -> Vec<Vec<(usize, &str)>> {
    let lines: Vec<(usize, &str)> =
        source.lines().map(str::trim).zip(1..).map(|(line, number)| (number, line)).collect();
    let derived = |line: &str| {
        let derives = line.strip_prefix("#[derive(").and_then(|rest| rest.strip_suffix(")]"));
        derives.is_some_and(|names| names.split(',').any(|name| ["Component", "Provider"].contains(&name.trim())))
    };
    let begins = lines.iter().enumerate().filter(|(_, (_, line))| derived(line)).map(|(at, _)| at);
    begins
        .map(|at| lines[at..].iter().copied().take_while(|(_, line)| *line != "}" && !line.ends_with(';')).collect())
        .collect()
}

/// The fields that are parameters, with their lines.
fn forgettable(source: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for component in components(source) {
        let fields = component.iter().skip_while(|(_, line)| !line.ends_with('{')).skip(1);
        let mut given = false;
        for (number, line) in fields {
            if line.starts_with("#[shaku(") {
                given =
                    ["#[shaku(inject", "#[shaku(provide", "#[shaku(default"].iter().any(|way| line.starts_with(way));
            } else if !line.starts_with("//") && !line.starts_with("#[") && line.contains(": ") {
                if !given {
                    found.push((*number, *line));
                }
                given = false;
            }
        }
    }
    found
}

#[test]
fn a_field_that_is_neither_injected_nor_defaulted_is_found() {
    let source = "
#[derive(Component)]
#[shaku(interface = Invoices)]
pub(crate) struct PgInvoices {
    #[shaku(inject)]
    clock: Arc<dyn Clock>,
    /// Where they are sent from: once more.
    sender: String,
    #[shaku(default)]
    sent: OnceCell<()>,
    pub(crate) limit: u16,
}

#[derive(Debug, Component)]
#[shaku(interface = Reminders)]
struct NoReminders;

struct Unrelated {
    name: String,
}
";
    assert_eq!(components(source).len(), 2);
    assert_eq!(forgettable(source), [(8, "sender: String,"), (11, "pub(crate) limit: u16,")]);
}
