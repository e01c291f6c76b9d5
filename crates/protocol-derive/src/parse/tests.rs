//! What is accepted, and what the refusals say.

use syn::parse_quote;

use super::*;

fn refusal(input: &DeriveInput) -> String {
    Message::parse(input)
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default()
}

#[test]
fn a_field_without_attributes_is_always_there() {
    let message = Message::parse(&parse_quote! {
        struct Record { name: String, note: Option<String> }
    })
    .unwrap();
    assert!(message.flexible.is_none());
    let [name, note] = &message.fields[..] else {
        panic!("{} fields", message.fields.len());
    };
    assert!(name.versions.is_none() && name.tag.is_none() && name.default.is_none());
    assert!(matches!(name.nullable, Nullable::Never));
    assert!(matches!(note.nullable, Nullable::Always));
}

#[test]
fn ranges_may_be_open_at_either_end_and_ends_may_be_constants() {
    let message = Message::parse(&parse_quote! {
        #[message(flexible = FIRST)]
        struct Record {
            /// With other attributes around.
            #[field(versions = 1..=3, default = -1, ignorable)]
            both: i32,
            #[field(versions = ..=LAST)]
            last: i32,
            #[field(versions = 2.., tag = 1, tagged = 3..)]
            first: std::option::Option<i32>,
        }
    })
    .unwrap();
    let ends: Vec<_> = message
        .fields
        .iter()
        .filter_map(|field| field.versions.as_ref())
        .map(|versions| (versions.first.is_some(), versions.last.is_some()))
        .collect();
    assert_eq!(ends, [(true, true), (false, true), (true, false)]);
    assert!(message.fields[0].ignorable);
    assert!(matches!(message.fields[2].nullable, Nullable::Always));
    let tag = message.fields[2].tag.as_ref().unwrap();
    assert!(tag.number == 1 && tag.versions.is_some());
}

#[test]
fn only_structs_with_names_are_messages() {
    assert_eq!(
        refusal(&parse_quote!(
            enum Record {}
        )),
        "Message can only be derived for a struct"
    );
    assert_eq!(
        refusal(&parse_quote!(
            struct Record(i32);
        )),
        "a message's fields must have names"
    );
    assert_eq!(
        refusal(&parse_quote!(
            struct Record<T> {
                value: T,
            }
        )),
        "a message has no generic parameters"
    );
}

#[test]
fn unknown_and_repeated_attributes_are_refused() {
    assert_eq!(
        refusal(&parse_quote!(
            #[message(version = 3)]
            struct Record {}
        )),
        "expected `flexible = VERSION`"
    );
    assert!(
        refusal(&parse_quote!(
            struct Record {
                #[field(optional)]
                a: i32,
            }
        ))
        .starts_with("expected `versions`, `nullable`")
    );
    assert_eq!(
        refusal(&parse_quote!(
            struct Record {
                #[field(versions = 1.., versions = 2..)]
                a: i32,
            }
        )),
        "given twice"
    );
}

#[test]
fn versions_are_an_inclusive_range() {
    assert_eq!(
        refusal(&parse_quote!(
            struct Record {
                #[field(versions = 3)]
                a: i32,
            }
        )),
        "expected versions: `3..=5`, `3..` or `..=5`"
    );
    assert_eq!(
        refusal(&parse_quote!(
            struct Record {
                #[field(versions = 3..5)]
                a: i32,
            }
        )),
        "the last version is inclusive: write `..=`"
    );
}

#[test]
fn null_needs_an_option() {
    assert_eq!(
        refusal(&parse_quote!(
            struct Record {
                #[field(nullable = 1..)]
                a: String,
            }
        )),
        "only an `Option` can be nullable"
    );
}

#[test]
fn tags_need_a_flexible_struct_and_are_unique() {
    assert!(
        refusal(&parse_quote!(
            struct Record {
                #[field(tag = 0)]
                a: i32,
            }
        ))
        .starts_with("a tagged field needs `#[message(flexible = VERSION)]`")
    );
    assert_eq!(
        refusal(&parse_quote!(
            #[message(flexible = 0)]
            struct Record {
                #[field(tag = 0)]
                a: i32,
                #[field(tag = 0)]
                b: i32,
            }
        )),
        "tag 0 is already `a`'s"
    );
    assert_eq!(
        refusal(&parse_quote!(
            #[message(flexible = 0)]
            struct Record {
                #[field(tagged = 2..)]
                a: i32,
            }
        )),
        "`tagged` needs `tag = NUMBER`"
    );
}

#[test]
fn ignorable_needs_versions_outside_of_which_to_ignore() {
    assert!(
        refusal(&parse_quote!(
            struct Record {
                #[field(ignorable)]
                a: i32,
            }
        ))
        .starts_with("`ignorable` says what happens outside of `versions`")
    );
}
