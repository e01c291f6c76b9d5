//! `docs/behaviours.md` names tests that exist.

use super::File;

const PAGE: &str = "docs/behaviours.md";

pub(super) fn findings(files: &[File]) -> Vec<String> {
    let Some(page) = files.iter().find(|file| file.path == PAGE) else {
        return vec![format!("{PAGE} is missing")];
    };
    named_tests(&page.text)
        .filter(|(crate_name, test)| !exists(files, crate_name, test))
        .map(|(crate_name, test)| format!("{PAGE}: {crate_name} has no test {test}"))
        .collect()
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
    fn a_test_that_is_not_there_is_found_out() {
        let file = |path: &str, text: &str| File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let page = file(PAGE, "| 1 | `acks=0` | `log::here`<br>`log::gone` |\n");
        let code = file(
            "crates/log/tests/it/a.rs",
            "fn here() {}\nfn gone_too() {}\n",
        );
        assert_eq!(
            findings(&[page, code]),
            ["docs/behaviours.md: log has no test gone"]
        );
    }
}
