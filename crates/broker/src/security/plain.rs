//! SASL/PLAIN (RFC 4616): `[authzid] NUL user NUL password`.

use std::collections::BTreeMap;

use super::sasl::SaslFailure;
use super::scram::is_same_secret;

/// Who the client is, if one of `users` (names and passwords) has that password.
pub(super) fn authenticate(
    message: &[u8],
    users: &BTreeMap<String, String>,
) -> Result<String, SaslFailure> {
    let message = String::from_utf8_lossy(message);
    let tokens: Vec<&str> = message.splitn(5, '\0').collect();
    let [authorization_id, user, password] = tokens[..] else {
        return Err(SaslFailure::Told(format!(
            "Invalid SASL/PLAIN response: expected 3 tokens, got {}",
            tokens.len().min(4)
        )));
    };
    let failed = |reason: &str| {
        Err(SaslFailure::Told(format!(
            "Authentication failed: {reason}"
        )))
    };
    if user.is_empty() {
        return failed("username not specified");
    }
    if password.is_empty() {
        return failed("password not specified");
    }
    // An unknown user costs as much as a known one.
    let expected = users.get(user);
    let same = is_same_secret(
        password.as_bytes(),
        expected.map_or(password, String::as_str).as_bytes(),
    );
    if expected.is_none() || !same {
        return failed("Invalid username or password");
    }
    if !authorization_id.is_empty() && authorization_id != user {
        return Err(SaslFailure::other_authorization_id());
    }
    Ok(user.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(message: &str) -> Result<String, SaslFailure> {
        let users = [("alice".to_owned(), "secret".to_owned())].into();
        authenticate(message.as_bytes(), &users)
    }

    #[test]
    fn a_user_with_its_password_is_known_by_name() {
        assert_eq!(answer("\0alice\0secret"), Ok("alice".to_owned()));
        assert_eq!(answer("alice\0alice\0secret"), Ok("alice".to_owned()));
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        for (message, reason) in [
            (
                "\0alice\0other",
                "Authentication failed: Invalid username or password",
            ),
            (
                "\0alice\0secre",
                "Authentication failed: Invalid username or password",
            ),
            (
                "\0bob\0secret",
                "Authentication failed: Invalid username or password",
            ),
            (
                "\0\0secret",
                "Authentication failed: username not specified",
            ),
            ("\0alice\0", "Authentication failed: password not specified"),
            (
                "alice\0secret",
                "Invalid SASL/PLAIN response: expected 3 tokens, got 2",
            ),
            (
                "\0a\0b\0c\0d",
                "Invalid SASL/PLAIN response: expected 3 tokens, got 4",
            ),
        ] {
            assert_eq!(answer(message), Err(SaslFailure::Told(reason.to_owned())));
        }
        assert_eq!(
            answer("bob\0alice\0secret"),
            Err(SaslFailure::other_authorization_id())
        );
    }
}
