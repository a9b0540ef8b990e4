//! Logs: pretty in a terminal, JSON elsewhere, to standard error; standard output is for people's answers.

use std::{
    error::Error,
    fmt,
    io::{self, IsTerminal},
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{LogConfig, LogFormat};

/// The filter isn't one. It says what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("LOG_LEVEL can't be read: {0}")]
pub struct InvalidFilter(#[from] tracing_subscriber::filter::ParseError);

/// Sets the program's logs up, once.
///
/// # Errors
/// The filter can't be read.
pub fn init(config: &LogConfig) -> Result<(), InvalidFilter> {
    let json = match config.format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !io::stderr().is_terminal(),
    };
    // A second call, as in tests, changes nothing.
    let _ = subscriber(&config.filter, json, io::stderr)?.try_init();
    Ok(())
}

/// What writes logs, to anywhere. Each line of JSON carries its request's span.
///
/// # Errors
/// The filter can't be read.
pub fn subscriber<W>(
    filter: &str,
    json: bool,
    writer: W,
) -> Result<impl tracing::Subscriber + Send + Sync + 'static, InvalidFilter>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // The web server's own news of its workers is for those who ask for it.
    let filter = EnvFilter::try_new(format!("actix_server=warn,{filter}"))?;
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let layer: Box<dyn tracing_subscriber::Layer<_> + Send + Sync> = match json {
        true => Box::new(layer.json().flatten_event(true).with_span_list(false)),
        false => Box::new(layer.with_ansi(io::stderr().is_terminal())),
    };
    Ok(tracing_subscriber::registry().with(filter).with(layer))
}

/// An error with all that is behind it, on one line.
pub(crate) struct Causes<'a>(pub(crate) &'a (dyn Error + 'a));

impl fmt::Display for Causes<'_> {
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
