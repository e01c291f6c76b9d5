//! Attributes into a description of the message. Every refusal points at the token it is about.
//!
//! Owns what is accepted; never generates code.

use std::collections::BTreeMap;

use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Expr, Fields, Ident, LitInt, RangeLimits, Result, Type};

/// A struct to be encoded and decoded.
pub(crate) struct Message {
    pub(crate) name: Ident,
    pub(crate) flexible: Option<Expr>,
    pub(crate) fields: Vec<Field>,
}

/// One field, in the order of the wire.
pub(crate) struct Field {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) versions: Option<Versions>,
    pub(crate) nullable: Nullable,
    pub(crate) tag: Option<Tag>,
    pub(crate) default: Option<Expr>,
    pub(crate) ignorable: bool,
}

/// When a field may be null.
pub(crate) enum Nullable {
    Never,
    Always,
    At(Box<Versions>),
}

/// The number of a tagged field, and when it is tagged (left out: whenever it is there).
pub(crate) struct Tag {
    pub(crate) number: u32,
    pub(crate) versions: Option<Versions>,
}

/// The ends of `a..=b`, `a..` or `..=b`; both inclusive.
pub(crate) struct Versions {
    pub(crate) first: Option<Expr>,
    pub(crate) last: Option<Expr>,
}

impl Message {
    pub(crate) fn parse(input: &DeriveInput) -> Result<Self> {
        let Data::Struct(data) = &input.data else {
            return Err(Error::new(
                input.span(),
                "Message can only be derived for a struct",
            ));
        };
        if !input.generics.params.is_empty() {
            return Err(Error::new(
                input.generics.span(),
                "a message has no generic parameters",
            ));
        }
        let fields = match &data.fields {
            Fields::Named(named) => named
                .named
                .iter()
                .map(Field::parse)
                .collect::<Result<Vec<_>>>()?,
            Fields::Unit => Vec::new(),
            Fields::Unnamed(unnamed) => {
                return Err(Error::new(
                    unnamed.span(),
                    "a message's fields must have names",
                ));
            }
        };
        let mut flexible = None;
        for attribute in input.attrs.iter().filter(|a| a.path().is_ident("message")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("flexible") {
                    set(&mut flexible, meta.value()?.parse()?, &meta)
                } else {
                    Err(meta.error("expected `flexible = VERSION`"))
                }
            })?;
        }
        let message = Self {
            name: input.ident.clone(),
            flexible,
            fields,
        };
        message.check_tags()?;
        Ok(message)
    }

    fn check_tags(&self) -> Result<()> {
        let mut seen = BTreeMap::new();
        for field in &self.fields {
            let Some(tag) = &field.tag else { continue };
            if self.flexible.is_none() {
                return Err(Error::new(
                    field.name.span(),
                    "a tagged field needs `#[message(flexible = VERSION)]` on its struct",
                ));
            }
            if let Some(other) = seen.insert(tag.number, &field.name) {
                return Err(Error::new(
                    field.name.span(),
                    format!("tag {} is already `{other}`'s", tag.number),
                ));
            }
        }
        Ok(())
    }
}

impl Field {
    fn parse(field: &syn::Field) -> Result<Self> {
        let name = field
            .ident
            .clone()
            .ok_or_else(|| Error::new(field.span(), "a message's fields must have names"))?;
        let (mut versions, mut nullable, mut number, mut tagged, mut default) =
            (None, None, None::<LitInt>, None, None);
        let mut ignorable = None;
        for attribute in field.attrs.iter().filter(|a| a.path().is_ident("field")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("versions") {
                    set(&mut versions, Versions::parse(&meta)?, &meta)
                } else if meta.path.is_ident("nullable") {
                    set(&mut nullable, Versions::parse(&meta)?, &meta)
                } else if meta.path.is_ident("tag") {
                    set(&mut number, meta.value()?.parse()?, &meta)
                } else if meta.path.is_ident("tagged") {
                    set(&mut tagged, Versions::parse(&meta)?, &meta)
                } else if meta.path.is_ident("default") {
                    set(&mut default, meta.value()?.parse()?, &meta)
                } else if meta.path.is_ident("ignorable") {
                    set(&mut ignorable, (), &meta)
                } else {
                    Err(meta.error(
                        "expected `versions`, `nullable`, `tag`, `tagged`, `default` or `ignorable`",
                    ))
                }
            })?;
        }
        let nullable = match (nullable, is_option(&field.ty)) {
            (None, true) => Nullable::Always,
            (None, false) => Nullable::Never,
            (Some(versions), true) => Nullable::At(Box::new(versions)),
            (Some(_), false) => {
                return Err(Error::new(
                    field.ty.span(),
                    "only an `Option` can be nullable",
                ));
            }
        };
        let tag = match (number, tagged) {
            (Some(number), versions) => Some(Tag {
                number: number.base10_parse()?,
                versions,
            }),
            (None, None) => None,
            (None, Some(_)) => {
                return Err(Error::new(name.span(), "`tagged` needs `tag = NUMBER`"));
            }
        };
        if ignorable.is_some() && versions.is_none() {
            return Err(Error::new(
                name.span(),
                "`ignorable` says what happens outside of `versions`, which is missing",
            ));
        }
        Ok(Self {
            name,
            ty: field.ty.clone(),
            versions,
            nullable,
            tag,
            default,
            ignorable: ignorable.is_some(),
        })
    }
}

impl Versions {
    fn parse(meta: &ParseNestedMeta<'_>) -> Result<Self> {
        let expression: Expr = meta.value()?.parse()?;
        let Expr::Range(range) = expression else {
            return Err(Error::new(
                expression.span(),
                "expected versions: `3..=5`, `3..` or `..=5`",
            ));
        };
        if let (RangeLimits::HalfOpen(_), Some(end)) = (&range.limits, &range.end) {
            return Err(Error::new(
                end.span(),
                "the last version is inclusive: write `..=`",
            ));
        }
        Ok(Self {
            first: range.start.map(|expression| *expression),
            last: range.end.map(|expression| *expression),
        })
    }
}

fn set<T>(slot: &mut Option<T>, value: T, meta: &ParseNestedMeta<'_>) -> Result<()> {
    if slot.replace(value).is_some() {
        return Err(meta.error("given twice"));
    }
    Ok(())
}

fn is_option(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Option"))
}

#[cfg(test)]
mod tests;
