//! A schema, ready to read and write its data: its names are resolved once, and not for each record.
//!
//! What reads and writes borrows the schema, so both are kept in one cell.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::ResolvedSchema;
use apache_avro::writer::datum::GenericDatumWriter;
use self_cell::self_cell;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bounds::Bounds;
use super::failed;
use crate::serde::SerdeError;

/// The schema that data is written with, and the one that its reader has, where that is another.
struct Schemas {
    writer: Schema,
    reader: Option<Schema>,
}

/// What reads and writes.
struct Coders<'s> {
    names: ResolvedSchema<'s>,
    reader: GenericDatumReader<'s>,
    writer: GenericDatumWriter<'s>,
}

self_cell!(
    struct Cell {
        owner: Schemas,
        #[covariant]
        dependent: Coders,
    }
);

/// Data of one schema.
pub(super) struct Datum {
    cell: Cell,
    pub(super) bounds: Bounds,
}

impl Datum {
    /// Data that is written with `writer`, and read as `reader` says where that is another one.
    pub(super) fn new(writer: Schema, reader: Option<Schema>) -> Result<Self, SerdeError> {
        let bounds = Bounds::of(&writer);
        let cell = Cell::try_new(Schemas { writer, reader }, |schemas| {
            let names = ResolvedSchema::new(&schemas.writer)?;
            let reader = GenericDatumReader::builder(&schemas.writer)
                .resolved_writer_schemata(names.clone())
                .maybe_reader_schema(schemas.reader.as_ref())
                .human_readable(false)
                .build()?;
            let writer = GenericDatumWriter::builder(&schemas.writer)
                .resolved_schemata(names.clone())
                .human_readable(false)
                .build()?;
            Ok(Coders {
                names,
                reader,
                writer,
            })
        });
        let cell = cell.map_err(|error: apache_avro::Error| failed(format!("the schema: {error}")));
        Ok(Self {
            cell: cell?,
            bounds,
        })
    }

    /// The schema that it is written with.
    pub(super) fn schema(&self) -> &Schema {
        &self.cell.borrow_owner().writer
    }

    /// Refuses data that would nest too deep or claims too many items.
    pub(super) fn check(&self, bytes: &[u8]) -> Result<(), SerdeError> {
        let names = self.cell.borrow_dependent().names.get_names();
        self.bounds.check(self.schema(), names, bytes)
    }

    /// Appends a value's bytes.
    pub(super) fn write<T: Serialize>(
        &self,
        value: &T,
        into: &mut Vec<u8>,
    ) -> Result<(), SerdeError> {
        let writer = &self.cell.borrow_dependent().writer;
        writer.write_ser(into, value).map(drop).map_err(failed)
    }

    /// Reads a value.
    pub(super) fn read<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, SerdeError> {
        self.check(bytes)?;
        let reader = &self.cell.borrow_dependent().reader;
        let mut rest = bytes;
        let value = if self.cell.borrow_owner().reader.is_none() {
            reader.read_deser(&mut rest).map_err(failed)?
        } else {
            let value = reader.read_value(&mut rest).map_err(failed)?;
            apache_avro::from_value(&value).map_err(failed)?
        };
        match rest.len() {
            0 => Ok(value),
            left => Err(failed(format!(
                "{left} bytes are left behind the value: it has another schema"
            ))),
        }
    }
}
