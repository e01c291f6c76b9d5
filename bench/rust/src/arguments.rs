//! Arguments as `key=value`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// What the program was called with.
pub struct Arguments(BTreeMap<String, String>);

impl Arguments {
    /// Those of this process.
    pub fn of_process() -> Result<Self> {
        std::env::args()
            .skip(1)
            .map(|word| {
                let (key, value) = word
                    .split_once('=')
                    .with_context(|| format!("`{word}` is not key=value"))?;
                Ok((key.to_owned(), value.to_owned()))
            })
            .collect::<Result<_>>()
            .map(Self)
    }

    /// A text, which must be there.
    pub fn text(&self, key: &str) -> Result<&str> {
        self.0
            .get(key)
            .map(String::as_str)
            .with_context(|| format!("{key}=... is missing"))
    }

    /// A number; 0 if it is not there.
    pub fn number(&self, key: &str) -> Result<u64> {
        self.0.get(key).map_or(Ok(0), |text| {
            text.parse().with_context(|| format!("{key}={text}"))
        })
    }
}
