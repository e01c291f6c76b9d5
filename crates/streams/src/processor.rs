//! Punctuations: what a task does when a clock reaches a time, apart from records.

use crate::context::Context;
use crate::error::Failure;

/// Which clock a punctuation follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PunctuationType {
    /// The task's stream time: the largest timestamp it has taken.
    StreamTime,
    /// The wall clock.
    WallClock,
}

/// What happens when a punctuation is due; the argument is the clock's time in milliseconds.
pub(crate) type Punctuate = Box<dyn FnMut(&mut Context<'_>, i64) -> Result<(), Failure> + Send>;

/// Stops a punctuation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PunctuationId(u64);

struct Punctuation {
    id: PunctuationId,
    kind: PunctuationType,
    interval_ms: i64,
    next: i64,
    punctuate: Punctuate,
}

/// The punctuations of a task.
#[derive(Default)]
pub(crate) struct Punctuators {
    entries: Vec<Punctuation>,
    issued: u64,
    /// Cancelled while their list was away, firing.
    cancelled: Vec<PunctuationId>,
}

impl Punctuators {
    /// Adds one. Stream time is first due with the first record, the wall clock after one interval, as in Kafka
    /// Streams.
    pub(crate) fn schedule(
        &mut self,
        kind: PunctuationType,
        interval_ms: i64,
        now: i64,
        punctuate: Punctuate,
    ) -> PunctuationId {
        let next = match kind {
            PunctuationType::StreamTime => 0,
            PunctuationType::WallClock => now.saturating_add(interval_ms),
        };
        self.schedule_at(kind, interval_ms, next, punctuate)
    }

    /// Adds one by stream time that goes on in its rhythm: its beats are the multiples of its interval, and what was
    /// due at `stream_time`, before a restart, has been done.
    pub(crate) fn resume(
        &mut self,
        interval_ms: i64,
        stream_time: i64,
        punctuate: Punctuate,
    ) -> PunctuationId {
        let next = if stream_time < 0 {
            0
        } else {
            following(0, interval_ms.max(1), stream_time)
        };
        self.schedule_at(PunctuationType::StreamTime, interval_ms, next, punctuate)
    }

    fn schedule_at(
        &mut self,
        kind: PunctuationType,
        interval_ms: i64,
        next: i64,
        punctuate: Punctuate,
    ) -> PunctuationId {
        assert!(interval_ms > 0, "an interval is at least a millisecond");
        let id = PunctuationId(self.issued);
        self.issued += 1;
        self.entries.push(Punctuation {
            id,
            kind,
            interval_ms,
            next,
            punctuate,
        });
        id
    }

    /// Takes one away; one that is gone already is no error.
    pub(crate) fn cancel(&mut self, id: PunctuationId) {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.id != id);
        if self.entries.len() == before && !self.cancelled.contains(&id) {
            self.cancelled.push(id);
        }
    }

    /// When the next one of this kind is due, in the clock's milliseconds.
    pub(crate) fn next(&self, kind: PunctuationType) -> Option<i64> {
        self.entries
            .iter()
            .filter(|entry| entry.kind == kind)
            .map(|entry| entry.next)
            .min()
    }
}

impl Context<'_> {
    /// Runs what is due at `now`, each once however far the clock jumped, and keeps the rhythm of those that missed
    /// a beat. Returns how many ran.
    pub(crate) fn punctuate(&mut self, kind: PunctuationType, now: i64) -> Result<usize, Failure> {
        if self
            .state
            .punctuators
            .next(kind)
            .is_none_or(|next| next > now)
        {
            return Ok(0);
        }
        let mut entries = std::mem::take(&mut self.state.punctuators.entries);
        self.state.punctuators.cancelled.clear();
        let mut ran = 0;
        let mut result = Ok(());
        for entry in &mut entries {
            let cancelled = &self.state.punctuators.cancelled;
            if entry.kind != kind || entry.next > now || cancelled.contains(&entry.id) {
                continue;
            }
            entry.next = following(entry.next, entry.interval_ms, now);
            result = (entry.punctuate)(self, now);
            ran += 1;
            if result.is_err() {
                break;
            }
        }
        let punctuators = &mut self.state.punctuators;
        // Those scheduled by a punctuation come behind those there were.
        let scheduled = std::mem::replace(&mut punctuators.entries, entries);
        punctuators.entries.extend(scheduled);
        let cancelled = std::mem::take(&mut punctuators.cancelled);
        punctuators
            .entries
            .retain(|entry| !cancelled.contains(&entry.id));
        result.map(|()| ran)
    }
}

/// The first beat after `now` of those that follow `due` every `interval`.
fn following(due: i64, interval: i64, now: i64) -> i64 {
    let missed = (now - due) / interval;
    due.saturating_add(interval.saturating_mul(missed + 1))
}
