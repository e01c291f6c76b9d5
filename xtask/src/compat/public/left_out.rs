//! The tests that are left out: the table of `compat/public/README.md`, which is what a reader and the suites share.

use std::fs;

use anyhow::{Context, Result, bail};

use super::Target;
use crate::workspace::root;

const LIST: &str = "compat/public/README.md";

/// The names of the tests of `suite` that do not run on `target`.
pub(super) fn tests(suite: &str, target: Target) -> Result<Vec<String>> {
    let text = fs::read_to_string(root().join(LIST)).context(LIST)?;
    parse(&text, suite, target).context(LIST)
}

/// Rows like ``| franz-go | `TestShare` | both | a reason |``.
fn parse(text: &str, suite: &str, target: Target) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", row, test, on, reason, ""] = cells[..] else {
            continue;
        };
        let Some(test) = test
            .strip_prefix('`')
            .and_then(|test| test.strip_suffix('`'))
        else {
            continue;
        };
        let applies = match on {
            "both" => true,
            "store" => target == Target::Embedded,
            "Kafka" => target == Target::Kafka,
            _ => bail!("{test}: on `{on}`, which is neither `both`, `store` nor `Kafka`"),
        };
        if reason.is_empty() {
            bail!("{test}: no reason is given");
        }
        if row == suite && applies {
            names.push(test.to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod unit {
    use super::*;

    const TABLE: &str = "\
        | suite | test | on | why |\n\
        |---|---|---|---|\n\
        | one | `TestShare` | both | groups that share |\n\
        | one | `TestMove` | store | one log directory |\n\
        | two | `TestOther` | Kafka | another suite |\n";

    #[test]
    fn a_test_is_left_out_where_its_row_says() {
        let on = |target| parse(TABLE, "one", target).expect("a table");
        assert_eq!(on(Target::Embedded), ["TestShare", "TestMove"]);
        assert_eq!(on(Target::Kafka), ["TestShare"]);
    }

    #[test]
    fn a_row_without_a_reason_is_refused() {
        assert!(parse("| one | `TestShare` | both | |", "one", Target::Kafka).is_err());
    }
}
