//! Bounds of Avro data: how deep, and how many items.
//!
//! Avro's bytes can make a reader of a recursive schema nest as deep as they are long, and a few bytes can claim
//! millions of items that have no bytes of their own. The crate that reads them has no limit to the first, so data of
//! schemas that allow either is walked once before it is read.

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, NamesRef, UuidSchema};

use super::failed;
use crate::serde::SerdeError;

/// How deep data may be nested.
const MAX_DEPTH: usize = 64;

/// How many items data may have beyond one per byte.
const MAX_EMPTY_ITEMS: usize = 10_000;

/// Whether data of a schema has to be walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bounds {
    /// Depth and size of the data are bounded by the schema and by the number of bytes.
    BySchema,
    /// They are not.
    ByWalk,
}

impl Bounds {
    pub(super) fn of(schema: &Schema) -> Self {
        if needs_walk(schema, None, &mut Vec::new(), 0) {
            Self::ByWalk
        } else {
            Self::BySchema
        }
    }

    /// Refuses data that would nest too deep or claims too many items; `names` are those that the schema defines.
    pub(super) fn check(
        self,
        schema: &Schema,
        names: &NamesRef<'_>,
        bytes: &[u8],
    ) -> Result<(), SerdeError> {
        if self == Self::BySchema {
            return Ok(());
        }
        let mut walk = Walk {
            rest: bytes,
            names,
            items_left: bytes.len() + MAX_EMPTY_ITEMS,
        };
        walk.value(schema, None, 0).map_err(failed)
    }
}

/// Whether a schema is recursive, nests deep itself, or has arrays of items that may have no bytes.
///
/// A type is defined before it is used again, so only a name that is used within its own definition makes a cycle;
/// `around` has the names of the definitions that `schema` is in.
fn needs_walk(
    schema: &Schema,
    namespace: Option<&str>,
    around: &mut Vec<Name>,
    depth: usize,
) -> bool {
    if depth > MAX_DEPTH {
        return true;
    }
    let mut within = |schema: &Schema| needs_walk(schema, namespace, around, depth + 1);
    match schema {
        Schema::Ref { name } => around.contains(&name.fully_qualified_name(namespace)),
        Schema::Array(array) => may_be_empty(&array.items) || within(&array.items),
        Schema::Map(map) => within(&map.types),
        Schema::Union(union) => union.variants().iter().any(within),
        Schema::Record(record) => {
            let name = record.name.fully_qualified_name(namespace).into_owned();
            let namespace = name.namespace().map(str::to_owned);
            around.push(name);
            let mut fields = record.fields.iter();
            let found = fields
                .any(|field| needs_walk(&field.schema, namespace.as_deref(), around, depth + 1));
            around.pop();
            found
        }
        _ => false,
    }
}

/// Whether a value may have no bytes.
fn may_be_empty(schema: &Schema) -> bool {
    match schema {
        Schema::Null => true,
        Schema::Fixed(fixed) => fixed.size == 0,
        Schema::Record(record) => record
            .fields
            .iter()
            .all(|field| may_be_empty(&field.schema)),
        _ => false,
    }
}

struct Walk<'a> {
    rest: &'a [u8],
    names: &'a NamesRef<'a>,
    items_left: usize,
}

impl Walk<'_> {
    fn value(
        &mut self,
        schema: &Schema,
        namespace: Option<&str>,
        depth: usize,
    ) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("the data is nested more than {MAX_DEPTH} deep"));
        }
        match schema {
            Schema::Null => Ok(()),
            Schema::Boolean => self.skip(1),
            Schema::Float => self.skip(4),
            Schema::Double => self.skip(8),
            Schema::Bytes
            | Schema::String
            | Schema::BigDecimal
            | Schema::Uuid(UuidSchema::String | UuidSchema::Bytes) => self.skip_counted(),
            Schema::Uuid(UuidSchema::Fixed(fixed))
            | Schema::Fixed(fixed)
            | Schema::Duration(fixed) => self.skip(fixed.size),
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => self.skip_counted(),
                InnerDecimalSchema::Fixed(fixed) => self.skip(fixed.size),
            },
            Schema::Array(array) => self.blocks(None, &array.items, namespace, depth),
            Schema::Map(map) => self.blocks(Some(&Schema::String), &map.types, namespace, depth),
            Schema::Union(union) => {
                let variant = usize::try_from(self.number()?).ok();
                let variant = variant.and_then(|variant| union.variants().get(variant));
                let variant = variant.ok_or("a union has no such variant")?;
                self.value(variant, namespace, depth + 1)
            }
            Schema::Record(record) => {
                let name = record.name.fully_qualified_name(namespace);
                for field in &record.fields {
                    self.value(&field.schema, name.namespace(), depth + 1)?;
                }
                Ok(())
            }
            Schema::Ref { name } => {
                let name = name.fully_qualified_name(namespace);
                let schema = *self
                    .names
                    .get(&*name)
                    .ok_or("a name that the schema does not define")?;
                self.value(schema, name.namespace(), depth + 1)
            }
            // The other types are numbers of one kind or another.
            _ => self.number().map(drop),
        }
    }

    /// The items of an array, or with keys those of a map: blocks, each behind its count, until one of none. A count
    /// below zero is followed by the block's size in bytes.
    fn blocks(
        &mut self,
        key: Option<&Schema>,
        item: &Schema,
        namespace: Option<&str>,
        depth: usize,
    ) -> Result<(), String> {
        loop {
            let count = match self.number()? {
                0 => return Ok(()),
                count @ 1.. => count.unsigned_abs(),
                count => {
                    self.number()?;
                    count.unsigned_abs()
                }
            };
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            self.items_left = self
                .items_left
                .checked_sub(count)
                .ok_or_else(|| format!("{count} items, which is more than the data can have"))?;
            for _ in 0..count {
                if let Some(key) = key {
                    self.value(key, None, depth + 1)?;
                }
                self.value(item, namespace, depth + 1)?;
            }
        }
    }

    fn skip(&mut self, length: usize) -> Result<(), String> {
        let (_, rest) = self.rest.split_at_checked(length).ok_or_else(|| {
            let left = self.rest.len();
            format!("{length} bytes, where {left} are left")
        })?;
        self.rest = rest;
        Ok(())
    }

    fn skip_counted(&mut self) -> Result<(), String> {
        let length = self.number()?;
        let length = usize::try_from(length).map_err(|_| format!("a length of {length}"))?;
        self.skip(length)
    }

    /// A zig-zag varint of at most ten bytes.
    fn number(&mut self) -> Result<i64, String> {
        let mut number = 0_u64;
        for place in 0..10 {
            let (byte, rest) = self
                .rest
                .split_first()
                .ok_or("the data ends within a number")?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        Err("a number of more than ten bytes".to_owned())
    }
}
