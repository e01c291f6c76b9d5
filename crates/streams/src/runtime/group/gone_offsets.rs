//! Offsets to read from that are not in their partition: retention has deleted the records, or the topic was made
//! anew. What follows is the topic's to say ([`OffsetReset`]), and is told with what is lost.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Group;
use crate::error::StreamsError;
use crate::runtime::TopicPartition;
use crate::runtime::consumer::{Committed, OffsetToCommit};
use crate::topic::OffsetReset;

/// How long a question for the offsets of a partition may take, and how often it is asked again.
const ASK_LIMIT: Duration = Duration::from_secs(10);
const ASK_TIMES: u32 = 12;
/// How long is waited before reading begins anew, should it go wrong again at once.
pub(super) const PAUSE: Duration = Duration::from_millis(200);

impl Group {
    /// Replaces committed offsets that cannot be read from by those that the topics' resets say, and commits them: a
    /// later start goes on from there, and not from the end of that time.
    ///
    /// # Errors
    /// A topic's reset is `None`; or the cluster cannot be asked.
    pub(super) fn replace_gone(
        &mut self,
        committed: &mut BTreeMap<TopicPartition, Committed>,
    ) -> Result<(), StreamsError> {
        let gone = self.instance.take_gone();
        let incremental = self.instance.consumer.is_incremental();
        for partition in gone {
            if !committed.contains_key(&partition) {
                continue;
            }
            if incremental && self.read.remove(&partition) {
                // The client has stopped reading it, and only one that is added begins.
                let one = std::slice::from_ref(&partition);
                self.instance.consumer.remove(one)?;
            }
            let Some((offset, metadata)) = committed.get_mut(&partition).and_then(Option::as_mut)
            else {
                // Nothing was ever committed: it begins where the topic's reset says in any case.
                tracing::warn!(%partition, "records were deleted before they were read");
                continue;
            };
            let range = self.range(&partition)?;
            let Some(to) = self.elsewhere(&partition, *offset, range)? else {
                continue;
            };
            *offset = to;
            let moved = OffsetToCommit {
                partition,
                offset: to,
                metadata: metadata.clone(),
            };
            if let Err(error) = self.instance.consumer.commit(&[moved]) {
                // The next commit of the task has it too, once there is a record.
                tracing::warn!(%error, "the new offset is not committed yet");
            }
        }
        Ok(())
    }

    /// Where reading goes on if not at `offset`.
    fn elsewhere(
        &self,
        partition: &TopicPartition,
        offset: i64,
        (low, high): (i64, i64),
    ) -> Result<Option<i64>, StreamsError> {
        if (low..=high).contains(&offset) {
            return Ok(None);
        }
        let reset = self.instance.reset_of(&partition.topic);
        let (to, place) = match reset {
            OffsetReset::Earliest => (low, "its first record"),
            OffsetReset::Latest => (high, "its end"),
            OffsetReset::None => {
                return Err(StreamsError::Topics(format!(
                    "the group {} is to go on at offset {offset} of {partition}, which has the offsets {low} to \
                     {high}, and the topic's offset reset is `None`: commit an offset that is there, or give the \
                     topic another offset reset",
                    self.instance.config.application
                )));
            }
        };
        let lost = u64::try_from(to - offset).unwrap_or(0);
        self.instance.unread.fetch_add(lost, Ordering::Relaxed);
        if offset < low {
            tracing::warn!(
                %partition, offset, low, high, lost, to,
                "{} records were deleted before they were read: the partition is read on from {place}",
                low - offset
            );
        } else {
            tracing::warn!(
                %partition, offset, low, high, to,
                "the partition ends before the committed offset, as one that was made anew does: it is read on from \
                 {place}"
            );
        }
        Ok(Some(to))
    }

    fn range(&self, partition: &TopicPartition) -> Result<(i64, i64), StreamsError> {
        for _ in 1..ASK_TIMES {
            match self.instance.consumer.watermarks(partition, ASK_LIMIT) {
                Err(error) if error.is_retriable() && !self.is_stopping() => {
                    tracing::info!(%error, "waiting for the partition's offsets");
                    std::thread::sleep(PAUSE);
                }
                answer => return Ok(answer?),
            }
        }
        Ok(self.instance.consumer.watermarks(partition, ASK_LIMIT)?)
    }
}
