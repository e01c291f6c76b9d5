//! The jobs and guarantees that are measured.

/// A topology that both libraries have under the same name.
pub(super) struct Job {
    pub(super) name: &'static str,
    /// One record of its input stands for so many of the others': a line of text holds several words, a bid goes into
    /// five windows. So each job takes about as long as the others.
    pub(super) weight: u64,
}

pub(super) const JOBS: &[Job] = &[
    job("filter", 1),
    job("word-count", 8),
    job("count", 1),
    job("windowed-count", 1),
    job("join", 1),
    job("q1", 1),
    job("q3", 1),
    job("q5", 4),
    job("q8", 2),
];

const fn job(name: &'static str, weight: u64) -> Job {
    Job { name, weight }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Guarantee {
    /// A commit a second.
    AtLeastOnce,
    /// A transaction every 100 ms.
    ExactlyOnce,
}

impl Guarantee {
    pub(super) const ALL: [Self; 2] = [Self::AtLeastOnce, Self::ExactlyOnce];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at-least-once",
            Self::ExactlyOnce => "exactly-once",
        }
    }
}
