//! `headwater topics delete`.

use clap::Args;
use rdkafka::admin::AdminOptions;

use crate::client;
use crate::commands::runtime;
use crate::config::Connection;
use crate::failure::{Failure, Result};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Names of the topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (admin, context) = client::admin(&arguments.connection)?;
    let names: Vec<&str> = arguments.topics.iter().map(String::as_str).collect();
    let options = AdminOptions::new()
        .request_timeout(Some(arguments.connection.timeout))
        .operation_timeout(Some(arguments.connection.timeout));
    let results = runtime::tool()?
        .block_on(admin.delete_topics(&names, &options))
        .map_err(|error| context.failure("cannot delete topics", &error))?;
    let mut failed = None;
    for result in results {
        match result {
            Ok(name) => eprintln!("deleted topic {name}"),
            Err((name, code)) => {
                failed = Some(Failure::code(format!("cannot delete topic {name}"), code));
            }
        }
    }
    failed.map_or(Ok(()), Err)
}
