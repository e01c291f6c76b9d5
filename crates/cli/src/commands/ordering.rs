//! `headwater ordering <service>`: one service as a process of its own; `headwater ordering verify`: the invariants.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Subcommand;
use headwater_ordering::{OrderingSettings, Service, Smtp, run_service, verify};
use serde_json::json;

use super::runtime;
use crate::config::{Connection, Role};
use crate::failure::{Exit, Failure, Result};
use crate::interrupt;
use crate::output::{Format, Rows};

#[derive(Subcommand)]
pub(crate) enum Action {
    /// Takes orders over HTTP and follows them to their final state
    Orders(ServiceArguments),
    /// Charges accounts, once per order
    Transactions(ServiceArguments),
    /// Writes to customers by SMTP
    Emails(ServiceArguments),
    /// Assigns drivers and delivers
    Drivers(ServiceArguments),
    /// Writes every event to the analytics database
    Analytics(ServiceArguments),
    /// Checks the databases: no order lost, none charged twice. Exit code 10 if that does not hold, or orders are not final after --wait
    Verify(VerifyArguments),
}

/// Where the databases are unless told otherwise: where `demo` has them.
const DATA_DIR: &str = "./headwater-data/ordering";

#[derive(clap::Args)]
pub(crate) struct ServiceArguments {
    /// Where its database lives
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    data_dir: PathBuf,
    /// Where the orders API listens (orders only)
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8081")]
    http: SocketAddr,
    /// SMTP server, smtp://HOST:PORT (emails only) [default: an embedded catcher]
    #[arg(long, value_name = "URL")]
    smtp: Option<String>,
    /// Put before every topic name, where a cluster is shared
    #[arg(long, default_value = "")]
    topic_prefix: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(clap::Args)]
pub(crate) struct VerifyArguments {
    /// Where the databases live
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    data_dir: PathBuf,
    /// Wait up to that long for every order to come to a final state
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// How often the databases are looked at while waiting.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

impl Action {
    /// A service logs what it does.
    pub(crate) fn is_service(&self) -> bool {
        !matches!(self, Self::Verify(_))
    }
}

pub(crate) fn run(action: &Action) -> Result<()> {
    match action {
        Action::Orders(arguments) => service(Service::Orders, arguments),
        Action::Transactions(arguments) => service(Service::Transactions, arguments),
        Action::Emails(arguments) => service(Service::Emails, arguments),
        Action::Drivers(arguments) => service(Service::Drivers, arguments),
        Action::Analytics(arguments) => service(Service::Analytics, arguments),
        Action::Verify(arguments) => check(arguments),
    }
}

fn service(service: Service, arguments: &ServiceArguments) -> Result<()> {
    let runtime = runtime::service()?;
    let interrupted = interrupt::watch(&runtime)?;
    let mut settings = OrderingSettings::new(
        arguments.connection.properties(Role::Admin)?,
        &arguments.data_dir,
    );
    settings.http = Some(arguments.http);
    settings.topic_prefix.clone_from(&arguments.topic_prefix);
    if let Some(url) = &arguments.smtp {
        settings.smtp = Smtp::Url(url.clone());
    }
    if service == Service::Orders {
        eprintln!("orders API: http://{}/orders", arguments.http);
    }
    Ok(runtime.block_on(run_service(service, settings, interrupted))?)
}

fn check(arguments: &VerifyArguments) -> Result<()> {
    if !arguments.data_dir.is_dir() {
        return Err(Failure::new(
            Exit::NotFound,
            format!("there are no databases in {}", arguments.data_dir.display()),
        )
        .next(
            "headwater ordering verify --data-dir DIR   (what the services or the demo were given)",
        ));
    }
    let report = runtime::tool()?.block_on(settled(arguments))?;
    let mut rows = Rows::new(&["invariant", "count"]);
    for (name, count) in [
        ("orders", report.orders),
        ("orders in a final state", report.final_orders),
        ("orders not yet in a final state", report.not_final),
        ("orders lost", report.lost),
        ("orders charged twice", report.charged_twice),
        ("orders charged wrongly", report.charged_wrongly),
        ("dead letters", report.dead_letters),
    ] {
        rows.push(vec![json!(name), json!(count)]);
    }
    rows.print(arguments.output)?;
    for finding in &report.findings {
        eprintln!("note: {finding}");
    }
    if report.holds() {
        if arguments.wait > 0 && report.not_final > 0 {
            let cause = format!(
                "{} order(s) came to no final state within {} s",
                report.not_final, arguments.wait
            );
            return Err(Failure::new(Exit::Unhealthy, cause)
                .next("look at the services' logs, or give them longer: --wait SECONDS"));
        }
        return Ok(());
    }
    if report.not_final > 0 {
        eprintln!(
            "note: orders are on their way; those not charged yet count as lost until the system is at rest (--wait SECONDS)"
        );
    }
    Err(
        Failure::new(Exit::Unhealthy, "an invariant does not hold").evidence(format!(
            "{} lost, {} charged twice, {} charged wrongly",
            report.lost, report.charged_twice, report.charged_wrongly
        )),
    )
}

/// The report, once every order is in a final state or the wait is over.
async fn settled(arguments: &VerifyArguments) -> anyhow::Result<verify::Report> {
    let deadline = Instant::now() + Duration::from_secs(arguments.wait);
    let databases = databases_in(&arguments.data_dir);
    loop {
        let report = verify::check(&databases).await?;
        if report.not_final == 0 || Instant::now() >= deadline {
            return Ok(report);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The databases lie in the directory the services were given, or below the one the demo was given.
fn databases_in(data_dir: &Path) -> PathBuf {
    let of_demo = data_dir.join("ordering");
    if of_demo.is_dir() {
        return of_demo;
    }
    data_dir.to_owned()
}
