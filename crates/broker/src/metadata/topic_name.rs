//! What a topic may be called.

const MAX_LENGTH: usize = 249;

/// Checks a topic's name as Kafka does; the error is a sentence fit for a client.
pub(crate) fn validate_topic_name(name: &str) -> Result<(), String> {
    let refuse = |reason: &str| Err(format!("Topic name is invalid: {reason}"));
    if name.is_empty() {
        return refuse("the empty string is not allowed");
    }
    if name == "." || name == ".." {
        return refuse(&format!("'{name}' is not allowed"));
    }
    if name.len() > MAX_LENGTH {
        return refuse(&format!(
            "the length of '{name}' is longer than the max allowed length {MAX_LENGTH}"
        ));
    }
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !name.chars().all(is_legal) {
        return refuse(&format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        ));
    }
    Ok(())
}

/// Whether two different names become one where `.` is written as `_`, as in metric names.
pub(crate) fn topic_names_collide(one: &str, other: &str) -> bool {
    let unify = |byte: u8| if byte == b'.' { b'_' } else { byte };
    one.len() == other.len() && one.bytes().map(unify).eq(other.bytes().map(unify))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn illegal_names_are_refused_with_the_reason() {
        for (name, reason) in [
            ("", "empty"),
            (".", "'.' is not allowed"),
            ("..", "'..' is not allowed"),
            ("a/b", "ASCII alphanumerics"),
            ("bär", "ASCII alphanumerics"),
            ("a b", "ASCII alphanumerics"),
            (&"x".repeat(250), "max allowed length 249"),
        ] {
            assert!(validate_topic_name(name).unwrap_err().contains(reason));
        }
        for name in ["a", "a.b_c-D9", "...", &"x".repeat(249)] {
            validate_topic_name(name).unwrap();
        }
    }

    #[test]
    fn a_dot_collides_with_an_underscore_in_its_place_only() {
        assert!(topic_names_collide("a.b", "a_b"));
        assert!(topic_names_collide("a.b", "a.b"));
        assert!(!topic_names_collide("a.b", "a-b"));
        assert!(!topic_names_collide("a.b", "ab"));
    }
}
