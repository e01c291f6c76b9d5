//! How long files and functions are, and whether each module says what it is.

use super::File;

/// Longer files are talked about.
const FILE_LINES: usize = 700;
/// Longer functions are a smell: reported, not refused.
const FUNCTION_LINES: usize = 70;

pub(super) fn findings(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let lines = file.text.lines().count();
        if lines > FILE_LINES {
            findings.push(format!(
                "{}: {lines} lines, more than {FILE_LINES}",
                file.path
            ));
        }
        if file.is_product() && !file.text.starts_with("//!") {
            findings.push(format!("{}: does not open with `//!`", file.path));
        }
    }
    findings
}

/// A report on functions, the longest first.
pub(super) fn longest_functions(files: &[File]) -> String {
    let mut long: Vec<(usize, String)> = Vec::new();
    let mut all = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        for (name, lines) in functions(&file.text) {
            all.push(lines);
            if lines > FUNCTION_LINES {
                long.push((lines, format!("{}: {name}: {lines} lines", file.path)));
            }
        }
    }
    all.sort_unstable();
    let at = |percent: usize| all.get(all.len() * percent / 100).copied().unwrap_or(0);
    long.sort_by(|one, other| other.cmp(one));
    let mut text = format!(
        "{} functions: median {} lines, 90 % within {}, {} over {FUNCTION_LINES}",
        all.len(),
        at(50),
        at(90),
        long.len()
    );
    for (_, line) in long.iter().take(10) {
        text.push_str("\n  ");
        text.push_str(line);
    }
    text
}

/// A function whose closing brace has not come yet.
struct Open {
    depth: usize,
    name: String,
    start: usize,
    has_body: bool,
}

/// Names and lengths. Formatted code closes a function with a brace as deep as it opened.
fn functions(text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.trim_start();
        let depth = line.len() - code.len();
        if let Some(name) = function_name(code) {
            open.push(Open {
                depth,
                name: name.to_owned(),
                start: number,
                has_body: code.ends_with('{'),
            });
        } else if let Some(last) = open.last_mut().filter(|last| !last.has_body) {
            last.has_body = code.ends_with('{');
            // A declaration over several lines has no body at all.
            if code.ends_with(';') || code.ends_with('}') {
                open.pop();
            }
        } else if code == "}"
            && let Some(position) = open.iter().rposition(|function| function.depth == depth)
        {
            let function = open.swap_remove(position);
            found.push((function.name, number - function.start + 1));
        }
    }
    found
}

/// The name, if the line begins a function with a body on lines of its own.
fn function_name(code: &str) -> Option<&str> {
    if code.ends_with(';') || code.ends_with('}') {
        return None;
    }
    let rest = match code.find("fn ") {
        Some(0) => &code[3..],
        Some(at)
            if code.starts_with("pub")
                || code.starts_with("async ")
                || code.starts_with("const ") =>
        {
            &code[at + 3..]
        }
        _ => return None,
    };
    rest.split(['(', '<']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_from_name_to_brace() {
        let text = "fn one() {\n    two\n}\n\nimpl X {\n    pub(crate) async fn three(\n        a: u8,\n    ) -> u8 {\n        if a {\n        }\n        a\n    }\n}\nfn short() {}\n";
        assert_eq!(
            functions(text),
            [("one".to_owned(), 3), ("three".to_owned(), 7)]
        );
    }
}
