//! Words that must not occur: where they would break a promise of the architecture, or anywhere at all.

use super::File;

/// Folders, and what their code never says.
struct Absence {
    folders: &'static [&'static str],
    except: &'static [&'static str],
    words: &'static [&'static str],
    reason: &'static str,
}

const ABSENCES: &[Absence] = &[
    Absence {
        folders: &[
            "crates/records/",
            "crates/protocol/",
            "crates/log/",
            "crates/coordinator/",
        ],
        except: &[],
        words: &[
            "tokio",
            "std::net",
            "SystemTime::now",
            "Instant::now",
            "rand::",
            "RandomState",
        ],
        reason: "time, randomness and sockets are passed in",
    },
    Absence {
        folders: &[
            "crates/log/",
            "crates/coordinator/",
            "crates/records/",
            "crates/protocol/",
        ],
        except: &[],
        words: &["std::thread", "thread::spawn"],
        reason: "no threads here",
    },
    Absence {
        folders: &["crates/"],
        except: &[
            "crates/log/src/disk",
            "crates/streams/src/runtime/state_directory",
            // The state on disk: its tables, their log of commits, and what is deleted of them.
            "crates/streams/src/store/clean_up",
            "crates/streams/src/store/commit_log",
            "crates/streams/src/store/state",
            "crates/streams/src/store/tree",
            "crates/cli/",
            "crates/testkit/",
            "crates/console/build.rs",
        ],
        words: &["std::fs", "tokio::fs"],
        reason: "files are the log's disk's business",
    },
    Absence {
        folders: &["crates/broker/src/handlers/"],
        except: &[],
        words: &["tokio::net", "TcpStream"],
        reason: "a handler does no file or socket work",
    },
];

/// Written in two parts, so that this file does not hold them.
const NOWHERE: &[(&str, &str)] = &[
    ("TO", "DO"),
    ("FIX", "ME"),
    ("todo", "!("),
    ("unimplemented", "!("),
    ("#[ig", "nore"),
    ("/work", "/main"),
    ("/work", "/shared"),
    ("/tmp", "/hw"),
    ("/ro", "ot/"),
    ("artifact", "ory"),
    ("/api", "/npm"),
    ("/api", "/pypi"),
];

pub(super) fn findings(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        for absence in ABSENCES.iter().filter(|absence| absence.applies_to(file)) {
            for (number, line) in file.product_lines() {
                let code = line.trim_start();
                if code.starts_with("//") {
                    continue;
                }
                for word in absence.words.iter().filter(|word| code.contains(**word)) {
                    findings.push(format!(
                        "{}:{}: `{word}`: {}",
                        file.path,
                        number + 1,
                        absence.reason
                    ));
                }
            }
        }
        for (number, line) in file.text.lines().enumerate() {
            for (one, other) in NOWHERE {
                let word = format!("{one}{other}");
                if line.contains(&word) {
                    findings.push(format!("{}:{}: `{word}`", file.path, number + 1));
                }
            }
        }
    }
    findings
}

impl Absence {
    fn applies_to(&self, file: &File) -> bool {
        let within = |folders: &[&str]| folders.iter().any(|folder| file.path.starts_with(folder));
        file.is_product() && within(self.folders) && !within(self.except)
    }
}
