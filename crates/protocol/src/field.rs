//! The wire format of each type that a field can have.
//!
//! Owns lengths, nulls and their compact forms; never knows which field it writes.

use bytes::Bytes;

use crate::error::{DecodeError, DecodeProblem, EncodeError};
use crate::schema::Kind;
use crate::{Decoder, Encoder, Message, Uuid};

/// How lengths are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Fixed 16 or 32 bits, -1 for null.
    Classic,
    /// A varint of the length plus one, 0 for null.
    Compact,
}

/// Whether null may be written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulls {
    Allowed,
    Refused,
}

/// Where a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    InLine,
    Tagged,
}

/// All that a value's format depends on besides its type.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    pub(crate) version: i16,
    pub(crate) encoding: Encoding,
    pub(crate) place: Place,
    pub(crate) nulls: Nulls,
    /// The field's name, for errors.
    pub(crate) name: &'static str,
}

impl Form {
    /// The form of an array's elements.
    fn element(self) -> Self {
        Self {
            nulls: Nulls::Refused,
            ..self
        }
    }
}

/// A type that a message's field can have.
pub trait Field: Sized {
    const KIND: Kind;
    /// No encoding is shorter.
    const MINIMUM_SIZE: usize;

    fn write(&self, out: &mut Encoder, form: Form) -> Result<(), EncodeError>;
    fn read(input: &mut Decoder, form: Form) -> Result<Self, DecodeError>;
}

/// A type that has a form for null; `Option<T>` is its field type where null is possible.
pub trait Nullable: Field {
    fn write_nullable(
        value: Option<&Self>,
        out: &mut Encoder,
        form: Form,
    ) -> Result<(), EncodeError>;
    fn read_nullable(input: &mut Decoder, form: Form) -> Result<Option<Self>, DecodeError>;
}

impl<T: Nullable> Field for Option<T> {
    const KIND: Kind = T::KIND;
    const MINIMUM_SIZE: usize = 1;

    fn write(&self, out: &mut Encoder, form: Form) -> Result<(), EncodeError> {
        match (self, form.nulls) {
            (value, Nulls::Allowed) => T::write_nullable(value.as_ref(), out, form),
            (Some(value), Nulls::Refused) => value.write(out, form),
            (None, Nulls::Refused) => Err(EncodeError::NullNotAllowed {
                field: form.name,
                version: form.version,
            }),
        }
    }

    fn read(input: &mut Decoder, form: Form) -> Result<Self, DecodeError> {
        match form.nulls {
            Nulls::Allowed => T::read_nullable(input, form),
            Nulls::Refused => T::read(input, form).map(Some),
        }
    }
}

macro_rules! fixed_size {
    ($($type:ty, $kind:ident, $write:ident, $read:ident;)*) => {$(
        impl Field for $type {
            const KIND: Kind = Kind::$kind;
            const MINIMUM_SIZE: usize = size_of::<$type>();

            fn write(&self, out: &mut Encoder, _form: Form) -> Result<(), EncodeError> {
                out.$write(*self);
                Ok(())
            }

            fn read(input: &mut Decoder, _form: Form) -> Result<Self, DecodeError> {
                input.$read()
            }
        }
    )*};
}

fixed_size! {
    bool, Bool, write_bool, read_bool;
    i8, Int8, write_i8, read_i8;
    i16, Int16, write_i16, read_i16;
    i32, Int32, write_i32, read_i32;
    i64, Int64, write_i64, read_i64;
    u16, Uint16, write_u16, read_u16;
    u32, Uint32, write_u32, read_u32;
    f64, Float64, write_f64, read_f64;
}

impl Field for Uuid {
    const KIND: Kind = Kind::Uuid;
    const MINIMUM_SIZE: usize = 16;

    fn write(&self, out: &mut Encoder, _form: Form) -> Result<(), EncodeError> {
        out.write_slice(&self.0);
        Ok(())
    }

    fn read(input: &mut Decoder, _form: Form) -> Result<Self, DecodeError> {
        input.read_u128().map(Self::from_u128)
    }
}

/// Types whose value is never null although they have a form for it.
macro_rules! never_null {
    ($type:ty) => {
        fn write(&self, out: &mut Encoder, form: Form) -> Result<(), EncodeError> {
            <$type>::write_nullable(Some(self), out, form)
        }

        fn read(input: &mut Decoder, form: Form) -> Result<Self, DecodeError> {
            <$type>::read_nullable(input, form)?.ok_or_else(|| DecodeProblem::NullNotAllowed.into())
        }
    };
}

impl Field for String {
    const KIND: Kind = Kind::String;
    const MINIMUM_SIZE: usize = 1;
    never_null!(Self);
}

impl Nullable for String {
    fn write_nullable(
        value: Option<&Self>,
        out: &mut Encoder,
        form: Form,
    ) -> Result<(), EncodeError> {
        write_length(value.map(String::len), Width::Short, out, form)?;
        if let Some(text) = value {
            out.write_slice(text.as_bytes());
        }
        Ok(())
    }

    fn read_nullable(input: &mut Decoder, form: Form) -> Result<Option<Self>, DecodeError> {
        let Some(length) = read_length(Width::Short, input, form)? else {
            return Ok(None);
        };
        input.read_text(length).map(Some)
    }
}

impl Field for Bytes {
    const KIND: Kind = Kind::Bytes;
    const MINIMUM_SIZE: usize = 1;
    never_null!(Self);
}

impl Nullable for Bytes {
    fn write_nullable(
        value: Option<&Self>,
        out: &mut Encoder,
        form: Form,
    ) -> Result<(), EncodeError> {
        write_length(value.map(Bytes::len), Width::Long, out, form)?;
        if let Some(bytes) = value {
            out.write_bytes(bytes);
        }
        Ok(())
    }

    fn read_nullable(input: &mut Decoder, form: Form) -> Result<Option<Self>, DecodeError> {
        let Some(length) = read_length(Width::Long, input, form)? else {
            return Ok(None);
        };
        input.read_bytes(length).map(Some)
    }
}

impl<T: Field> Field for Vec<T> {
    const KIND: Kind = Kind::Array(&T::KIND);
    const MINIMUM_SIZE: usize = 1;
    never_null!(Self);
}

impl<T: Field> Nullable for Vec<T> {
    fn write_nullable(
        value: Option<&Self>,
        out: &mut Encoder,
        form: Form,
    ) -> Result<(), EncodeError> {
        write_length(value.map(Vec::len), Width::Long, out, form)?;
        for element in value.into_iter().flatten() {
            element.write(out, form.element())?;
        }
        Ok(())
    }

    fn read_nullable(input: &mut Decoder, form: Form) -> Result<Option<Self>, DecodeError> {
        let Some(length) = read_length(Width::Long, input, form)? else {
            return Ok(None);
        };
        input.admit(length, T::MINIMUM_SIZE, size_of::<T>())?;
        let mut elements = Self::with_capacity(length);
        for _ in 0..length {
            elements.push(T::read(input, form.element())?);
        }
        Ok(Some(elements))
    }
}

impl<T: Message> Field for T {
    const KIND: Kind = Kind::Struct(T::SCHEMA);
    const MINIMUM_SIZE: usize = <T as Message>::MINIMUM_SIZE;

    fn write(&self, out: &mut Encoder, form: Form) -> Result<(), EncodeError> {
        self.encode(out, form.version)
    }

    fn read(input: &mut Decoder, form: Form) -> Result<Self, DecodeError> {
        T::decode(input, form.version)
    }
}

impl<T: Message> Nullable for T {
    fn write_nullable(
        value: Option<&Self>,
        out: &mut Encoder,
        form: Form,
    ) -> Result<(), EncodeError> {
        out.write_i8(match (value, form.place) {
            (Some(_), _) => 1,
            (None, Place::InLine) => -1,
            (None, Place::Tagged) => 0,
        });
        value.map_or(Ok(()), |value| value.write(out, form))
    }

    fn read_nullable(input: &mut Decoder, form: Form) -> Result<Option<Self>, DecodeError> {
        // Kafka reads every negative mark as null and every other as a struct; of a tagged field,
        // only 0 as null.
        let mark = input.read_i8()?;
        let is_null = match form.place {
            Place::InLine => mark < 0,
            Place::Tagged => mark == 0,
        };
        if is_null {
            return Ok(None);
        }
        T::read(input, form).map(Some)
    }
}

/// Kafka's strings are at most 32,767 bytes, whichever way their length is written.
const TEXT_LIMIT: usize = i16::MAX as usize;

/// The width of a classic length: strings have 16 bits, bytes and arrays 32.
#[derive(Debug, Clone, Copy)]
enum Width {
    Short,
    Long,
}

fn write_length(
    length: Option<usize>,
    width: Width,
    out: &mut Encoder,
    form: Form,
) -> Result<(), EncodeError> {
    let too_long = |length| EncodeError::TooLong {
        field: form.name,
        length,
    };
    let limit = match width {
        Width::Short => TEXT_LIMIT,
        Width::Long => i32::MAX as usize - 1,
    };
    if let Some(length) = length.filter(|length| *length > limit) {
        return Err(too_long(length));
    }
    match (form.encoding, width) {
        (Encoding::Compact, _) => {
            out.write_unsigned_varint(length.map_or(0, |length| length as u32 + 1));
        }
        (Encoding::Classic, Width::Short) => {
            out.write_i16(length.map_or(-1, |length| length as i16));
        }
        (Encoding::Classic, Width::Long) => {
            out.write_i32(length.map_or(-1, |length| length as i32));
        }
    }
    Ok(())
}

/// A length, `None` for null; not yet checked against what is left.
fn read_length(
    width: Width,
    input: &mut Decoder,
    form: Form,
) -> Result<Option<usize>, DecodeError> {
    let length = match (form.encoding, width) {
        (Encoding::Compact, _) => i64::from(input.read_unsigned_varint()?) - 1,
        (Encoding::Classic, Width::Short) => i64::from(input.read_i16()?),
        (Encoding::Classic, Width::Long) => i64::from(input.read_i32()?),
    };
    if length == -1 {
        return Ok(None);
    }
    let length = usize::try_from(length).map_err(|_| DecodeProblem::NegativeLength(length))?;
    match width {
        Width::Short if length > TEXT_LIMIT => Err(DecodeProblem::OversizedText(length).into()),
        _ => Ok(Some(length)),
    }
}
