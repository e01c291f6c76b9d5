//! Keys as text: as strings and numbers are written, and base64 (of the alphabet for addresses, without padding) for
//! all that is not known to be one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::key::Key;

/// Keys of these types are routed by all of their bytes, and have a text form.
const PLAIN: &[&str] = &[
    "string", "long", "integer", "short", "boolean", "uuid", "bytes",
];

/// Whether the partition of such keys follows from all of their bytes.
pub(super) fn is_routed_whole(kind: Option<&str>) -> bool {
    kind.is_some_and(|kind| PLAIN.contains(&kind))
}

/// The bytes of a key that is written like this.
///
/// # Errors
/// What a key of this type looks like.
pub(super) fn read(kind: Option<&str>, text: &str) -> Result<Vec<u8>, String> {
    let refused = |what: &str| format!("`{text}` is no key of this store: {what}");
    let mut bytes = Vec::new();
    match kind {
        Some("string") => bytes.extend_from_slice(text.as_bytes()),
        Some("long") => match (text.parse::<i64>(), text.parse::<u64>()) {
            (Ok(key), _) => key.write(&mut bytes),
            (_, Ok(key)) => key.write(&mut bytes),
            _ => return Err(refused("its keys are integers of 64 bits")),
        },
        Some("integer") => match (text.parse::<i32>(), text.parse::<u32>()) {
            (Ok(key), _) => key.write(&mut bytes),
            (_, Ok(key)) => key.write(&mut bytes),
            _ => return Err(refused("its keys are integers of 32 bits")),
        },
        Some("short") => match (text.parse::<i16>(), text.parse::<u16>()) {
            (Ok(key), _) => key.write(&mut bytes),
            (_, Ok(key)) => key.write(&mut bytes),
            _ => return Err(refused("its keys are integers of 16 bits")),
        },
        Some("boolean") => match text.parse::<bool>() {
            Ok(key) => key.write(&mut bytes),
            Err(_) => return Err(refused("its keys are `true` and `false`")),
        },
        Some("uuid") => match text.parse::<Uuid>() {
            Ok(key) => key.write(&mut bytes),
            Err(_) => return Err(refused("its keys are UUIDs")),
        },
        _ => {
            bytes = URL_SAFE_NO_PAD
                .decode(text.trim_end_matches('='))
                .map_err(|_| {
                    refused("its keys are given as base64 of their bytes, with `-` and `_`")
                })?;
        }
    }
    Ok(bytes)
}

/// How a key is written.
pub(super) fn write(kind: Option<&str>, bytes: &[u8]) -> String {
    let text = match kind {
        Some("string") => String::read(bytes).ok(),
        Some("long") => i64::read(bytes).ok().map(|key| key.to_string()),
        Some("integer") => i32::read(bytes).ok().map(|key| key.to_string()),
        Some("short") => i16::read(bytes).ok().map(|key| key.to_string()),
        Some("boolean") => bool::read(bytes).ok().map(|key| key.to_string()),
        Some("uuid") => Uuid::read(bytes).ok().map(|key| key.to_string()),
        _ => None,
    };
    text.unwrap_or_else(|| URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_from_their_text() {
        let uuid = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        for (kind, text) in [
            (Some("string"), "a key, with spaces & more"),
            (Some("long"), "-5"),
            (Some("integer"), "2147483647"),
            (Some("short"), "-1"),
            (Some("boolean"), "true"),
            (Some("uuid"), uuid),
            (Some("pair"), "AAAAAWE_-w"),
            (None, "AAA"),
        ] {
            let bytes = read(kind, text).expect(text);
            assert_eq!(write(kind, &bytes), text, "{kind:?}");
        }
        assert_eq!(
            read(Some("long"), "18446744073709551615").expect("u64"),
            [0xff; 8]
        );
    }

    #[test]
    fn a_text_that_is_no_key_is_refused_with_what_keys_look_like() {
        for (kind, text, told) in [
            (Some("long"), "salt", "integers of 64 bits"),
            (Some("integer"), "4294967296", "integers of 32 bits"),
            (Some("uuid"), "1", "UUIDs"),
            (None, "no base64!", "base64"),
        ] {
            let refused = read(kind, text).expect_err(text);
            assert!(refused.contains(told), "{refused}");
        }
    }
}
