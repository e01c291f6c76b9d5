//! Unmodified Rust clients against a Kafka: prints a line per check, then the counts.
#![expect(clippy::print_stdout, reason = "what it prints is its result")]

mod rdkafka_checks;
mod rskafka_checks;
mod suite;

use std::process::ExitCode;

use suite::Suite;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(bootstrap) = arguments.next() else {
        eprintln!(
            "usage: headwater-compat HOST:PORT,... [TEXT: only checks whose description contains it]"
        );
        return ExitCode::from(2);
    };
    let mut suite = Suite::new(bootstrap, arguments.next().unwrap_or_default());
    rdkafka_checks::run(&mut suite).await;
    rskafka_checks::run(&mut suite).await;
    suite.finish()
}
