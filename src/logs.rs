//! Logging to standard error: human-readable in a terminal, JSON otherwise. Standard output is reserved for the output
//! of commands.

use std::{
    error::Error,
    fmt,
    io::{self, IsTerminal},
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{LogConfig, LogFormat};

/// The log filter can't be parsed.
#[derive(Debug, thiserror::Error)]
#[error("LOG_LEVEL is invalid: {0}")]
pub struct InvalidFilter(#[from] tracing_subscriber::filter::ParseError);

/// Installs the global subscriber.
///
/// # Errors
/// [`InvalidFilter`] if the filter can't be parsed.
pub fn init(config: &LogConfig) -> Result<(), InvalidFilter> {
    let json = match config.format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !io::stderr().is_terminal(),
    };
    // Fails if a subscriber is installed already, as in tests; the first one is kept.
    let _ = subscriber(&config.filter, json, io::stderr)?.try_init();
    Ok(())
}

/// Creates a subscriber that writes to `writer`. Each JSON line contains the fields of its request's span.
///
/// # Errors
/// [`InvalidFilter`] if the filter can't be parsed.
pub fn subscriber<W>(
    filter: &str,
    json: bool,
    writer: W,
) -> Result<impl tracing::Subscriber + Send + Sync + 'static, InvalidFilter>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // actix logs the start of every worker at info level. A filter that names `actix_server` overrides this.
    let filter = EnvFilter::try_new(format!("actix_server=warn,{filter}"))?;
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let layer: Box<dyn tracing_subscriber::Layer<_> + Send + Sync> = match json {
        true => Box::new(layer.json().flatten_event(true).with_span_list(false)),
        false => Box::new(layer.with_ansi(io::stderr().is_terminal())),
    };
    Ok(tracing_subscriber::registry().with(filter).with(layer))
}

/// Displays an error and all its sources on one line.
pub(crate) struct ErrorChain<'a>(pub(crate) &'a (dyn Error + 'a));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
