//! The users of SASL/PLAIN, in the form in which Kafka's configuration names them:
//!
//! ```text
//! org.apache.kafka.common.security.plain.PlainLoginModule required
//!     username="broker" password="..." user_alice="alice's password" user_bob="bob's password";
//! ```
//!
//! `username` and `password` are what a broker logs in with at others, and mean nothing here.

use std::collections::BTreeMap;

const MODULE: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";

/// Names and passwords; the error says what is wrong, without the passwords.
pub(super) fn plain_users(entry: &str) -> Result<BTreeMap<String, String>, String> {
    let entry = entry.trim();
    let rest = entry
        .strip_prefix(MODULE)
        .ok_or_else(|| format!("it does not begin with {MODULE}"))?;
    let rest = ["required", "requisite", "sufficient", "optional"]
        .iter()
        .find_map(|flag| rest.trim_start().strip_prefix(flag))
        .ok_or("the module is not followed by `required`")?;
    let mut rest = rest
        .trim()
        .strip_suffix(';')
        .ok_or("it does not end with a semicolon")?
        .trim_start();
    let mut users = BTreeMap::new();
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=').ok_or("an option has no value")?;
        let (value, after) = option_value(value.trim_start())?;
        if let Some(user) = name.trim_end().strip_prefix("user_") {
            users.insert(user.to_owned(), value);
        }
        rest = after.trim_start();
    }
    Ok(users)
}

/// A value, in quotes or up to the next space, and what follows it.
fn option_value(text: &str) -> Result<(String, &str), String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        return Ok((value.to_owned(), after));
    };
    let mut value = String::new();
    let mut symbols = quoted.char_indices();
    while let Some((index, symbol)) = symbols.next() {
        match symbol {
            '"' => return Ok((value, &quoted[index + 1..])),
            '\\' => value.extend(symbols.next().map(|(_, escaped)| escaped)),
            symbol => value.push(symbol),
        }
    }
    Err("a quote is not closed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_from_a_login_entry() {
        let entry = format!(
            "{MODULE} required username=\"admin\" password=\"x\"\n  user_admin=\"s p=a\\\"ce;\" user_bob=plain;"
        );
        let users = plain_users(&entry).unwrap();
        assert_eq!(
            users,
            BTreeMap::from([
                ("admin".to_owned(), "s p=a\"ce;".to_owned()),
                ("bob".to_owned(), "plain".to_owned()),
            ])
        );
    }

    #[test]
    fn what_is_no_login_entry_is_refused() {
        for entry in [
            "",
            "org.example.Module required user_a=\"b\";",
            "org.apache.kafka.common.security.plain.PlainLoginModule user_a=\"b\";",
            "org.apache.kafka.common.security.plain.PlainLoginModule required user_a=\"b\"",
            "org.apache.kafka.common.security.plain.PlainLoginModule required user_a=\"b;",
            "org.apache.kafka.common.security.plain.PlainLoginModule required user_a;",
        ] {
            assert!(plain_users(entry).is_err(), "{entry}");
        }
    }
}
