//! franz-go's tests of its package `kgo`, which the module proxy serves with its code.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;

use super::{Broker, Ran, left_out, run_quietly};
use crate::command::command;
use crate::workspace::root;

const SUITE: &str = "franz-go";
const PACKAGE: &str = "github.com/twmb/franz-go/pkg/kgo";
/// How many tests, subtests not counted, pass at least: its version in `compat/go/go.mod` has 144 that do on this store.
const LEAST: usize = 140;
/// The tests of whole pipelines move half a million records unless told otherwise.
const RECORDS: &str = "20000";

/// Runs the suite; returns its counts.
pub(in super::super) fn run(broker: Broker) -> Result<String> {
    let left_out = left_out::tests(SUITE, broker.target)?;
    let mut ran = if left_out.is_empty() {
        tests(broker, None)?
    } else {
        tests(broker, Some(format!("-skip={}", exactly(&left_out))))?
    };
    ran.left_out = left_out.len();
    ran.once_more(broker.target, |failed| {
        tests(broker, Some(format!("-run={}", exactly(failed))))
    })?;
    ran.judge(LEAST)
}

/// Runs the tests that `selection` leaves.
fn tests(broker: Broker, selection: Option<String>) -> Result<Ran> {
    let mut go = command(
        "go",
        &["test", "-count=1", "-timeout=8m", "-json", PACKAGE],
        &root().join("compat/go"),
    );
    go.args(selection)
        .env("KGO_SEEDS", broker.bootstrap)
        .env("KGO_TEST_RF", "1")
        .env("KGO_TEST_RECORDS", RECORDS);
    let finished = run_quietly(&mut go)?;
    let mut ran = read(&finished.stdout);
    if !finished.success && ran.failed.is_empty() {
        ran.failed.push("the package itself".into());
    }
    Ok(ran)
}

/// An expression that matches these names alone.
fn exactly(names: &[String]) -> String {
    format!("^({})$", names.join("|"))
}

/// A line of `go test -json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    test: Option<String>,
    output: Option<String>,
}

/// Counts tests, not subtests, and shows what failed tests said.
fn read(lines: &str) -> Ran {
    let mut ran = Ran::default();
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for line in lines.lines() {
        // What a build prints is not JSON.
        let Ok(event) = serde_json::from_str::<Event>(line) else {
            println!("{line}");
            continue;
        };
        let name = event.test.unwrap_or_default();
        let counts = !name.is_empty() && !name.contains('/');
        match (event.action.as_str(), event.output) {
            ("output", Some(output)) => said.entry(name).or_default().push_str(&output),
            ("pass", _) => {
                said.remove(&name);
                ran.passed += usize::from(counts);
            }
            ("skip", _) => {
                said.remove(&name);
                ran.skipped += usize::from(counts);
            }
            ("fail", _) => {
                print!("{}", said.remove(&name).unwrap_or_default());
                if counts {
                    ran.failed.push(name);
                }
            }
            _ => {}
        }
    }
    ran
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn tests_are_counted_and_subtests_are_not() {
        let ran = read(concat!(
            r#"{"Action":"run","Test":"TestA"}"#,
            "\n",
            r#"{"Action":"pass","Test":"TestA/one","Elapsed":0.1}"#,
            "\n",
            r#"{"Action":"pass","Test":"TestA","Elapsed":0.1}"#,
            "\n",
            r#"{"Action":"output","Test":"TestB","Output":"it broke\n"}"#,
            "\n",
            r#"{"Action":"fail","Test":"TestB","Elapsed":0.1}"#,
            "\n",
            r#"{"Action":"skip","Test":"TestC","Elapsed":0}"#,
            "\n",
            r#"{"Action":"fail","Package":"kgo","Elapsed":1}"#,
        ));
        assert_eq!(
            ran,
            Ran {
                passed: 1,
                failed: vec!["TestB".into()],
                skipped: 1,
                left_out: 0,
            }
        );
    }
}
