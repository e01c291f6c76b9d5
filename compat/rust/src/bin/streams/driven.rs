//! headwater-streams without a Kafka: its test driver, over the same records.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Result, anyhow};
use headwater_streams::Headers;
use headwater_streams::test_driver::TestDriver;

use crate::compare::Read;
use crate::input::{Fed, PARTITIONS};
use crate::topologies::{Topics, topology};

/// What a topology writes to each topic, its own ones by their whole names.
pub(crate) type Written = Vec<(String, Vec<Read>)>;

/// Runs a topology over the phases of its inputs.
pub(crate) fn run(
    name: &str,
    application: &str,
    guarantee: &str,
    topics: &Topics,
    phases: &[Vec<Fed>],
) -> Result<Written> {
    // It fails as a test wants it to.
    catch_unwind(AssertUnwindSafe(|| {
        drive(name, application, guarantee, topics, phases)
    }))
    .unwrap_or_else(|_| Err(anyhow!("the test driver panicked")))
}

fn drive(
    name: &str,
    application: &str,
    guarantee: &str,
    topics: &Topics,
    phases: &[Vec<Fed>],
) -> Result<Written> {
    let build =
        topology(name).ok_or_else(|| anyhow!("{name} is not written with headwater-streams"))?;
    let mut builder = TestDriver::builder(application)
        .default_partitions(PARTITIONS)
        .commit_every(50);
    if guarantee == "exactly_once_v2" {
        builder = builder.exactly_once();
    }
    let used = topics.clone();
    let mut driver = builder.try_build(move |b| build(b, &used))?;
    for phase in phases {
        for fed in phase {
            let mut headers = Headers::default();
            headers.push("n", Some(fed.number.to_string().into_bytes().into()));
            driver.pipe_bytes(
                &topics.inputs[fed.input],
                fed.partition,
                fed.key.as_deref().map(str::as_bytes),
                fed.value.as_deref().map(str::as_bytes),
                fed.timestamp,
                headers,
            );
        }
        driver.try_run()?;
    }
    let names = driver.topics();
    Ok(names
        .into_iter()
        .map(|topic| {
            let records = driver.read_bytes(&topic).into_iter();
            let read = records.map(|(partition, record)| Read {
                partition,
                key: record.key.map(|key| key.to_vec()),
                value: record.value.map(|value| value.to_vec()),
                timestamp: record.timestamp,
                headers: record
                    .headers
                    .iter()
                    .map(|header| {
                        (
                            header.key.clone(),
                            header.value.as_ref().map(|value| value.to_vec()),
                        )
                    })
                    .collect(),
            });
            let read = read.collect();
            (topic, read)
        })
        .collect())
}
