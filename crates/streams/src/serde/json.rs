//! JSON, the default of values. A JSON `null` is a null payload, in both directions.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Payload, Serde, SerdeError};

const NAME: &str = "json";

/// JSON by the type's own `Serialize` and `Deserialize`.
///
/// A value that JSON writes as `null` has a null payload, which makes it a tombstone on a compacted topic; a null
/// payload reads as what `null` stands for, if it stands for a value of the type at all. A number that JSON does not
/// know (NaN, infinity), for which `serde_json` would write `null`, is an error.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json;

/// What a JSON `null` stands for.
fn of_null<T: DeserializeOwned>() -> Option<T> {
    T::deserialize(serde_json::Value::Null).ok()
}

impl<T: Serialize + DeserializeOwned + 'static> Serde<T> for Json {
    fn serialize(&self, _: &str, value: &T, into: &mut Vec<u8>) -> Result<Payload, SerdeError> {
        let start = into.len();
        if let Err(error) = serde_json::to_writer(&mut *into, value) {
            into.truncate(start);
            return Err(SerdeError::new(NAME, error));
        }
        if into.get(start..) != Some(b"null") {
            return Ok(Payload::Bytes);
        }
        into.truncate(start);
        match of_null::<T>() {
            Some(_) => Ok(Payload::Null),
            None => Err(SerdeError::new(
                NAME,
                "the value has no JSON (a number that is not finite?)",
            )),
        }
    }

    fn deserialize(&self, _: &str, bytes: &[u8]) -> Result<T, SerdeError> {
        // Text that was looked at as a whole need not be looked at again string by string. What is not text is no JSON
        // either, but for bytes within strings that nobody reads as text: left to `serde_json`.
        let read = match std::str::from_utf8(bytes) {
            Ok(text) => serde_json::from_str(text),
            Err(_) => serde_json::from_slice(bytes),
        };
        read.map_err(|error| SerdeError::new(NAME, error))
    }

    fn deserialize_null(&self) -> Option<T> {
        of_null()
    }
}

#[cfg(test)]
mod tests;
