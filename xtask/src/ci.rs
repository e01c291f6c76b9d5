//! `cargo xtask ci`: everything that must hold before a push and needs nothing but Rust and a C compiler.

use anyhow::{Result, bail};

use crate::command::{command, run as run_command};
use crate::outcome::Outcomes;
use crate::workspace::root;
use crate::{tests, tidy};

/// The README's test command, which `tidy` compares.
pub(crate) const TEST_COMMAND: &[&str] = &["test", "--workspace"];

pub(crate) fn run() -> Result<()> {
    let mut outcomes = Outcomes::default();
    let mut tests_per_crate = Vec::new();
    outcomes.step("tidy", tidy::check);
    outcomes.step("fmt", || cargo(&["fmt", "--all", "--check"], &[]));
    outcomes.step("clippy", || {
        cargo(
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ],
            &[],
        )
    });
    outcomes.step("test", || {
        let crates = tests::run(&mut command("cargo", TEST_COMMAND, &root()))?;
        tests_per_crate.extend(crates.iter().map(|(name, counts)| {
            format!(
                "  {name:<28}{:>5} passed, {} failed",
                counts.passed, counts.failed
            )
        }));
        if crates.values().all(|counts| counts.passed == 0) {
            bail!("no test ran");
        }
        Ok(tests::summary(&crates))
    });
    outcomes.step("doc", || {
        cargo(
            &["doc", "--workspace", "--no-deps"],
            &[("RUSTDOCFLAGS", "-D warnings")],
        )
    });
    outcomes.step("deny", || {
        // Advisories come from a database that is fetched; what is checked here needs no network.
        cargo(
            &[
                "deny",
                "--workspace",
                "check",
                "bans",
                "licenses",
                "sources",
            ],
            &[],
        )
    });
    if !tests_per_crate.is_empty() {
        println!("\ntests per crate:");
        for line in tests_per_crate {
            println!("{line}");
        }
    }
    outcomes.finish("ci")
}

fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<String> {
    let mut cargo = command("cargo", arguments, &root());
    cargo.envs(environment.iter().copied());
    run_command(&mut cargo)?;
    Ok(String::new())
}
