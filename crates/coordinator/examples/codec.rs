//! Our wire formats for comparison with Kafka's own, which `cargo xtask compat --only codec` does.
//!
//! - `describe`: every message and persisted record as a line of JSON.
//! - `sample SEED COUNT`: random ones at each version, `name version bytes` a line.
//! - `recode`: reads such lines and writes the bytes that this codec makes of each.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::fmt::Write;
use std::io::{self, BufWriter, Write as _};
use std::ops::RangeInclusive;

use bytes::Bytes;
use headwater_coordinator as coordinator;
use headwater_protocol::messages;
use headwater_protocol::messages::consumer_protocol;
use headwater_protocol::{
    Decoder, Encoder, FieldSpec, Kind, Message, Request, Schema, VersionRange,
};

#[path = "../../protocol/tests/it/apis.rs"]
mod apis;
#[path = "../../protocol/tests/it/sample.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    reason = "shared with the tests of the protocol"
)]
mod sample;

use apis::every_api;

/// A message, by the name of Kafka's schema.
struct Format {
    name: &'static str,
    versions: RangeInclusive<i16>,
    schema: &'static Schema,
    recode: fn(Bytes, i16) -> Result<Bytes, Box<dyn Error>>,
    sample: fn(i16, &[u8]) -> Vec<u8>,
}

impl Format {
    fn of<M: Message>(name: &'static str, versions: RangeInclusive<i16>) -> Self {
        Self {
            name,
            versions,
            schema: M::SCHEMA,
            recode: recode::<M>,
            sample: sample::encoded::<M>,
        }
    }
}

macro_rules! requests_and_responses {
    ($($module:ident $request:ident $response:ident;)*) => {
        vec![$(
            Format::of::<messages::$module::$request>(
                stringify!($request),
                messages::$module::$request::VERSIONS,
            ),
            Format::of::<messages::$module::$response>(
                stringify!($response),
                messages::$module::$request::VERSIONS,
            ),
        )*]
    };
}

fn formats() -> Vec<Format> {
    let mut formats = every_api!(requests_and_responses);
    formats.extend([
        Format::of::<consumer_protocol::ConsumerProtocolSubscription>(
            "ConsumerProtocolSubscription",
            0..=3,
        ),
        Format::of::<consumer_protocol::ConsumerProtocolAssignment>(
            "ConsumerProtocolAssignment",
            0..=3,
        ),
        Format::of::<coordinator::OffsetCommitKey>("OffsetCommitKey", 0..=0),
        Format::of::<coordinator::OffsetCommitValue>("OffsetCommitValue", 0..=4),
        Format::of::<coordinator::GroupMetadata>("GroupMetadataValue", 0..=4),
        Format::of::<coordinator::ConsumerGroupMetadata>("ConsumerGroupMetadataValue", 0..=0),
        Format::of::<coordinator::ConsumerGroupPartitionMetadata>(
            "ConsumerGroupPartitionMetadataValue",
            0..=0,
        ),
        Format::of::<coordinator::ConsumerGroupMemberMetadata>(
            "ConsumerGroupMemberMetadataValue",
            0..=0,
        ),
        Format::of::<coordinator::TargetAssignmentMetadata>(
            "ConsumerGroupTargetAssignmentMetadataValue",
            0..=0,
        ),
        Format::of::<coordinator::TargetAssignmentMember>(
            "ConsumerGroupTargetAssignmentMemberValue",
            0..=0,
        ),
        Format::of::<coordinator::CurrentMemberAssignment>(
            "ConsumerGroupCurrentMemberAssignmentValue",
            0..=0,
        ),
        Format::of::<coordinator::ResolvedTopics>("ConsumerGroupRegularExpressionValue", 0..=0),
        Format::of::<coordinator::TransactionLogValue>("TransactionLogValue", 0..=1),
    ]);
    formats
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["describe"] => formats().iter().for_each(describe),
        ["sample", seed, count] => print_samples(seed.parse()?, count.parse()?)?,
        ["recode"] => recode_lines()?,
        _ => return Err("expected: describe | sample SEED COUNT | recode".into()),
    }
    Ok(())
}

fn describe(format: &Format) {
    let (first, last) = (format.versions.start(), format.versions.end());
    let mut fields = String::new();
    describe_fields(format.schema, &mut fields);
    let flexible = format.schema.first_flexible.unwrap_or(i16::MAX);
    println!(
        r#"{{"name":"{}","first":{first},"last":{last},"flexible":{flexible},"fields":{fields}}}"#,
        format.name
    );
}

fn describe_fields(schema: &Schema, out: &mut String) {
    out.push('[');
    for (index, field) in schema.fields.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        describe_field(field, out);
    }
    out.push(']');
}

fn describe_field(field: &FieldSpec, out: &mut String) {
    let tag = field.tag.map_or(-1, i64::from);
    // Into a String, which never fails.
    let _ = write!(
        out,
        r#"{{"name":"{}","type":"{}","versions":{},"nullable":{},"tagged":{},"tag":{tag},"ignorable":{},"default":"{}","#,
        field.name,
        kind(&field.kind),
        versions(field.versions),
        versions(field.nullable),
        versions(field.tagged),
        field.ignorable,
        field.default,
    );
    out.push_str(r#""fields":"#);
    match &field.kind {
        Kind::Struct(schema) | Kind::Array(Kind::Struct(schema)) => {
            let flexible = schema.first_flexible.unwrap_or(i16::MAX);
            describe_fields(schema, out);
            let _ = write!(out, r#","flexible":{flexible}"#);
        }
        _ => out.push_str("[]"),
    }
    out.push('}');
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Array(element) => format!("[]{}", self::kind(element)),
        Kind::Struct(_) => "struct".to_owned(),
        scalar => format!("{scalar:?}").to_lowercase(),
    }
}

/// Those of the first 32, which no message has yet.
fn versions(range: VersionRange) -> String {
    let versions: Vec<_> = (0..32)
        .filter(|version| range.contains(*version))
        .map(|version| version.to_string())
        .collect();
    format!("[{}]", versions.join(","))
}

fn print_samples(seed: u64, count: u32) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut state = seed;
    for format in formats() {
        for version in format.versions.clone() {
            for number in 0..count {
                let entropy = entropy(&mut state, number);
                let bytes = (format.sample)(version, &entropy);
                writeln!(out, "{} {version} {}", format.name, to_hex(&bytes))?;
            }
        }
    }
    out.flush()
}

/// Every other one large. By `SplitMix64`: the same seed, the same bytes.
fn entropy(state: &mut u64, number: u32) -> Vec<u8> {
    let words = if number.is_multiple_of(2) { 5 } else { 120 };
    let mut bytes = Vec::new();
    for _ in 0..words {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = *state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend((word ^ (word >> 31)).to_le_bytes());
    }
    bytes
}

fn recode_lines() -> Result<(), Box<dyn Error>> {
    let formats = formats();
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lines() {
        let line = line?;
        let mut words = line.split(' ');
        let (name, version, hex) = (words.next(), words.next(), words.next());
        let format = formats
            .iter()
            .find(|format| Some(format.name) == name)
            .ok_or_else(|| format!("no message is called {name:?}"))?;
        let version: i16 = version.ok_or("no version")?.parse()?;
        let bytes = from_hex(hex.ok_or("no bytes")?)?;
        match (format.recode)(bytes.into(), version) {
            Ok(bytes) => writeln!(out, "{}", to_hex(&bytes))?,
            Err(error) => writeln!(out, "{error}")?,
        }
    }
    Ok(out.flush()?)
}

fn recode<M: Message>(bytes: Bytes, version: i16) -> Result<Bytes, Box<dyn Error>> {
    let mut input = Decoder::new(bytes);
    let message = M::decode(&mut input, version)?;
    input.finish()?;
    let mut out = Encoder::new();
    message.encode(&mut out, version)?;
    Ok(out.into_bytes())
}

fn to_hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

fn from_hex(hex: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?))
        .collect()
}
