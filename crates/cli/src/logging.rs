//! Logs on stderr, with `tracing`. librdkafka's own lines arrive here too, at debug.

use std::env;
use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::arguments::{LogFormat, LoggingArguments};

/// Starts logging: services at `info`, tools at `warn`, unless told otherwise.
pub(crate) fn start(arguments: &LoggingArguments, is_service: bool) {
    let fallback = if is_service {
        "info,sqlx=warn,rdkafka=warn"
    } else {
        "warn"
    };
    let filter = EnvFilter::new(arguments.log.as_deref().unwrap_or(fallback));
    let colour =
        io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let builder = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_env_filter(filter)
        .with_ansi(colour);
    match arguments.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}
