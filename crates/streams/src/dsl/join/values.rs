//! The values of one side of a join: which are nulls, and copies of them for results that are several.

use crate::serde::{Codec, Payload, SerdeError, Value};

/// What a join asks of its side's values. Nothing is written unless there is something to be told or copied.
pub(super) struct JoinValues<V: 'static> {
    codec: Codec<V>,
    has_null: bool,
    scratch: Vec<u8>,
}

impl<V: Value> JoinValues<V> {
    pub(super) fn new() -> Self {
        let codec = V::codec();
        Self {
            has_null: codec.deserialize_null().is_some(),
            codec,
            scratch: Vec::new(),
        }
    }

    /// Whether this value is a null: a join drops it, since null stands for a partner that is missing. A value that
    /// cannot be written is none: whoever writes it will say so.
    pub(super) fn is_null(&mut self, value: &V) -> bool {
        self.has_null && matches!(self.write(value), Ok(Payload::Null))
    }

    /// The value once more.
    pub(super) fn copy(&mut self, value: &V) -> Result<V, SerdeError> {
        self.write(value)?;
        self.read()
    }

    /// The value's bytes.
    pub(super) fn bytes(&mut self, value: &V) -> Result<&[u8], SerdeError> {
        self.write(value)?;
        Ok(&self.scratch)
    }

    /// The value of bytes that were written here before.
    pub(super) fn value(&self, bytes: &[u8]) -> Result<V, SerdeError> {
        self.codec.deserialize("", bytes)
    }

    fn write(&mut self, value: &V) -> Result<Payload, SerdeError> {
        self.scratch.clear();
        self.codec.serialize("", value, &mut self.scratch)
    }

    fn read(&self) -> Result<V, SerdeError> {
        self.value(&self.scratch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_absent_value_is_null() {
        let mut optional = JoinValues::<Option<u64>>::new();
        assert!(optional.is_null(&None));
        assert!(!optional.is_null(&Some(0)));
        assert!(!JoinValues::<u64>::new().is_null(&0));
    }

    #[test]
    fn a_copy_equals_its_original() {
        let mut values = JoinValues::<Vec<String>>::new();
        let original = vec!["cup".to_owned(), String::new()];
        assert_eq!(values.copy(&original).ok(), Some(original));
    }
}
