//! The states of a transaction, with Kafka's numbers and names.

/// Where a transactional id stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TransactionState {
    /// A producer has been given id and epoch, and nothing is under way.
    Empty,
    /// Partitions are part of it, and may have records.
    Ongoing,
    /// It will be committed whatever happens; markers are being written.
    PrepareCommit,
    /// It will be aborted whatever happens; markers are being written.
    PrepareAbort,
    /// Every partition has its marker.
    CompleteCommit,
    /// Every partition has its marker.
    CompleteAbort,
    /// Never written: the id is on its way out.
    Dead,
    /// Never written: the epoch is about to be raised above the producer's.
    PrepareEpochFence,
}

impl TransactionState {
    const ALL: [(Self, i8, &'static str); 8] = [
        (Self::Empty, 0, "Empty"),
        (Self::Ongoing, 1, "Ongoing"),
        (Self::PrepareCommit, 2, "PrepareCommit"),
        (Self::PrepareAbort, 3, "PrepareAbort"),
        (Self::CompleteCommit, 4, "CompleteCommit"),
        (Self::CompleteAbort, 5, "CompleteAbort"),
        (Self::Dead, 6, "Dead"),
        (Self::PrepareEpochFence, 7, "PrepareEpochFence"),
    ];

    /// The number in the log.
    pub fn id(self) -> i8 {
        self.row().1
    }

    /// What clients call it.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    pub fn from_id(id: i8) -> Option<Self> {
        let row = Self::ALL.iter().find(|(_, known, _)| *known == id)?;
        Some(row.0)
    }

    pub fn from_name(name: &str) -> Option<Self> {
        let row = Self::ALL.iter().find(|(_, _, known)| *known == name)?;
        Some(row.0)
    }

    /// Whether its markers are still to be written.
    pub(crate) fn is_prepared(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }

    /// Whether an id that nobody uses may be forgotten in this state.
    pub(crate) fn may_expire(self) -> bool {
        matches!(
            self,
            Self::Empty | Self::CompleteCommit | Self::CompleteAbort
        )
    }

    fn row(self) -> (Self, i8, &'static str) {
        Self::ALL[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_found_by_its_number_and_by_its_name() {
        for (index, (state, id, name)) in TransactionState::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, index);
            assert_eq!(TransactionState::from_id(id), Some(state));
            assert_eq!(TransactionState::from_name(name), Some(state));
            assert_eq!((state.id(), state.name()), (id, name));
        }
        assert_eq!(TransactionState::from_id(8), None);
        assert_eq!(TransactionState::from_name("ongoing"), None);
    }
}
