//! What the two halves of a foreign-key join write to each other: subscriptions one way, responses the other.
//!
//! The formats are the application's own, between its instances; only partitions are Kafka Streams'. A version that
//! is unknown is an error: instances of an older program have to be stopped first.

use bytes::Bytes;

use crate::partitioner::murmur3;
use crate::serde::{Payload, Serde, SerdeError};

const VERSION: u8 = 1;

/// The hash of a value's bytes: tells whether a response still answers the value that the row has now.
pub(super) type ValueHash = [u8; 16];

/// The hash of a value's bytes.
pub(super) fn hash(bytes: &[u8]) -> ValueHash {
    let [high, low] = murmur3(bytes);
    ((u128::from(high) << 64) | u128::from(low)).to_be_bytes()
}

/// What becomes of a subscription, and whether the row's table hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instruction {
    /// The row has another foreign key now, and that one answers.
    DeleteAndSayNothing = 0,
    /// The row is gone, or has no foreign key any more: so is the result.
    DeleteAndRespond = 1,
    /// Answer in any case: there may be a result that has to go.
    SubscribeAndRespond = 2,
    /// Answer if there is a row of that key.
    SubscribeAndRespondIfFound = 3,
}

/// A row's question for the row of its foreign key.
///
/// ```text
/// version(1) instruction(1) partition(4) 0(1)          primary key     the row is deleted
/// version(1) instruction(1) partition(4) 1(1) hash(16) primary key
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) instruction: Instruction,
    /// Of the row's value; none if the row is deleted.
    pub(super) hash: Option<ValueHash>,
    /// The partition that the row's task works on.
    pub(super) partition: i32,
    pub(super) primary_key: Bytes,
}

/// The answer to a subscription.
///
/// ```text
/// version(1) 0(1) | 1(1) hash(16)   then   0(1) | 1(1) value of the foreign key's row
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) hash: Option<ValueHash>,
    /// The value of the foreign key's row, if there is one.
    pub(super) foreign: Option<Bytes>,
    /// Where it goes; not written.
    pub(super) partition: i32,
}

pub(super) struct SubscriptionSerde;

pub(super) struct ResponseSerde;

const SUBSCRIPTION: &str = "foreign-key subscription";
const RESPONSE: &str = "foreign-key response";

impl Serde<Subscription> for SubscriptionSerde {
    fn serialize(
        &self,
        _: &str,
        value: &Subscription,
        into: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        into.extend_from_slice(&[VERSION, value.instruction as u8]);
        into.extend_from_slice(&value.partition.to_be_bytes());
        write_hash(value.hash.as_ref(), into);
        into.extend_from_slice(&value.primary_key);
        Ok(Payload::Bytes)
    }

    fn deserialize(&self, _: &str, bytes: &[u8]) -> Result<Subscription, SerdeError> {
        let rest = versioned(SUBSCRIPTION, bytes)?;
        read_subscription(rest).ok_or_else(|| malformed(SUBSCRIPTION))
    }
}

impl Serde<Response> for ResponseSerde {
    fn serialize(
        &self,
        _: &str,
        value: &Response,
        into: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        into.push(VERSION);
        write_hash(value.hash.as_ref(), into);
        into.push(u8::from(value.foreign.is_some()));
        into.extend_from_slice(value.foreign.as_deref().unwrap_or_default());
        Ok(Payload::Bytes)
    }

    fn deserialize(&self, _: &str, bytes: &[u8]) -> Result<Response, SerdeError> {
        let rest = versioned(RESPONSE, bytes)?;
        read_response(rest).ok_or_else(|| malformed(RESPONSE))
    }
}

fn write_hash(hash: Option<&ValueHash>, into: &mut Vec<u8>) {
    into.push(u8::from(hash.is_some()));
    into.extend_from_slice(hash.map_or(&[], |hash| hash.as_slice()));
}

fn read_hash(bytes: &[u8]) -> Option<(Option<ValueHash>, &[u8])> {
    match bytes.split_first()? {
        (0, rest) => Some((None, rest)),
        (1, rest) => {
            let (hash, rest) = rest.split_first_chunk::<16>()?;
            Some((Some(*hash), rest))
        }
        _ => None,
    }
}

fn versioned<'a>(what: &'static str, bytes: &'a [u8]) -> Result<&'a [u8], SerdeError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(rest),
        Some((version, _)) => Err(SerdeError::new(
            what,
            format!(
                "version {version} is not known, only {VERSION}: stop the instances of the other program first"
            ),
        )),
        None => Err(malformed(what)),
    }
}

fn malformed(what: &'static str) -> SerdeError {
    SerdeError::new(what, "the bytes end early, or have an unknown tag")
}

fn read_subscription(bytes: &[u8]) -> Option<Subscription> {
    let (tag, rest) = bytes.split_first()?;
    let instruction = [
        Instruction::DeleteAndSayNothing,
        Instruction::DeleteAndRespond,
        Instruction::SubscribeAndRespond,
        Instruction::SubscribeAndRespondIfFound,
    ]
    .into_iter()
    .find(|instruction| *instruction as u8 == *tag)?;
    let (partition, rest) = rest.split_first_chunk::<4>()?;
    let (hash, primary_key) = read_hash(rest)?;
    Some(Subscription {
        instruction,
        hash,
        partition: i32::from_be_bytes(*partition),
        primary_key: Bytes::copy_from_slice(primary_key),
    })
}

fn read_response(bytes: &[u8]) -> Option<Response> {
    let (hash, rest) = read_hash(bytes)?;
    let foreign = match rest.split_first()? {
        (0, _) => None,
        (1, value) => Some(Bytes::copy_from_slice(value)),
        _ => return None,
    };
    Some(Response {
        hash,
        foreign,
        partition: -1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_and_responses_come_back_as_they_were() {
        for hash in [None, Some(hash(b"value"))] {
            let subscription = Subscription {
                instruction: Instruction::SubscribeAndRespond,
                hash,
                partition: 7,
                primary_key: Bytes::from_static(b"order-1"),
            };
            let mut bytes = Vec::new();
            assert!(
                SubscriptionSerde
                    .serialize("", &subscription, &mut bytes)
                    .is_ok()
            );
            assert_eq!(
                SubscriptionSerde.deserialize("", &bytes).ok(),
                Some(subscription)
            );
            for foreign in [None, Some(Bytes::new()), Some(Bytes::from_static(b"x"))] {
                let response = Response {
                    hash,
                    foreign,
                    partition: -1,
                };
                let mut bytes = Vec::new();
                assert!(ResponseSerde.serialize("", &response, &mut bytes).is_ok());
                assert_eq!(ResponseSerde.deserialize("", &bytes).ok(), Some(response));
            }
        }
    }

    #[test]
    fn bytes_of_another_version_or_that_end_early_are_an_error() {
        for bytes in [
            &[][..],
            &[2, 0, 0],
            &[1],
            &[1, 9, 0, 0, 0, 0, 0],
            &[1, 1, 5],
        ] {
            assert!(
                SubscriptionSerde.deserialize("", bytes).is_err(),
                "{bytes:?}"
            );
            assert!(ResponseSerde.deserialize("", bytes).is_err(), "{bytes:?}");
        }
    }
}
