//! The description of a message into its `Message` and `Default` implementations.
//!
//! Owns the shape of the generated code; never decides what is a valid attribute.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;

use crate::parse::{Field, Message, Nullable, Versions};

/// A table of the fields as a constant, and `encode` and `decode` as one call per field.
pub(crate) fn message(message: &Message) -> TokenStream {
    let name = &message.name;
    let label = name.to_string();
    let count = message.fields.len();
    let specs = message.fields.iter().map(spec);
    let sizes = message.fields.iter().filter_map(minimum_size);
    let flexible = option(message.flexible.as_ref());
    let default = default(message);
    let encode = encode(message);
    let decode = decode(message);
    quote! {
        #default

        const _: () = {
            use ::headwater_protocol::derive as wire;

            const FIELDS: [wire::FieldSpec; #count] = [#(#specs),*];

            impl ::headwater_protocol::Message for #name {
                const SCHEMA: &'static wire::Schema = &wire::Schema {
                    name: #label,
                    first_flexible: #flexible,
                    fields: &FIELDS,
                };
                const MINIMUM_SIZE: usize = 0 #(+ #sizes)*;

                #encode
                #decode
            }
        };
    }
}

fn default(message: &Message) -> TokenStream {
    let name = &message.name;
    let values = message.fields.iter().map(|field| {
        let name = &field.name;
        let value = field.default.as_ref().map_or_else(
            || quote!(::core::default::Default::default()),
            ToTokens::to_token_stream,
        );
        quote!(#name: #value)
    });
    quote! {
        impl ::core::default::Default for #name {
            fn default() -> Self {
                Self { #(#values),* }
            }
        }
    }
}

fn encode(message: &Message) -> TokenStream {
    let specs = spec_names(message);
    let names = message.fields.iter().map(|field| &field.name);
    let tags = by_tag(message).into_iter().map(|(_, spec, field)| {
        let name = &field.name;
        quote!(fields.write_tag(&mut tags, #spec, &self.#name, &defaults.#name)?;)
    });
    let end = if message.fields.iter().any(|field| field.tag.is_some()) {
        quote! {
            let mut tags = wire::Tags::default();
            #(#tags)*
            fields.end_with(out, tags);
        }
    } else {
        quote!(fields.end(out);)
    };
    quote! {
        fn encode(
            &self,
            out: &mut ::headwater_protocol::Encoder,
            version: i16,
        ) -> ::core::result::Result<(), ::headwater_protocol::EncodeError> {
            let [#(#specs),*] = &FIELDS;
            let defaults = <Self as ::core::default::Default>::default();
            let fields = wire::Fields::of::<Self>(version);
            #(fields.write(out, #specs, &self.#names, &defaults.#names)?;)*
            #end
            ::core::result::Result::Ok(())
        }
    }
}

fn decode(message: &Message) -> TokenStream {
    let specs = spec_names(message);
    let names = message.fields.iter().map(|field| &field.name);
    let tags = by_tag(message).into_iter().map(|(number, spec, field)| {
        let name = &field.name;
        quote!(#number => fields.read_tag(value, #spec, &mut message.#name),)
    });
    let end = if message.fields.iter().any(|field| field.tag.is_some()) {
        quote! {
            fields.read_tags(input, &mut |tag, value| match tag {
                #(#tags)*
                _ => wire::skip(value),
            })?;
        }
    } else {
        quote!(fields.read_tags(input, &mut |_, value| wire::skip(value))?;)
    };
    quote! {
        fn decode(
            input: &mut ::headwater_protocol::Decoder,
            version: i16,
        ) -> ::core::result::Result<Self, ::headwater_protocol::DecodeError> {
            let [#(#specs),*] = &FIELDS;
            let mut message = <Self as ::core::default::Default>::default();
            let fields = wire::Fields::of::<Self>(version);
            #(fields.read(input, #specs, &mut message.#names)?;)*
            #end
            ::core::result::Result::Ok(message)
        }
    }
}

/// The entry of one field in the table.
fn spec(field: &Field) -> TokenStream {
    let name = field.name.unraw().to_string();
    let ty = &field.ty;
    let versions = range(field.versions.as_ref());
    let nullable = match &field.nullable {
        Nullable::Never => quote!(wire::VersionRange::NEVER),
        Nullable::Always => quote!(wire::VersionRange::ALWAYS),
        Nullable::At(versions) => range(Some(versions.as_ref())),
    };
    let tag = option(field.tag.as_ref().map(|tag| tag.number).as_ref());
    let tagged = field.tag.as_ref().map_or_else(
        || quote!(wire::VersionRange::NEVER),
        |tag| range(tag.versions.as_ref().or(field.versions.as_ref())),
    );
    let ignorable = field.ignorable;
    let default = field
        .default
        .as_ref()
        .map_or_else(String::new, |default| default.to_token_stream().to_string());
    quote! {
        wire::FieldSpec {
            name: #name,
            kind: <#ty as wire::Field>::KIND,
            versions: #versions,
            nullable: #nullable,
            tag: #tag,
            tagged: #tagged,
            ignorable: #ignorable,
            default: #default,
        }
    }
}

fn range(versions: Option<&Versions>) -> TokenStream {
    let Some(versions) = versions else {
        return quote!(wire::VersionRange::ALWAYS);
    };
    let first = versions
        .first
        .as_ref()
        .map_or_else(|| quote!(0), ToTokens::to_token_stream);
    let last = versions
        .last
        .as_ref()
        .map_or_else(|| quote!(i16::MAX), ToTokens::to_token_stream);
    quote!(wire::VersionRange::new(#first, #last))
}

fn option(value: Option<&impl ToTokens>) -> TokenStream {
    value.map_or_else(
        || quote!(::core::option::Option::None),
        |value| quote!(::core::option::Option::Some(#value)),
    )
}

/// What the field takes at the least, if it is there at every version.
fn minimum_size(field: &Field) -> Option<TokenStream> {
    let ty = &field.ty;
    (field.versions.is_none() && field.tag.is_none())
        .then(|| quote!(<#ty as wire::Field>::MINIMUM_SIZE))
}

/// `spec_<field>`: names for the entries of the table.
fn spec_names(message: &Message) -> Vec<proc_macro2::Ident> {
    message
        .fields
        .iter()
        .map(|field| quote::format_ident!("spec_{}", field.name))
        .collect()
}

/// The tagged fields in the order of the wire, which is that of their numbers.
fn by_tag(message: &Message) -> Vec<(u32, proc_macro2::Ident, &Field)> {
    let mut tagged: Vec<_> = message
        .fields
        .iter()
        .zip(spec_names(message))
        .filter_map(|(field, spec)| field.tag.as_ref().map(|tag| (tag.number, spec, field)))
        .collect();
    tagged.sort_by_key(|(number, _, _)| *number);
    tagged
}
