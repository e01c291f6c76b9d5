//! Aliases of fields: a reader's schema may say by which names older schemas called a field.
//!
//! The crate that resolves schemas accepts aliases when it compares two schemas and passes them over when it reads, so
//! the writer's fields are called by the reader's names before. Bytes have no names: nothing else changes.

use apache_avro::Schema;
use apache_avro::schema::UnionSchema;

/// Calls the fields of `writer` by the names of `reader`, where it has an alias for them.
///
/// Both are walked side by side, as deep as types are written out in both.
pub(super) fn apply(writer: &mut Schema, reader: &Schema) {
    match (writer, reader) {
        (Schema::Record(writer), Schema::Record(reader)) => {
            for wanted in &reader.fields {
                let named =
                    |name: &String| writer.fields.iter().position(|field| field.name == *name);
                let place = named(&wanted.name).or_else(|| wanted.aliases.iter().find_map(named));
                if let Some((place, field)) =
                    place.and_then(|place| Some((place, writer.fields.get_mut(place)?)))
                {
                    field.name.clone_from(&wanted.name);
                    writer.lookup.insert(wanted.name.clone(), place);
                    apply(&mut field.schema, &wanted.schema);
                }
            }
        }
        (Schema::Array(writer), Schema::Array(reader)) => apply(&mut writer.items, &reader.items),
        (Schema::Map(writer), Schema::Map(reader)) => apply(&mut writer.types, &reader.types),
        (Schema::Union(writer), reader) => apply_to_variants(writer, reader),
        (writer @ Schema::Record(_), Schema::Union(reader)) => {
            if let Some(variant) = reader
                .variants()
                .iter()
                .find(|variant| variant.name() == writer.name())
            {
                apply(writer, variant);
            }
        }
        _ => {}
    }
}

/// The same for a union: each record of the writer's is read as the reader's of the same name.
fn apply_to_variants(writer: &mut UnionSchema, reader: &Schema) {
    let mut variants = writer.variants().to_vec();
    for variant in variants
        .iter_mut()
        .filter(|variant| variant.name().is_some())
    {
        match reader {
            Schema::Union(_) => apply(variant, reader),
            reader if reader.name() == variant.name() => apply(variant, reader),
            _ => {}
        }
    }
    if let Ok(named) = UnionSchema::new(variants) {
        *writer = named;
    }
}
