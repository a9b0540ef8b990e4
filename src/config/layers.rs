//! Reads the configuration layers and merges them. `validate` interprets the values.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;
#[cfg(feature = "embedded")]
use std::path::PathBuf;

use config::{Config, File, FileFormat, Map, Source, Value};

use super::error::{ConfigError, Origin};
use super::keys::{KEYS, Key};

/// Name of the environment layer in errors.
const ENVIRONMENT: &str = "environment";
/// Name of the lowest layer. No error mentions it, because defaults are always valid.
const DEFAULTS: &str = "default";

/// A configuration file.
pub(super) struct SourceFile {
    pub(super) name: String,
    /// The content, or the reason why it can't be read.
    pub(super) text: Result<String, String>,
}

impl SourceFile {
    /// Reads a file. Returns `None` if it doesn't exist.
    pub(super) fn read(directory: &Path, name: &str) -> Option<Self> {
        let text = match std::fs::read_to_string(directory.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            other => other.map_err(|error| format!("can't be read: {error}")),
        };
        Some(Self { name: name.to_owned(), text })
    }
}

/// A value and the layer that it comes from.
pub(super) struct LayeredValue {
    pub(super) text: String,
    pub(super) layer: String,
}

impl LayeredValue {
    /// Returns whether a layer above the defaults set the value.
    pub(super) fn is_explicit(&self) -> bool {
        self.layer != DEFAULTS
    }
}

/// The merged layers, not yet validated.
pub(super) struct MergedLayers {
    /// The set values by key name.
    pub(super) values: BTreeMap<String, LayeredValue>,
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

    /// Returns the value of the first of these variables that is set.
    #[cfg_attr(not(feature = "embedded"), expect(dead_code, reason = "only the embedded database needs it"))]
    pub(super) fn first_set(&self, names: &[&str]) -> Option<&OsString> {
        names.iter().find_map(|name| self.0.get(*name))
    }

    /// Returns this program's directory in the user's cache directory, if there is one.
    #[cfg(feature = "embedded")]
    pub(super) fn cache_dir(&self) -> Option<PathBuf> {
        let absolute = |name: &str| self.first_set(&[name]).map(PathBuf::from).filter(|dir| dir.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
        base.map(|base| base.join("tenantry/postgres"))
    }

    #[cfg(feature = "embedded")]
    pub(super) fn proxy(&self) -> Option<kernel::db::Proxy> {
        let text = |names: &[&str]| self.first_set(names).and_then(|value| value.to_str()).map(str::to_owned);
        let url = text(&["https_proxy", "HTTPS_PROXY"])?;
        Some(kernel::db::Proxy { url, no_proxy: text(&["no_proxy", "NO_PROXY"]).unwrap_or_default() })
    }
}

/// Reads and merges the layers, in ascending order of precedence: defaults, `file`, `dotenv`, `environment`.
pub(super) fn read_layers(
    file: Option<SourceFile>,
    dotenv: Option<SourceFile>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> MergedLayers {
    let mut reader = LayerReader { errors: Vec::new(), complete: true };
    let mut defaults = Layer::new(DEFAULTS);
    for key in KEYS {
        defaults.set(key, key.default.unwrap_or_default());
    }
    let file = file.map(|source_file| reader.file(source_file)).unwrap_or_default();
    let (environment, standard_variables) = reader.environment(environment);

    // An unreadable file may set APP_ENV=production, in which case .env must be ignored.
    let app_env = environment.get("APP_ENV").or(file.get("APP_ENV"));
    let development = match app_env {
        Some(text) => text == "development",
        None => reader.complete,
    };
    let dotenv = dotenv.filter(|_| development).map(|source_file| reader.dotenv(source_file)).unwrap_or_default();
    if environment.get("APP_ENV").is_none() && dotenv.get("APP_ENV").is_some_and(|text| text != "development") {
        let message = "can't be set here, because this file is read only in development; \
                       set it in the environment or in tenantry.toml";
        reader.add_error("APP_ENV", Origin::Layer(dotenv.name.clone()), message);
    }

    MergedLayers {
        values: merge([defaults, file, dotenv, environment]),
        complete: reader.complete,
        standard_variables,
        errors: reader.errors,
    }
}

#[expect(clippy::expect_used, reason = "the layers are flat maps of strings with known names, which always merge")]
fn merge(layers: [Layer; 4]) -> BTreeMap<String, LayeredValue> {
    let builder = layers.into_iter().fold(Config::builder(), |builder, layer| builder.add_source(layer));
    let values = builder.build().and_then(|config| config.collect()).expect("layers of strings merge");
    let layered_value = |value: Value| {
        let layer = value.origin().unwrap_or(DEFAULTS).to_owned();
        LayeredValue { text: value.into_string().expect("every value is a string"), layer }
    };
    values.into_iter().map(|(name, value)| (name, layered_value(value))).collect()
}

/// Values by key name. Blank values are omitted, so they count as unset.
#[derive(Clone, Default)]
struct Layer {
    name: String,
    values: BTreeMap<&'static str, String>,
}

impl Layer {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), values: BTreeMap::new() }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    fn set(&mut self, key: &Key, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            self.values.insert(key.name, text.to_owned());
        }
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        let value = |text: &String| Value::new(Some(&self.name), text.as_str());
        Ok(self.values.iter().map(|(name, text)| ((*name).to_owned(), value(text))).collect())
    }
}

/// Required by `Source`. Omits the values, because some are secret.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Reads layers and collects errors.
struct LayerReader {
    errors: Vec<ConfigError>,
    complete: bool,
}

impl LayerReader {
    fn add_error(&mut self, key: &str, origin: Origin, message: impl Into<String>) {
        self.errors.push(ConfigError { key: key.to_owned(), origin, message: message.into() });
    }

    /// Adds an error about a whole file and marks the layers incomplete.
    fn add_file_error(&mut self, name: &str, origin: Origin, message: impl Into<String>) {
        self.complete = false;
        self.add_error(name, origin, message);
    }

    /// Reads the layer of `tenantry.toml`.
    fn file(&mut self, source_file: SourceFile) -> Layer {
        let mut layer = Layer::new(&source_file.name);
        let text = match source_file.text {
            Ok(text) => text,
            Err(message) => {
                self.add_file_error(&source_file.name, Origin::File, message);
                return layer;
            }
        };
        let values = match File::from_str(&text, FileFormat::Toml).collect() {
            Ok(values) => values,
            Err(error) => {
                let (origin, message) = toml_error(&error);
                self.add_file_error(&source_file.name, origin, message);
                return layer;
            }
        };
        // Sorted, so that the order of errors is deterministic.
        for (name, value) in values.into_iter().collect::<BTreeMap<_, _>>() {
            let origin = Origin::Layer(source_file.name.clone());
            match (KEYS.iter().find(|key| key.file_name() == name), value.into_string()) {
                (Some(key), Ok(text)) => layer.set(key, &text),
                (Some(key), Err(_)) => {
                    self.add_error(
                        key.name,
                        origin,
                        "must be a single value; write a list as a comma-separated string",
                    );
                }
                (None, _) => {
                    self.add_error(&name.escape_debug().to_string(), origin, unknown_key(&name));
                }
            }
        }
        layer
    }

    /// Reads the layer of `.env`. Ignores keys of other tools.
    fn dotenv(&mut self, source_file: SourceFile) -> Layer {
        let mut layer = Layer::new(&source_file.name);
        let text = match source_file.text {
            // dotenvy treats trailing blanks as an unfinished line unless a line break follows.
            Ok(text) => format!("{}\n", text.trim_start_matches('\u{feff}')),
            Err(message) => {
                self.add_file_error(&source_file.name, Origin::File, message);
                return layer;
            }
        };
        let lines = Cell::new(0);
        for item in dotenvy::from_read_iter(LineReader { rest: text.as_bytes(), lines: &lines }) {
            match item {
                Ok((name, value)) => {
                    let Some(key) = KEYS.iter().find(|key| key.name == name) else { continue };
                    if layer.values.contains_key(key.name) {
                        self.add_error(
                            key.name,
                            Origin::Layer(source_file.name.clone()),
                            "is set twice; remove one of them",
                        );
                    }
                    layer.set(key, &value);
                }
                // dotenvy's own message contains the line, which may hold a secret, and no line number.
                Err(dotenvy::Error::LineParse(line, _)) => {
                    let first = (lines.get() + 1).saturating_sub(line.lines().count().max(1));
                    let message = "isn't of the form KEY=value; quote values that contain blanks or quotes, \
                                   and close every quote";
                    self.add_file_error(&source_file.name, Origin::Line(first), message);
                }
                Err(_) => self.add_file_error(&source_file.name, Origin::Line(lines.get()), "can't be read"),
            }
        }
        layer
    }

    /// Reads the layer of the environment, and the standard variables in it.
    fn environment(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> (Layer, StandardVariables) {
        let mut layer = Layer::new(ENVIRONMENT);
        let mut standard_variables = StandardVariables::default();
        for (name, value) in variables {
            if let Some(known) = StandardVariables::NAMES.iter().find(|known| name == **known) {
                if !value.is_empty() {
                    standard_variables.0.insert(known, value);
                }
            } else if name == "PGOPTIONS" && !value.is_empty() {
                let message = "must be unset, because sqlx applies it to every connection";
                self.add_error("PGOPTIONS", Origin::Layer(ENVIRONMENT.to_owned()), message);
            } else if let Some(key) = KEYS.iter().find(|key| name == key.name) {
                match value.to_str() {
                    Some(text) => layer.set(key, text),
                    None => self.add_error(key.name, Origin::Layer(ENVIRONMENT.to_owned()), "must be UTF-8"),
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
        let line = self.rest.iter().position(|&byte| byte == b'\n').map_or(self.rest.len(), |end| end + 1);
        let length = line.min(buffer.len());
        let (head, tail) = self.rest.split_at(length);
        buffer[..length].copy_from_slice(head);
        self.rest = tail;
        if head.ends_with(b"\n") {
            self.lines.set(self.lines.get() + 1);
        }
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
