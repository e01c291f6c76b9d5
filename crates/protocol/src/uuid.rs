//! Kafka's UUID: 128 bits, written as 22 characters of base64url.
//!
//! Owns the textual form; never draws a random one (ids are passed in).

use std::fmt;
use std::str::FromStr;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Characters of the textual form: 128 bits in groups of six, unpadded.
const TEXT_LENGTH: usize = 22;

/// The id of a topic, a directory or a cluster.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// "No id": what a field holds when nothing was assigned.
    pub const ZERO: Self = Self([0; 16]);

    pub const fn from_u128(value: u128) -> Self {
        Self(value.to_be_bytes())
    }

    pub const fn as_u128(self) -> u128 {
        u128::from_be_bytes(self.0)
    }

    pub const fn is_zero(self) -> bool {
        self.as_u128() == 0
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        let value = self.as_u128();
        for group in 0..TEXT_LENGTH {
            // The last group holds two bits and four of padding.
            let shifted = match 122_usize.checked_sub(group * 6) {
                Some(shift) => value >> shift,
                None => value << 4,
            };
            let symbol = ALPHABET.get((shifted & 0x3f) as usize).unwrap_or(&b'?');
            f.write_char(char::from(*symbol))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 22 characters of base64url.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a Kafka UUID (22 characters of base64url): {0:?}")]
pub struct ParseUuidError(String);

impl FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || ParseUuidError(text.chars().take(40).collect());
        if text.len() != TEXT_LENGTH {
            return Err(refuse());
        }
        let mut value = 0_u128;
        for (group, byte) in text.bytes().enumerate() {
            let symbol = ALPHABET
                .iter()
                .position(|symbol| *symbol == byte)
                .ok_or_else(refuse)? as u128;
            value = if group + 1 < TEXT_LENGTH {
                value << 6 | symbol
            } else if symbol.is_multiple_of(16) {
                value << 2 | symbol >> 4
            } else {
                return Err(refuse());
            };
        }
        Ok(Self::from_u128(value))
    }
}

impl From<[u8; 16]> for Uuid {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl From<Uuid> for [u8; 16] {
    fn from(id: Uuid) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_base64url_without_padding() {
        assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(Uuid::from_u128(1).to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(Uuid([0xff; 16]).to_string(), "_____________________w");
        let id = Uuid::from_u128(0x0123_4567_89ab_cdef_0f1e_2d3c_4b5a_6978);
        assert_eq!(id.to_string(), "ASNFZ4mrze8PHi08S1ppeA");
    }

    #[test]
    fn text_reads_back() {
        for value in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0f1e_2d3c_4b5a_6978] {
            let id = Uuid::from_u128(value);
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn text_that_is_no_uuid_is_refused() {
        let bad = [
            "",
            "AAAA",
            "AAAAAAAAAAAAAAAAAAAAA+",
            "AAAAAAAAAAAAAAAAAAAAAB",
            "é",
        ];
        for text in bad {
            assert!(text.parse::<Uuid>().is_err(), "{text:?}");
        }
    }
}
