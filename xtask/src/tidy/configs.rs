//! `docs/configs.md` calls no config honoured that no code of the event store reads.

use super::File;

const PAGE: &str = "docs/configs.md";
const STORE: [&str; 2] = ["crates/broker/src/", "crates/coordinator/src/"];
/// Where the tables are, by the page's sections: what stands there is no use.
const TABLES: &[(&str, &str)] = &[
    ("Topics", "crates/broker/src/config/topic_configs.rs"),
    ("Brokers", "crates/broker/src/config/broker_configs/"),
    ("Groups", "crates/broker/src/config/group_configs.rs"),
    (
        "Client metrics subscriptions",
        "crates/broker/src/config/subscription_configs.rs",
    ),
];

pub(super) fn findings(files: &[File]) -> Vec<String> {
    let Some(page) = files.iter().find(|file| file.path == PAGE) else {
        return vec![format!("{PAGE} is missing")];
    };
    let mut findings = Vec::new();
    let mut table = "";
    for line in page.text.lines() {
        if let Some(section) = line.strip_prefix("## ") {
            table = TABLES
                .iter()
                .find(|(title, _)| *title == section)
                .map_or("", |(_, path)| path);
        }
        let Some(name) = honoured(line) else {
            continue;
        };
        let quoted = format!("\"{name}\"");
        let is_read = files
            .iter()
            .filter(|file| {
                file.is_product() && STORE.iter().any(|path| file.path.starts_with(path))
            })
            .filter(|file| table.is_empty() || !file.path.starts_with(table))
            .any(|file| file.text.contains(&quoted));
        if !is_read {
            findings.push(format!(
                "{PAGE}: {name} is called honoured and nothing reads it"
            ));
        }
    }
    findings
}

/// The config of a row that says so.
fn honoured(line: &str) -> Option<&str> {
    let (name, rest) = line.strip_prefix("| `")?.split_once('`')?;
    rest.contains("| **honoured** |").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_config_called_honoured_is_read_outside_of_its_table() {
        let page = "## Brokers\n| `a.b` | int | `1` | read-only | **honoured** | x |\n\
                    | `c.d` | int | `1` | read-only | reported | x |\n";
        let table = file("crates/broker/src/config/broker_configs/log.rs", "\"a.b\"");
        let unread = findings(&[file(PAGE, page), table]);
        assert_eq!(unread.len(), 1);
        let table = file("crates/broker/src/config/broker_configs/log.rs", "\"a.b\"");
        let reader = file("crates/broker/src/settings.rs", "number(\"a.b\")");
        assert!(findings(&[file(PAGE, page), table, reader]).is_empty());
    }
}
