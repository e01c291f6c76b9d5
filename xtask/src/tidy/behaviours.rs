//! The pages of behaviours and features name tests that exist, and at least one for each row.

use super::File;

const PAGES: [&str; 3] = [
    "docs/behaviours.md",
    "docs/streams-behaviours.md",
    "docs/streams-features.md",
];

pub(super) fn findings(files: &[File]) -> Vec<String> {
    PAGES
        .iter()
        .flat_map(|page| match files.iter().find(|file| file.path == *page) {
            Some(file) => page_findings(file, files),
            None => vec![format!("{page} is missing")],
        })
        .collect()
}

fn page_findings(page: &File, files: &[File]) -> Vec<String> {
    let path = &page.path;
    let gone = named_tests(&page.text)
        .filter(|(crate_name, test)| !exists(files, crate_name, test))
        .map(|(crate_name, test)| format!("{path}: {crate_name} has no test {test}"));
    let untested = page
        .text
        .lines()
        .filter_map(|line| Some((row_number(line)?, line)))
        .filter(|(_, line)| named_tests(line).next().is_none())
        .map(|(number, _)| format!("{path}: behaviour {number} has no test"));
    gone.chain(untested).collect()
}

/// The number that a row of the table begins with.
fn row_number(line: &str) -> Option<u32> {
    let (number, _) = line.strip_prefix("| ")?.split_once(" |")?;
    number.parse().ok()
}

/// Every `crate::test` in backquotes.
fn named_tests(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|quoted| quoted.split_once("::"))
        .filter(|(_, test)| !test.is_empty() && !test.contains(' '))
}

fn exists(files: &[File], crate_name: &str, test: &str) -> bool {
    let folder = format!("crates/{crate_name}/");
    let head = format!("fn {test}(");
    files
        .iter()
        .any(|file| file.is_rust() && file.path.starts_with(&folder) && file.text.contains(&head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_not_there_and_a_behaviour_without_one_are_found_out() {
        let file = |path: &str, text: &str| File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let page = file(
            PAGES[0],
            "| # | behaviour | tests |\n| 1 | `acks=0` | `log::here`<br>`log::gone` |\n| 2 | `acks=1` | |\n",
        );
        let code = file(
            "crates/log/tests/it/a.rs",
            "fn here() {}\nfn gone_too() {}\n",
        );
        assert_eq!(
            findings(&[page, code]),
            [
                "docs/behaviours.md: log has no test gone",
                "docs/behaviours.md: behaviour 2 has no test",
                "docs/streams-behaviours.md is missing",
                "docs/streams-features.md is missing",
            ]
        );
    }
}
