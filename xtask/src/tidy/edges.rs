//! Who may depend on whom: the table of ARCHITECTURE.md.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// A crate, the crates of ours it may depend on, and other crates it must never depend on.
type Edges = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const PURE: &[&str] = &["tokio", "tokio-util", "rand", "rdkafka", "axum", "sqlx"];
const NO_INTERNALS: &[&str] = &[];

const TABLE: &[Edges] = &[
    ("crates/records", &[], PURE),
    ("crates/protocol", &["protocol-derive"], PURE),
    ("crates/protocol-derive", &[], PURE),
    ("crates/log", &["records"], PURE),
    ("crates/coordinator", &["protocol"], PURE),
    (
        "crates/broker",
        &["protocol", "records", "log", "coordinator"],
        &["rdkafka", "axum", "sqlx"],
    ),
    ("crates/streams", NO_INTERNALS, &["sqlx"]),
    ("crates/console", NO_INTERNALS, &["sqlx"]),
    ("apps/ordering", &["console"], &[]),
    ("crates/cli", &["broker", "console", "ordering"], &[]),
    ("crates/testkit", NO_INTERNALS, &[]),
    ("bench/rust", &["streams"], &[]),
    ("compat/rust", &["streams"], &[]),
    ("xtask", &["testkit"], &["tokio", "rdkafka"]),
];

/// Edges that the table does not have, and members it does not know.
pub(super) fn findings(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for member in members(root)? {
        let Some((_, allowed, forbidden)) = TABLE.iter().find(|(name, _, _)| *name == member)
        else {
            findings.push(format!(
                "{member}: not in the table of who may depend on whom"
            ));
            continue;
        };
        let manifest = fs::read_to_string(root.join(&member).join("Cargo.toml"))?;
        for dependency in dependencies(&manifest) {
            match dependency.strip_prefix("headwater-") {
                Some(own) if !allowed.contains(&own) => {
                    findings.push(format!("{member}: may not depend on {dependency}"));
                }
                None if forbidden.contains(&dependency) => {
                    findings.push(format!("{member}: may not depend on {dependency}"));
                }
                _ => {}
            }
        }
    }
    Ok(findings)
}

fn members(root: &Path) -> Result<Vec<String>> {
    let mut members = vec!["xtask".to_owned()];
    for group in ["crates", "apps", "bench", "compat"] {
        for entry in fs::read_dir(root.join(group)).with_context(|| group.to_owned())? {
            let entry = entry?;
            if entry.path().join("Cargo.toml").exists() {
                members.push(format!("{group}/{}", entry.file_name().to_string_lossy()));
            }
        }
    }
    members.sort();
    Ok(members)
}

/// Names in `[dependencies]`; development ones are free.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line == "[dependencies]"
                || (line.starts_with("[target.") && line.ends_with(".dependencies]"));
        } else if inside && let Some(end) = line.find(['.', ' ', '=']) {
            names.push(&line[..end]);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dependencies_proper_are_read() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\nb = \"1\"\n[dev-dependencies]\nc = \"1\"\n";
        assert_eq!(dependencies(manifest), ["a", "b"]);
    }
}
