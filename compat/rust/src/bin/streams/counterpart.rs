//! Changelog and repartition topics that Kafka Streams and headwater-streams call or lay out differently, and what of
//! them can be compared all the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::compare::{self, Differences, Read};

/// A topic of its own that Kafka Streams calls otherwise than headwater-streams.
#[derive(Clone, Copy)]
pub(crate) struct Counterpart<'a> {
    java: &'a str,
    pub(crate) ours: &'a str,
    /// How many bytes at the end of a key only tell records of equal key and time apart, by numbers of each one's own.
    java_number: usize,
    our_number: usize,
    /// How many bytes before our key only order it.
    our_order: usize,
    /// How far behind the newest a record is seen, in milliseconds: Kafka Streams also stores some that never are.
    seen_ms: Option<i64>,
}

impl<'a> Counterpart<'a> {
    /// One whose keys are the same bytes.
    const fn alike(java: &'a str, ours: &'a str) -> Self {
        Self {
            java,
            ours,
            java_number: 0,
            our_number: 0,
            our_order: 0,
            seen_ms: None,
        }
    }

    /// Changes that are held back: ours lie in the order of their time.
    const fn suppressed(java: &'a str, ours: &'a str) -> Self {
        Self {
            our_number: 4,
            our_order: 9,
            ..Self::alike(java, ours)
        }
    }

    /// The records of one side.
    const fn side(java: &'a str, ours: &'a str) -> Self {
        Self {
            java_number: 4,
            our_number: 4,
            seen_ms: Some(10_000),
            ..Self::alike(java, ours)
        }
    }

    /// The records that wait for a partner: Kafka Streams has a list of those of equal key and time.
    const fn waiting(java: &'a str) -> Self {
        Self {
            our_number: 4,
            ..Self::alike(java, "joined-unjoined-changelog")
        }
    }
}

impl<'a> Counterpart<'a> {
    /// What there is of Kafka Streams' topic among the `others`: Kafka Streams, too, when it is compared with itself.
    pub(crate) fn of(java: &'a str, others: &BTreeSet<&str>) -> Self {
        if others.contains(java) {
            return Self::alike(java, java);
        }
        let known = COUNTERPARTS.iter().find(|known| known.java == java);
        known.copied().unwrap_or(Self::alike(java, java))
    }

    /// Compares the records of Kafka Streams' topic with those of the other.
    pub(crate) fn compare(&self, java: &[Read], other: &[Read]) -> Differences {
        let unseen = self.unseen(java);
        let java = comparable(java, 0, self.java_number, &unseen);
        compare::keys(
            &java,
            &comparable(other, self.our_order, self.our_number, &unseen),
        )
    }

    /// The keys, without their numbers, of records that were too old when Kafka Streams wrote them: it keeps them
    /// until a segment is full of such, and no join ever sees them.
    fn unseen(&self, records: &[Read]) -> BTreeSet<Vec<u8>> {
        let mut unseen = BTreeSet::new();
        let Some(seen_ms) = self.seen_ms else {
            return unseen;
        };
        let mut newest = BTreeMap::new();
        for record in records {
            let newest = newest.entry(record.partition).or_insert(record.timestamp);
            *newest = record.timestamp.max(*newest);
            let key = record.key.as_deref().unwrap_or_default();
            if record.timestamp <= *newest - seen_ms {
                let end = key.len().saturating_sub(self.java_number);
                unseen.insert(key.get(..end).unwrap_or_default().to_vec());
            }
        }
        unseen
    }
}

const LEFT: &str = "joined-left-changelog";
const RIGHT: &str = "joined-right-changelog";

const COUNTERPARTS: &[Counterpart<'static>] = &[
    Counterpart::side("joined-this-join-store-changelog", LEFT),
    Counterpart::side("joined-outer-this-join-store-changelog", LEFT),
    Counterpart::side("joined-other-join-store-changelog", RIGHT),
    Counterpart::side("joined-outer-other-join-store-changelog", RIGHT),
    Counterpart::suppressed("final-store-changelog", "final-changelog"),
    Counterpart::waiting("joined-left-shared-join-store-changelog"),
    Counterpart::waiting("joined-outer-shared-join-store-changelog"),
    Counterpart::alike(
        "joined-subscription-registration-topic",
        "results-registration-repartition",
    ),
    Counterpart::alike(
        "joined-subscription-response-topic",
        "results-response-repartition",
    ),
    Counterpart::alike(
        "joined-subscription-store-changelog",
        "results-subscriptions-changelog",
    ),
];

/// Kafka Streams restores versions from the input topic, whatever compaction has left of it.
pub(crate) const OURS_ALONE: &[&str] = &["versions-changelog", "waiting-changelog"];

/// Topics of Kafka Streams whose keys are laid out otherwise.
pub(crate) const JAVAS_ALONE: &[&str] = &["waiting-Buffer-changelog"];

/// Records with what only orders and numbers them cut off their keys; not the unseen ones, and not those behind all
/// times, where headwater-streams notes how far it has looked for those that wait.
fn comparable(
    records: &[Read],
    order: usize,
    number: usize,
    unseen: &BTreeSet<Vec<u8>>,
) -> Vec<Read> {
    let mut records = records.to_vec();
    for record in &mut records {
        if let Some(key) = &mut record.key {
            key.truncate(key.len().saturating_sub(number));
            key.drain(..order.min(key.len()));
        }
    }
    records.retain(|record| {
        let key = record.key.as_ref();
        key.is_none_or(|key| !unseen.contains(key) && !key.starts_with(&i64::MAX.to_be_bytes()))
    });
    records
}
