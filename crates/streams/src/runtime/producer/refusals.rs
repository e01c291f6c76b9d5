//! Records that the cluster refused after they were sent.
//!
//! Such a refusal comes when the record's input has long been passed, and under exactly-once it takes the whole
//! transaction with it. So the worker goes back to the last commit, and what was refused is remembered here by a print
//! of its bytes: when the same record is sent again it is refused at once, while its input is at hand, and the
//! application's policy decides. A batch is refused as a whole, whoever of it is to blame, so what was refused is a
//! suspect first, and is sent once more alone.
//!
//! This relies on processing that comes to the same records again. Where it does not, the round is counted, and
//! after some of them the application is told.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rdkafka::bindings::rd_kafka_resp_err_t as Code;

use crate::collector::Outgoing;

/// How many records are remembered at most; of more, the rest is refused in another round.
pub(super) const MAX_REMEMBERED: usize = 100_000;
/// How often in a row the worker goes back without coming to a record that was refused.
const MAX_ROUNDS: u32 = 5;
/// How many commits a record is remembered for that does not come again.
const MAX_COMMITS: u32 = 100;

/// A record's topic, partition, key and value, hashed. Not its timestamp, which librdkafka does not tell of a record that
/// did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Print(u64);

impl Print {
    /// The print of a record of the producer's topic of this index, as it goes out.
    pub(super) fn of(
        topic: usize,
        partition: i32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Self {
        let mut hasher = DefaultHasher::new();
        // librdkafka tells no empty bytes from none when it reports.
        let key = key.filter(|key| !key.is_empty());
        let value = value.filter(|value| !value.is_empty());
        (topic, partition, key, value).hash(&mut hasher);
        Self(hasher.finish())
    }

    pub(super) fn of_outgoing(topic: usize, record: &Outgoing<'_>) -> Self {
        Self::of(topic, record.partition, record.key, record.value)
    }
}

/// A record that the cluster refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused {
    pub(super) print: Print,
    pub(super) code: Code,
}

/// What is known of a record that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its batch was refused, by itself or by another record.
    Suspected,
    /// It was refused alone, or for what is so for all records of its partition.
    Refused,
}

#[derive(Debug)]
struct Remembered {
    code: Code,
    verdict: Verdict,
    /// It came again since the last commit or abort.
    met: bool,
    commits: u32,
}

/// The records that the cluster refused, until a commit has passed them.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    by_print: HashMap<Print, Remembered>,
    /// Refusals since a remembered record came again.
    rounds: u32,
}

impl Refusals {
    /// Whether there is nothing to look for.
    pub(super) fn is_empty(&self) -> bool {
        self.by_print.is_empty()
    }

    /// Remembers what was refused.
    pub(super) fn add(&mut self, refused: impl IntoIterator<Item = Refused>) {
        for Refused { print, code } in refused {
            if code == Code::RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD {
                // Another one of its batch is to blame, which is told by itself.
                continue;
            }
            if self.by_print.len() >= MAX_REMEMBERED {
                return;
            }
            let verdict = if is_missing(code) {
                Verdict::Refused
            } else {
                Verdict::Suspected
            };
            self.by_print.entry(print).or_insert(Remembered {
                code,
                verdict,
                met: false,
                commits: 0,
            });
        }
    }

    /// Counts a round; false when the same records do not come again and it is of no use to go back once more.
    pub(super) fn begin_round(&mut self) -> bool {
        self.rounds += 1;
        self.rounds <= MAX_ROUNDS
    }

    /// What is known of a record that is to be sent.
    pub(super) fn meet(&mut self, print: Print) -> Option<(Code, Verdict)> {
        let found = self.by_print.get_mut(&print)?;
        found.met = true;
        self.rounds = 0;
        Some((found.code, found.verdict))
    }

    /// The record was sent alone, and arrived.
    pub(super) fn acquit(&mut self, print: Print) {
        self.by_print.remove(&print);
    }

    /// The record was sent alone, and refused.
    pub(super) fn convict(&mut self, print: Print, code: Code) {
        if let Some(found) = self.by_print.get_mut(&print) {
            found.verdict = Verdict::Refused;
            found.code = code;
        }
    }

    /// What came again is dealt with for good.
    pub(super) fn committed(&mut self) {
        self.by_print.retain(|_, found| {
            found.commits += 1;
            !found.met && found.commits < MAX_COMMITS
        });
    }

    /// What came again will come once more.
    pub(super) fn aborted(&mut self) {
        for found in self.by_print.values_mut() {
            found.met = false;
        }
    }
}

/// Whether the code blames a record, or its topic, and not the cluster or the producer: nothing comes of sending it
/// again.
pub(super) fn is_refusal(code: Code) -> bool {
    is_missing(code)
        || matches!(
            code,
            Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
                | Code::RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE
                | Code::RD_KAFKA_RESP_ERR_INVALID_RECORD
                | Code::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP
                | Code::RD_KAFKA_RESP_ERR_POLICY_VIOLATION
                | Code::RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD
        )
}

fn is_missing(code: Code) -> bool {
    matches!(
        code,
        Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
            | Code::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
            | Code::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION
    )
}

/// What a user can do about a record that is refused with this code.
pub(super) fn remedy(code: Code) -> &'static str {
    match code {
        Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
        | Code::RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE => {
            "raise the topic's max.message.bytes, or have such records skipped or dead-lettered \
             (App::on_error_at(Stage::Production, ..))"
        }
        Code::RD_KAFKA_RESP_ERR_INVALID_RECORD
        | Code::RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD => {
            "the topic takes no such record: a compacted one takes none without a key, say. Change the topic or the \
             record, or have such records skipped or dead-lettered (App::on_error_at(Stage::Production, ..))"
        }
        Code::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP => {
            "its timestamp is further from now than the topic's message.timestamp.before.max.ms or \
             message.timestamp.after.max.ms: raise that, or have such records skipped or dead-lettered \
             (App::on_error_at(Stage::Production, ..))"
        }
        Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
        | Code::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED
        | Code::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED => {
            "the application's principal may not write there: grant it Write"
        }
        code if is_missing(code) => "create the topic, and start the application again",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(value: &[u8], code: Code) -> Refused {
        Refused {
            print: Print::of(0, 0, None, Some(value)),
            code,
        }
    }

    #[test]
    fn what_came_again_is_forgotten_at_a_commit_and_not_at_an_abort() {
        let mut refusals = Refusals::default();
        let large = refused(b"large", Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
        refusals.add([large]);
        assert_eq!(
            refusals.meet(large.print),
            Some((large.code, Verdict::Suspected))
        );
        refusals.convict(large.print, large.code);
        refusals.aborted();
        refusals.committed();
        assert_eq!(
            refusals.meet(large.print),
            Some((large.code, Verdict::Refused)),
            "a commit before it came again"
        );
        refusals.committed();
        assert!(refusals.is_empty());
    }

    #[test]
    fn records_that_never_come_again_end_the_rounds_and_one_that_does_begins_them_anew() {
        let mut refusals = Refusals::default();
        let large = refused(b"large", Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
        refusals.add([large]);
        for _ in 0..3 {
            for _ in 0..MAX_ROUNDS {
                assert!(refusals.begin_round());
            }
            refusals.meet(large.print);
        }
        for _ in 0..MAX_ROUNDS {
            assert!(refusals.begin_round());
        }
        assert!(!refusals.begin_round());
    }

    #[test]
    fn what_does_not_come_again_is_forgotten_in_the_end() {
        let mut refusals = Refusals::default();
        refusals.add([refused(b"once", Code::RD_KAFKA_RESP_ERR_INVALID_RECORD)]);
        for _ in 0..MAX_COMMITS {
            assert!(!refusals.is_empty());
            refusals.committed();
        }
        assert!(refusals.is_empty());
    }

    #[test]
    fn a_missing_topic_is_no_suspicion() {
        let mut refusals = Refusals::default();
        let lost = refused(b"lost", Code::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC);
        refusals.add([lost]);
        assert_eq!(
            refusals.meet(lost.print),
            Some((lost.code, Verdict::Refused))
        );
    }
}
