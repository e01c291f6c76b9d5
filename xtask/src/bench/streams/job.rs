//! The jobs and guarantees that are measured.

/// A topology that both libraries have under the same name.
pub(super) struct Job {
    pub(super) name: &'static str,
    /// One record of its input stands for so many of the others': a line of text holds several words.
    pub(super) weight: u64,
}

pub(super) const JOBS: &[Job] = &[
    job("filter"),
    Job {
        name: "word-count",
        weight: 8,
    },
    job("count"),
    job("windowed-count"),
    job("join"),
    job("q1"),
    job("q3"),
    job("q5"),
    job("q8"),
];

const fn job(name: &'static str) -> Job {
    Job { name, weight: 1 }
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
