//! At which offset each leader epoch began: what `OffsetForLeaderEpoch` answers from.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// An epoch and the offset of its first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EpochStart {
    epoch: i32,
    start_offset: i64,
}

/// The epochs of one partition, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LeaderEpochs {
    starts: Vec<EpochStart>,
    generation: u64,
}

impl LeaderEpochs {
    /// Counts changes.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The newest epoch.
    pub(crate) fn latest(&self) -> Option<i32> {
        self.starts.last().map(|last| last.epoch)
    }

    /// Takes in a batch of `epoch` at `offset`.
    pub(crate) fn note(&mut self, epoch: i32, offset: i64) {
        if epoch < 0 || self.latest().is_some_and(|latest| latest >= epoch) {
            return;
        }
        self.generation += 1;
        self.starts.push(EpochStart {
            epoch,
            start_offset: offset,
        });
    }

    /// Forgets epochs that end at or before the log start; the one that holds it begins there now.
    pub(crate) fn truncate_from_start(&mut self, log_start_offset: i64) {
        let holding = self
            .starts
            .partition_point(|start| start.start_offset <= log_start_offset);
        let Some(holding) = holding.checked_sub(1) else {
            return;
        };
        let Some(first) = self.starts.get_mut(holding) else {
            return;
        };
        if holding > 0 || first.start_offset < log_start_offset {
            first.start_offset = log_start_offset;
            self.starts.drain(..holding);
            self.generation += 1;
        }
    }

    /// The largest epoch at or below `epoch`, and the offset at which it ends: where the next begins, or the log end.
    pub(crate) fn end_offset_for(&self, epoch: i32, log_end_offset: i64) -> Option<(i32, i64)> {
        let next = self.starts.partition_point(|start| start.epoch <= epoch);
        let found = next.checked_sub(1).and_then(|at| self.starts.get(at))?;
        let end = self
            .starts
            .get(next)
            .map_or(log_end_offset, |next| next.start_offset);
        Some((found.epoch, end))
    }

    /// The epoch of the record at `offset`.
    #[cfg(test)]
    fn epoch_at(&self, offset: i64) -> Option<i32> {
        let next = self
            .starts
            .partition_point(|start| start.start_offset <= offset);
        next.checked_sub(1)
            .and_then(|at| self.starts.get(at))
            .map(|start| start.epoch)
    }

    /// What began before `end_offset`, in the format of Kafka's `leader-epoch-checkpoint`:
    ///
    /// ```text
    /// 0              version
    /// 2              number of lines
    /// 0 0            epoch, start offset
    /// 3 1042
    /// ```
    pub(crate) fn encode(&self, end_offset: i64) -> String {
        let below = self
            .starts
            .iter()
            .filter(|start| start.start_offset < end_offset);
        let mut lines = String::new();
        let mut count = 0;
        for start in below {
            count += 1;
            let _infallible = writeln!(lines, "{} {}", start.epoch, start.start_offset);
        }
        format!("0\n{count}\n{lines}")
    }

    /// Reads what began before `end_offset`; `None` where the text is damaged.
    pub(crate) fn decode(text: &str, end_offset: i64) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != "0" {
            return None;
        }
        let count: usize = lines.next()?.parse().ok()?;
        let mut epochs = Self::default();
        let mut found = 0;
        for line in lines {
            let (epoch, start_offset) = line.split_once(' ')?;
            let (epoch, start_offset) = (epoch.parse().ok()?, start_offset.parse().ok()?);
            found += 1;
            if start_offset < end_offset {
                epochs.note(epoch, start_offset);
            }
        }
        (found == count).then_some(epochs)
    }
}

/// Name of the file.
pub(crate) fn leader_epoch_path(dir: &Path) -> PathBuf {
    dir.join("leader-epoch-checkpoint")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn epochs(starts: &[(i32, i64)]) -> LeaderEpochs {
        let mut epochs = LeaderEpochs::default();
        for (epoch, offset) in starts {
            epochs.note(*epoch, *offset);
        }
        epochs
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins_and_the_last_at_the_log_end() {
        let epochs = epochs(&[(0, 0), (2, 10), (5, 30)]);
        assert_eq!(epochs.end_offset_for(0, 40), Some((0, 10)));
        assert_eq!(epochs.end_offset_for(1, 40), Some((0, 10)));
        assert_eq!(epochs.end_offset_for(2, 40), Some((2, 30)));
        assert_eq!(epochs.end_offset_for(9, 40), Some((5, 40)));
        assert_eq!(epochs.end_offset_for(-1, 40), None);
    }

    #[test]
    fn epochs_below_the_log_start_are_forgotten() {
        let mut epochs = epochs(&[(0, 0), (2, 10), (5, 30)]);
        epochs.truncate_from_start(15);
        assert_eq!(epochs.encode(i64::MAX), "0\n2\n2 15\n5 30\n");
        assert_eq!(epochs.epoch_at(15), Some(2));
    }

    #[test]
    fn an_older_epoch_is_not_taken_in_again() {
        assert_eq!(epochs(&[(3, 0), (3, 5), (1, 9)]).latest(), Some(3));
    }

    proptest! {
        #[test]
        fn text_reads_back(steps in proptest::collection::vec((1_i32..5, 1_i64..50), 0..10)) {
            let mut written = LeaderEpochs::default();
            let (mut epoch, mut offset) = (0, 0);
            for (more_epochs, more_offsets) in steps {
                written.note(epoch, offset);
                epoch += more_epochs;
                offset += more_offsets;
            }
            let read = LeaderEpochs::decode(&written.encode(i64::MAX), i64::MAX);
            prop_assert_eq!(read.map(|epochs| epochs.starts), Some(written.starts));
        }
    }
}
