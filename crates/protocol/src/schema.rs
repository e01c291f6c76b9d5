//! A message's description at run time, made by the derive.
//!
//! Owns the table that encoding, decoding and tests walk; never holds a value.

/// The fields of a message in the order of the wire.
#[derive(Debug)]
pub struct Schema {
    pub name: &'static str,
    /// From this version on lengths are compact and tagged fields follow; `None`: never.
    pub first_flexible: Option<i16>,
    pub fields: &'static [FieldSpec],
}

/// One field.
#[derive(Debug)]
pub struct FieldSpec {
    pub name: &'static str,
    pub kind: Kind,
    /// The versions that carry the field.
    pub versions: VersionRange,
    /// The versions at which it may be null.
    pub nullable: VersionRange,
    pub tag: Option<u32>,
    /// The versions at which it is tagged rather than in line.
    pub tagged: VersionRange,
    /// Whether a value is dropped, rather than refused, at a version that cannot carry it.
    pub ignorable: bool,
    /// What the field holds at a version without it, as the attribute says it; empty: the default
    /// of its type.
    pub default: &'static str,
}

/// The type of a field on the wire, apart from whether it may be null.
#[derive(Debug)]
pub enum Kind {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint16,
    Uint32,
    Float64,
    Uuid,
    String,
    Bytes,
    Array(&'static Kind),
    Struct(&'static Schema),
}

/// Versions from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRange {
    first: i16,
    last: i16,
}

impl VersionRange {
    pub const ALWAYS: Self = Self::new(0, i16::MAX);
    pub const NEVER: Self = Self::new(1, 0);

    pub const fn new(first: i16, last: i16) -> Self {
        Self { first, last }
    }

    pub const fn contains(self, version: i16) -> bool {
        self.first <= version && version <= self.last
    }
}
