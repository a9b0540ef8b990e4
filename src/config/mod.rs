//! Configuration, read and validated once at startup.
//!
//! Four layers, each overriding the previous: the defaults in [`SECTIONS`], `tenantry.toml`, `.env` (only in development),
//! the environment. A blank value counts as unset. [`AppConfig::load`] reports all errors at once, and the program
//! doesn't start if there are any.
//!
//! Invariants: nothing else in the program reads the environment. Nothing writes to it either; `.env` is only a layer.
//! No value appears in an error, and no secret in `Debug` output.

use std::ffi::OsString;
use std::path::Path;

mod client_env;
mod error;
mod keys;
mod layers;
mod settings;
#[cfg(test)]
mod tests;
mod validator;

pub use client_env::client_env;
pub use error::{ConfigError, ConfigErrors, Origin};
pub use keys::{Key, SECTIONS, keys};
pub use settings::{AppConfig, AppEnv, AuthConfig, ConfigScope, ForwardedHeader, HttpConfig, LogConfig, LogFormat};

pub(crate) use validator::whole_number;

use layers::{CONFIG_FILE, DOTENV_FILE, read_file, read_layers};

impl AppConfig {
    /// Loads the configuration from the working directory and the environment.
    ///
    /// # Errors
    /// All errors of all layers.
    pub fn load(scope: ConfigScope) -> Result<Self, ConfigErrors> {
        #[expect(clippy::disallowed_methods, reason = "src/config is the only place that reads the environment")]
        let environment = std::env::vars_os();
        Self::from_directory(Path::new(""), environment, scope)
    }

    fn from_directory(
        directory: &Path,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        scope: ConfigScope,
    ) -> Result<Self, ConfigErrors> {
        let [file, dotenv] = [CONFIG_FILE, DOTENV_FILE].map(|name| read_file(&directory.join(name)));
        Self::from_layers(read_layers(file, dotenv, environment), scope)
    }
}
