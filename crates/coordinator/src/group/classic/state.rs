//! The states of a classic group.

/// Where a group is in its life. A group that is gone is not kept; to clients it is `Dead`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No members; perhaps committed offsets.
    Empty,
    /// Members are asked to join again, and joins wait.
    PreparingRebalance,
    /// Members know the generation and wait for the leader's assignment.
    CompletingRebalance,
    /// Members have their assignments.
    Stable,
}

impl State {
    /// What clients of a group that does not exist are told.
    pub(crate) const DEAD: &'static str = "Dead";

    /// Kafka's name, as `DescribeGroups` and `ListGroups` give it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}
