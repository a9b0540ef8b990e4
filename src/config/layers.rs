//! Reads the configuration layers and merges them. `settings` interprets the values.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;

use config::{File, FileFormat, Map, Source, ValueKind};

use super::error::{ConfigError, Origin};
use super::keys::{Key, keys};

/// Name of the configuration file in the working directory.
pub(super) const CONFIG_FILE: &str = "tenantry.toml";
/// Name of the developer's file in the working directory.
pub(super) const DOTENV_FILE: &str = ".env";
/// Name of the environment layer in errors.
const ENVIRONMENT: &str = "environment";
/// Name of the lowest layer. No error mentions it, because defaults are always valid.
pub(super) const DEFAULTS: &str = "default";

/// The text of a file, or the reason why it can't be read.
pub(super) type FileText = Result<String, String>;

/// Reads a file. Returns `None` if it doesn't exist.
pub(super) fn read_file(path: &Path) -> Option<FileText> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        result => Some(result.map_err(|error| format!("can't be read: {error}"))),
    }
}

/// A value and the name of the layer that it comes from.
pub(super) struct LayeredValue {
    pub(super) text: String,
    pub(super) layer: &'static str,
}

/// The merged layers, not yet validated.
pub(super) struct MergedLayers {
    /// The set values by key name.
    pub(super) values: BTreeMap<&'static str, LayeredValue>,
    /// False if a file couldn't be read; keys that seem to be missing may be set in it.
    pub(super) complete: bool,
    #[cfg_attr(not(feature = "embedded"), expect(dead_code, reason = "only the embedded database needs it"))]
    pub(super) standard_variables: StandardVariables,
    pub(super) errors: Vec<ConfigError>,
}

/// Standard environment variables that the embedded database uses. They aren't configuration keys. Empty values count
/// as unset.
#[derive(Default)]
pub(super) struct StandardVariables(BTreeMap<&'static str, OsString>);

impl StandardVariables {
    pub(super) const NAMES: [&str; 7] =
        ["PATH", "HOME", "XDG_CACHE_HOME", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"];
}

#[cfg(feature = "embedded")]
impl StandardVariables {
    /// Returns the value of a variable.
    pub(super) fn get(&self, name: &str) -> Option<OsString> {
        self.0.get(name).cloned()
    }
}

/// Reads and merges the layers, in ascending order of precedence: defaults, `file`, `dotenv`, `environment`.
pub(super) fn read_layers(
    file: Option<FileText>,
    dotenv: Option<FileText>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> MergedLayers {
    let mut reader = LayerReader { errors: Vec::new(), complete: true };
    let defaults: Layer = keys().filter_map(|key| Some((key.name, key.default?.to_owned()))).collect();
    let file = reader.text(CONFIG_FILE, file).map(|text| reader.file(&text)).unwrap_or_default();
    let (environment, standard_variables) = reader.environment(environment);

    // An unreadable file may set APP_ENV=production, in which case .env must be ignored.
    let app_env = environment.get("APP_ENV").or(file.get("APP_ENV"));
    let development = app_env.map_or(reader.complete, |text| text == "development");
    let dotenv = reader.text(DOTENV_FILE, dotenv.filter(|_| development));
    let dotenv = dotenv.map(|text| reader.dotenv(&text)).unwrap_or_default();
    if !environment.contains_key("APP_ENV") && dotenv.get("APP_ENV").is_some_and(|text| text != "development") {
        let message = "can't be set here, because this file is read only in development; \
                       set it in the environment or in tenantry.toml";
        reader.add_error("APP_ENV", DOTENV_FILE, message);
    }

    let layers = [(DEFAULTS, defaults), (CONFIG_FILE, file), (DOTENV_FILE, dotenv), (ENVIRONMENT, environment)];
    let values = layers
        .into_iter()
        .flat_map(|(layer, texts)| texts.into_iter().map(move |(name, text)| (name, LayeredValue { text, layer })));
    MergedLayers {
        // Of values with the same name, the last one is kept.
        values: values.collect(),
        complete: reader.complete,
        standard_variables,
        errors: reader.errors,
    }
}

/// Values by key name, without blank values: those count as unset.
type Layer = BTreeMap<&'static str, String>;

fn set(layer: &mut Layer, key: &Key, text: &str) {
    let text = text.trim();
    if !text.is_empty() {
        layer.insert(key.name, text.to_owned());
    }
}

/// Reads layers and collects errors.
struct LayerReader {
    errors: Vec<ConfigError>,
    complete: bool,
}

impl LayerReader {
    fn add_error(&mut self, key: &str, layer: &'static str, message: impl Into<String>) {
        self.errors.push(ConfigError::new(key, Origin::Layer(layer), message));
    }

    /// Adds an error about a whole file and marks the layers incomplete.
    fn add_file_error(&mut self, name: &str, origin: Origin, message: impl Into<String>) {
        self.complete = false;
        self.errors.push(ConfigError::new(name, origin, message));
    }

    /// Returns the text of a file. Returns `None` if it doesn't exist, or can't be read, which adds an error.
    fn text(&mut self, name: &str, text: Option<FileText>) -> Option<String> {
        text?.map_err(|message| self.add_file_error(name, Origin::File, message)).ok()
    }

    /// Reads the layer of `tenantry.toml`.
    fn file(&mut self, text: &str) -> Layer {
        let mut layer = Layer::new();
        let values = File::from_str(text, FileFormat::Toml).collect().unwrap_or_else(|error| {
            let (origin, message) = toml_error(&error);
            self.add_file_error(CONFIG_FILE, origin, message);
            Map::new()
        });
        // Sorted, so that the order of errors is deterministic.
        for (name, value) in values.into_iter().collect::<BTreeMap<_, _>>() {
            let Some(key) = keys().find(|key| key.file_name() == name) else {
                self.add_error(&name.escape_debug().to_string(), CONFIG_FILE, unknown_key(&name));
                continue;
            };
            // As a string, 8080.0 would be 8080.
            let is_float = matches!(value.kind, ValueKind::Float(_));
            match value.into_string() {
                _ if is_float => self.add_error(key.name, CONFIG_FILE, "can't have a decimal point or an exponent"),
                Ok(text) => set(&mut layer, key, &text),
                Err(_) => {
                    let message = "must be a single value; write a list as a comma-separated string";
                    self.add_error(key.name, CONFIG_FILE, message);
                }
            }
        }
        layer
    }

    /// Reads the layer of `.env`. Ignores keys of other tools.
    fn dotenv(&mut self, text: &str) -> Layer {
        let mut layer = Layer::new();
        // dotenvy treats trailing blanks as an unfinished line unless a line break follows.
        let text = format!("{}\n", text.trim_start_matches('\u{feff}'));
        let lines = Cell::new(0);
        for item in dotenvy::from_read_iter(LineReader { rest: text.as_bytes(), lines: &lines }) {
            match item {
                Ok((name, value)) => {
                    let Some(key) = keys().find(|key| key.name == name) else { continue };
                    if layer.contains_key(key.name) {
                        self.add_error(key.name, DOTENV_FILE, "is set twice; remove one of them");
                    }
                    set(&mut layer, key, &value);
                }
                // dotenvy's own message contains the line, which may hold a secret, and no line number.
                Err(dotenvy::Error::LineParse(line, _)) => {
                    let first = (lines.get() + 1).saturating_sub(line.lines().count().max(1));
                    let message = "isn't of the form KEY=value; quote values that contain blanks or quotes, \
                                   and close every quote";
                    self.add_file_error(DOTENV_FILE, Origin::Line(first), message);
                }
                Err(_) => self.add_file_error(DOTENV_FILE, Origin::Line(lines.get()), "can't be read"),
            }
        }
        layer
    }

    /// Reads the layer of the environment, and the standard variables in it.
    fn environment(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> (Layer, StandardVariables) {
        let (mut layer, mut standard_variables) = (Layer::new(), StandardVariables::default());
        for (name, value) in variables {
            if let Some(known) = StandardVariables::NAMES.iter().find(|known| name == **known) {
                if !value.is_empty() {
                    standard_variables.0.insert(known, value);
                }
            } else if name == "PGOPTIONS" && !value.is_empty() {
                self.add_error("PGOPTIONS", ENVIRONMENT, "must be unset, because sqlx applies it to every connection");
            } else if let Some(key) = keys().find(|key| name == key.name) {
                match value.to_str() {
                    Some(text) => set(&mut layer, key, text),
                    None => self.add_error(key.name, ENVIRONMENT, "must be UTF-8"),
                }
            }
        }
        (layer, standard_variables)
    }
}

/// Returns one line per read, so that `lines` is the number of lines that a buffered reader has consumed.
struct LineReader<'a> {
    rest: &'a [u8],
    lines: &'a Cell<usize>,
}

impl Read for LineReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.rest.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default().read(buffer)?;
        self.lines.set(self.lines.get() + usize::from(self.rest[..length].ends_with(b"\n")));
        self.rest = &self.rest[length..];
        Ok(length)
    }
}

/// Extracts location and message of a TOML error. Drops the excerpt of the file, which may contain a secret.
fn toml_error(error: &config::ConfigError) -> (Origin, String) {
    let text = match error {
        config::ConfigError::FileParse { cause, .. } => cause.to_string(),
        other => other.to_string(),
    };
    let line = text.strip_prefix("TOML parse error at line ").and_then(|rest| rest.split(',').next()?.parse().ok());
    let message = text.trim_end().lines().last().unwrap_or_default();
    (line.map_or(Origin::File, Origin::Line), format!("isn't valid TOML: {message}"))
}

fn unknown_key(name: &str) -> String {
    match Key::nearest(name) {
        Some(key) => format!("unknown key; did you mean {}?", key.file_name()),
        None => "unknown key; .env.example lists all keys; write them in lower case here, and not in tables".to_owned(),
    }
}
