//! Logs on stderr, with `tracing`. librdkafka's own lines arrive here too, at debug.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal};
use std::sync::{Arc, OnceLock};

use headwater_broker::LogControl;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;

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
        LogFormat::Text => {
            let builder = builder.with_filter_reloading();
            keep(builder.reload_handle());
            builder.init();
        }
        LogFormat::Json => {
            let builder = builder.json().with_filter_reloading();
            keep(builder.reload_handle());
            builder.init();
        }
    }
}

static CONTROL: OnceLock<Arc<dyn LogControl>> = OnceLock::new();

/// What lets clients of the event store change its log levels, once logging has begun.
pub(crate) fn control() -> Option<Arc<dyn LogControl>> {
    CONTROL.get().cloned()
}

/// Logging begins once, so that a second handle is never offered.
fn keep<S: 'static>(handle: Handle<EnvFilter, S>) {
    let _ = CONTROL.set(Arc::new(Reloading(handle)));
}

/// Replaces the filter of the running process.
struct Reloading<S>(Handle<EnvFilter, S>);

impl<S> fmt::Debug for Reloading<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reloading")
    }
}

impl<S: 'static> LogControl for Reloading<S> {
    fn set(&self, directives: &str) -> Result<(), String> {
        let filter = EnvFilter::try_new(directives).map_err(|error| error.to_string())?;
        self.0.reload(filter).map_err(|error| error.to_string())
    }
}
