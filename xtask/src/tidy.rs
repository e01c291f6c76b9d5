//! `cargo xtask tidy`: what the architecture says is absent, is absent; files and functions stay short.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::command::command;
use crate::workspace::root;

mod absences;
mod behaviours;
mod configs;
mod edges;
mod sources;

pub(crate) fn run() -> Result<()> {
    println!("{}", check()?);
    Ok(())
}

/// Runs all checks; what was looked at, or every finding.
pub(crate) fn check() -> Result<String> {
    let files = tracked_files()?;
    let mut findings = edges::findings(&root())?;
    findings.extend(absences::findings(&files));
    findings.extend(sources::findings(&files));
    findings.extend(configs::findings(&files));
    findings.extend(behaviours::findings(&files));
    findings.extend(readme()?);
    println!("{}", sources::longest_functions(&files));
    if !findings.is_empty() {
        bail!("{} finding(s)\n{}", findings.len(), findings.join("\n"));
    }
    Ok(format!("{} files, nothing found", files.len()))
}

/// A text file of the repository.
pub(crate) struct File {
    /// From the root, with `/`.
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|extension| extension == "rs")
    }

    /// Not a test of its own: tests may do what the code may not.
    fn is_product(&self) -> bool {
        self.is_rust()
            && !self.path.contains("/tests/")
            && !self.path.ends_with("/tests.rs")
            && !self.path.contains("/benches/")
            && !self.path.contains("/examples/")
    }

    /// The lines before the inline test module.
    fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .take_while(|line| *line != "#[cfg(test)]")
            .enumerate()
    }
}

/// What git tracks or would track; generated assets and lock files are not ours to tidy.
fn tracked_files() -> Result<Vec<File>> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let listed = command("git", &arguments, &root())
        .output()
        .context("could not run git")?;
    if !listed.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    }
    let mut files = Vec::new();
    for path in String::from_utf8_lossy(&listed.stdout).lines() {
        if path.starts_with("crates/console/assets/") {
            continue;
        }
        // What is listed but removed, and what is no text, is skipped.
        if let Ok(text) = fs::read_to_string(root().join(path)) {
            files.push(File {
                path: path.to_owned(),
                text,
            });
        }
    }
    Ok(files)
}

/// The README's two commands are what CI runs.
fn readme() -> Result<Vec<String>> {
    let readme = fs::read_to_string(root().join("README.md")).context("README.md")?;
    let test = format!("cargo {}", crate::ci::TEST_COMMAND.join(" "));
    Ok([test.as_str(), "cargo run --release -- demo"]
        .iter()
        .filter(|command| !readme.lines().any(|line| line.starts_with(*command)))
        .map(|command| format!("README.md: no line starts with `{command}`"))
        .collect())
}
