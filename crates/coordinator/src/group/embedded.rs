//! What classic consumers put into their joins and get in their syncs: a format of theirs inside of
//! the protocol's bytes, which the coordinator reads where it has to.
//!
//! A version of 16 bits comes first; newer versions begin like the ones known here.

use bytes::Bytes;
use headwater_protocol::messages::consumer_protocol::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription,
};
use headwater_protocol::{Decoder, Encoder, Message};

/// The protocol type of consumers; others (Connect's, for one) have formats of their own.
pub(super) const CONSUMER: &str = "consumer";
/// The newest version of both formats.
const NEWEST: i16 = 3;

/// `None`: it is not in this format.
pub(super) fn read_subscription(metadata: &Bytes) -> Option<ConsumerProtocolSubscription> {
    read(metadata)
}

/// `None`: it is not in this format.
pub(super) fn read_assignment(assignment: &Bytes) -> Option<ConsumerProtocolAssignment> {
    read(assignment)
}

fn read<T: Message>(bytes: &Bytes) -> Option<T> {
    let version = version_of(bytes)?;
    let mut input = Decoder::new(bytes.slice(2..));
    T::decode(&mut input, version).ok()
}

/// The version of what a member sent, which is also that of what it is to get.
pub(super) fn version_of(bytes: &Bytes) -> Option<i16> {
    let version = i16::from_be_bytes(bytes.get(..2)?.try_into().ok()?);
    (version >= 0).then_some(version.min(NEWEST))
}

/// Fails only for text that the format cannot hold, which topic names are too short for.
pub(super) fn write_assignment(version: i16, assignment: &ConsumerProtocolAssignment) -> Bytes {
    let mut out = Encoder::new();
    out.write_i16(version);
    match assignment.encode(&mut out, version) {
        Ok(()) => out.into_bytes(),
        Err(_) => Bytes::new(),
    }
}
