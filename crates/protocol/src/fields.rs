//! One field at one version: whether it is there, where, and in which form.
//!
//! Owns the rules of version ranges and of tagged fields; the code that the derive makes is a
//! list of calls to here.

use crate::error::{DecodeError, DecodeProblem, EncodeError};
use crate::field::{Encoding, Field, Form, Nulls, Place};
use crate::schema::FieldSpec;
use crate::{Decoder, Encoder, Message};

/// The fields of one message at one version.
#[derive(Debug, Clone, Copy)]
pub struct Fields {
    version: i16,
    encoding: Encoding,
}

/// The tagged fields of one message on their way out.
#[derive(Debug, Default)]
pub struct Tags {
    count: u32,
    body: Encoder,
}

impl Fields {
    pub fn of<M: Message>(version: i16) -> Self {
        let encoding = match M::SCHEMA.first_flexible {
            Some(first) if version >= first => Encoding::Compact,
            _ => Encoding::Classic,
        };
        Self { version, encoding }
    }

    /// Writes a field in line, or nothing if the version tags it or does not carry it.
    pub fn write<T: Field + PartialEq>(
        self,
        out: &mut Encoder,
        spec: &FieldSpec,
        value: &T,
        default: &T,
    ) -> Result<(), EncodeError> {
        if spec.tagged.contains(self.version) {
            Ok(())
        } else if spec.versions.contains(self.version) {
            value.write(out, self.form(spec))
        } else if spec.ignorable || value == default {
            Ok(())
        } else {
            Err(EncodeError::UnsupportedField {
                field: spec.name,
                version: self.version,
            })
        }
    }

    /// Adds a field to the tagged ones, if the version tags it and it has something to say.
    pub fn write_tag<T: Field + PartialEq>(
        self,
        tags: &mut Tags,
        spec: &FieldSpec,
        value: &T,
        default: &T,
    ) -> Result<(), EncodeError> {
        if !spec.tagged.contains(self.version) || value == default {
            return Ok(());
        }
        let mut body = Encoder::new();
        value.write(&mut body, self.form(spec))?;
        tags.count += 1;
        tags.body
            .write_unsigned_varint(spec.tag.unwrap_or_default());
        tags.body.write_unsigned_varint(body.len() as u32);
        tags.body.write_all(body);
        Ok(())
    }

    /// Ends a message that has no tagged fields.
    pub fn end(self, out: &mut Encoder) {
        self.end_with(out, Tags::default());
    }

    /// Ends a message with its tagged fields, which older versions cannot carry.
    pub fn end_with(self, out: &mut Encoder, tags: Tags) {
        if self.encoding == Encoding::Compact {
            out.write_unsigned_varint(tags.count);
            out.write_all(tags.body);
        }
    }

    /// Reads a field that the version carries in line.
    pub fn read<T: Field>(
        self,
        input: &mut Decoder,
        spec: &FieldSpec,
        value: &mut T,
    ) -> Result<(), DecodeError> {
        if spec.versions.contains(self.version) && !spec.tagged.contains(self.version) {
            *value = self.read_value(input, spec)?;
        }
        Ok(())
    }

    /// Reads what a known tag holds; at a version that does not tag it, it is as unknown as any.
    pub fn read_tag<T: Field>(
        self,
        input: &mut Decoder,
        spec: &FieldSpec,
        value: &mut T,
    ) -> Result<(), DecodeError> {
        if spec.tagged.contains(self.version) {
            *value = self.read_value(input, spec)?;
            Ok(())
        } else {
            skip(input)
        }
    }

    /// Reads the tagged fields, if the version has any: each with `read`, which uses up its value.
    pub fn read_tags(
        self,
        input: &mut Decoder,
        read: &mut dyn FnMut(u32, &mut Decoder) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        if self.encoding == Encoding::Compact {
            read_tags(input, read)
        } else {
            Ok(())
        }
    }

    fn read_value<T: Field>(self, input: &mut Decoder, spec: &FieldSpec) -> Result<T, DecodeError> {
        T::read(input, self.form(spec)).map_err(|error| error.in_field(spec.name))
    }

    fn form(self, spec: &FieldSpec) -> Form {
        Form {
            version: self.version,
            encoding: self.encoding,
            place: if spec.tagged.contains(self.version) {
                Place::Tagged
            } else {
                Place::InLine
            },
            nulls: if spec.nullable.contains(self.version) {
                Nulls::Allowed
            } else {
                Nulls::Refused
            },
            name: spec.name,
        }
    }
}

/// Reads a section of tagged fields: a count, then tag, size and value of each, tags ascending.
pub(crate) fn read_tags(
    input: &mut Decoder,
    read: &mut dyn FnMut(u32, &mut Decoder) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let count = input.read_unsigned_varint()? as usize;
    // A tag and a size, at the least; nothing is kept of those unknown.
    input.admit(count, 2, 0)?;
    let mut previous = None;
    for _ in 0..count {
        let tag = input.read_unsigned_varint()?;
        if let Some(previous) = previous.filter(|previous| *previous >= tag) {
            return Err(DecodeProblem::TagOrder { previous, tag }.into());
        }
        previous = Some(tag);
        let size = input.read_unsigned_varint()? as usize;
        input.within(size, |value| read(tag, value))?;
    }
    Ok(())
}

/// Passes over the value of a tag that is not known here.
pub fn skip(value: &mut Decoder) -> Result<(), DecodeError> {
    value.read_rest();
    Ok(())
}
