//! Valid encodings of any message at any version, drawn from entropy.
//!
//! A second writer of the wire format: it goes by a message's schema alone and shares no code with
//! the encoder under test. The same entropy always gives the same bytes, and less of it a smaller
//! message, so that a failing property shrinks.

use std::slice::Iter;

use headwater_protocol::{FieldSpec, Kind, Message, Schema};
use proptest::collection::vec;
use proptest::prelude::*;

/// Enough to fill the deepest message, and often little.
pub(crate) fn entropy() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..1200)]
}

/// An encoding of `M`.
pub(crate) fn encoded<M: Message>(version: i16, entropy: &[u8]) -> Vec<u8> {
    sample::<M>(version, entropy, &[])
}

/// The same with tagged fields nobody knows, wherever there may be some.
pub(crate) fn encoded_by_the_future<M: Message>(version: i16, entropy: &[u8]) -> Vec<u8> {
    sample::<M>(version, entropy, &[(9_000, b""), (70_000, b"future")])
}

fn sample<M: Message>(
    version: i16,
    entropy: &[u8],
    unknown_tags: &'static [(usize, &'static [u8])],
) -> Vec<u8> {
    let first_flexible = M::SCHEMA.first_flexible;
    let mut sampler = Sampler {
        entropy: entropy.iter(),
        version,
        flexible: first_flexible.is_some_and(|first| version >= first),
        unknown_tags,
        out: Vec::new(),
    };
    sampler.message(M::SCHEMA, Values::Any);
    sampler.out
}

#[derive(Clone, Copy, PartialEq)]
enum Values {
    Any,
    /// Tagged fields are left out when they hold their default, so what is there must differ.
    NotDefault,
}

impl Values {
    /// How long a text, block or array is at the least.
    fn least(self) -> usize {
        usize::from(self == Self::NotDefault)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Null {
    Impossible,
    /// Possible, but not this time.
    Spared,
    Chosen,
}

struct Sampler<'a> {
    entropy: Iter<'a, u8>,
    version: i16,
    flexible: bool,
    unknown_tags: &'static [(usize, &'static [u8])],
    out: Vec<u8>,
}

impl Sampler<'_> {
    fn message(&mut self, schema: &Schema, values: Values) {
        for field in schema.fields {
            let in_line = !field.tagged.contains(self.version);
            if in_line && field.versions.contains(self.version) {
                self.field(field, values);
            }
        }
        if self.flexible {
            self.tagged_fields(schema);
        }
    }

    fn tagged_fields(&mut self, schema: &Schema) {
        let mut tagged: Vec<_> = schema
            .fields
            .iter()
            .filter(|field| field.tagged.contains(self.version))
            .collect();
        tagged.retain(|_| self.byte() % 2 == 1);
        tagged.sort_by_key(|field| field.tag);
        self.varint(tagged.len() + self.unknown_tags.len());
        for field in tagged {
            self.varint(field.tag.unwrap() as usize);
            let before = std::mem::take(&mut self.out);
            self.field(field, Values::NotDefault);
            let value = std::mem::replace(&mut self.out, before);
            self.varint(value.len());
            self.out.extend(value);
        }
        for (tag, value) in self.unknown_tags {
            self.varint(*tag);
            self.varint(value.len());
            self.out.extend(*value);
        }
    }

    fn field(&mut self, field: &FieldSpec, values: Values) {
        let null = if !field.nullable.contains(self.version) {
            Null::Impossible
        } else if values == Values::Any && self.byte().is_multiple_of(4) {
            Null::Chosen
        } else {
            Null::Spared
        };
        self.value(&field.kind, null, values);
    }

    fn value(&mut self, kind: &Kind, null: Null, values: Values) {
        match kind {
            Kind::Bool => {
                let value = self.byte() % 2;
                self.out.push(value.max(values.least() as u8));
            }
            Kind::Int8 => self.integer(1, values),
            Kind::Int16 | Kind::Uint16 => self.integer(2, values),
            Kind::Int32 | Kind::Uint32 => self.integer(4, values),
            Kind::Int64 => self.integer(8, values),
            Kind::Float64 => self.float(values),
            Kind::Uuid => self.integer(16, values),
            Kind::String if null == Null::Chosen => self.length(None, 2),
            Kind::Bytes | Kind::Array(_) if null == Null::Chosen => self.length(None, 4),
            Kind::Struct(_) if null == Null::Chosen => self.out.push(0xff),
            Kind::String => self.text(values),
            Kind::Bytes => self.block(values),
            Kind::Array(element) => {
                let count = self.count(4).max(values.least());
                self.length(Some(count), 4);
                for _ in 0..count {
                    self.value(element, Null::Impossible, values);
                }
            }
            Kind::Struct(schema) => {
                if null == Null::Spared {
                    self.out.push(1);
                }
                self.message(schema, values);
            }
        }
    }

    fn text(&mut self, values: Values) {
        let symbols = ["a", "Z", "-", "0", "é", "日", "🜚", "\0"];
        let text: String = (0..self.count(8).max(values.least()))
            .map(|_| symbols[usize::from(self.byte()) % symbols.len()])
            .collect();
        self.length(Some(text.len()), 2);
        self.out.extend(text.bytes());
    }

    fn block(&mut self, values: Values) {
        // One block in 32 is of the size that encoders do not copy.
        let large = if self.byte() % 32 == 31 { 5000 } else { 0 };
        let count = self.count(12).max(values.least()) + large;
        self.length(Some(count), 4);
        for _ in 0..count {
            let byte = self.byte();
            self.out.push(byte);
        }
    }

    fn integer(&mut self, size: usize, values: Values) {
        for position in 1..=size {
            let byte = match values {
                Values::Any => self.byte(),
                // Neither 0 nor -1 nor the largest: what defaults there are.
                Values::NotDefault if position == size => 1 + self.byte() % 100,
                Values::NotDefault => 0,
            };
            self.out.push(byte);
        }
    }

    /// Never a NaN, which would not equal itself.
    fn float(&mut self, values: Values) {
        let start = self.out.len();
        self.integer(8, values);
        self.out[start] &= 0xbf;
    }

    fn length(&mut self, length: Option<usize>, width: usize) {
        if self.flexible {
            self.varint(length.map_or(0, |length| length + 1));
        } else {
            let bytes = length.map_or(-1, |length| length as i64).to_be_bytes();
            self.out.extend(&bytes[8 - width..]);
        }
    }

    fn varint(&mut self, mut value: usize) {
        while value > 127 {
            self.out.push((value % 128) as u8 + 128);
            value /= 128;
        }
        self.out.push(value as u8);
    }

    fn count(&mut self, limit: u8) -> usize {
        usize::from(self.byte() % limit)
    }

    /// Zero once the entropy is used up.
    fn byte(&mut self) -> u8 {
        self.entropy.next().copied().unwrap_or(0)
    }
}
