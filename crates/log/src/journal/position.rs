//! Places in the journal's order.

/// A place in the order in which things were handed to the journal. Everything at or before it is durable once
/// [`LogDir::durable`](crate::LogDir::durable) has reached it. Counts from each start anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub(crate) u64);

impl Position {
    /// Durable from the start: what waits for nothing.
    pub const ZERO: Self = Self(0);

    /// For keeping it in an atomic.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

/// When an append is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// After it is on disk, through the journal.
    #[default]
    Fsync,
    /// At once; the page cache holds it. There is no journal.
    Relaxed,
}
