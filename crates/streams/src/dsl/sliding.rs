//! Aggregation in sliding windows (KIP-450): a window for every set of records of a key that are no more than a
//! difference of time apart.
//!
//! A record begins two windows at most: the one that ends with it, and, once there are later records near it, the one
//! that begins right after it. Which windows come to be, and the order in which results leave, is Kafka Streams'.

use std::panic::Location;

use crate::context::{Context, DropReason};
use crate::dsl::aggregate::{Applied, Outcome, Step, counting, folding, reducing};
use crate::dsl::chain::Chain;
use crate::dsl::final_results::{CloseRule, SizedWindows};
use crate::dsl::materialized::Materialized;
use crate::dsl::stateful::{Aggregation, Stateful};
use crate::dsl::table::Table;
use crate::dsl::updates::Update;
use crate::dsl::window_rows::{RowsPlan, WindowRows};
use crate::dsl::windowed::{WindowedStream, aggregations};
use crate::dsl::windows::SlidingWindows;
use crate::error::{Failure, Stage};
use crate::key::Key;
use crate::record::KeyedRecord;
use crate::serde::Value;
use crate::store::{StoreKind, WindowLayout, WindowStore, WindowValue};
use crate::window::{TimeWindow, Windowed};

aggregations!(SlidingWindows, SlidingRows, Clone);

/// An aggregation in sliding windows.
pub(crate) struct SlidingRows<K: 'static, A: 'static> {
    difference_ms: i64,
    grace_ms: i64,
    rows: WindowRows<K, A>,
}

/// The record at hand, and when windows are closed.
struct Current<'s, K, V, S> {
    record: KeyedRecord<K, V>,
    /// Windows that end before are closed.
    close: i64,
    step: &'s mut S,
}

/// Where a window's new value comes from.
enum Base<A> {
    /// From the window as it was.
    Window(A, i64),
    /// From another one, of which it holds all records.
    Other(A),
    /// It begins with the record at hand.
    Nothing,
}

impl<K: Key, A: Clone + Send + 'static> SlidingRows<K, A> {
    pub(crate) fn new<'b>(
        operator: &Stateful<'b, '_, A>,
        windows: SlidingWindows,
    ) -> (Self, Table<'b, Windowed<K>, A>) {
        let SlidingWindows {
            difference_ms,
            grace_ms,
            retention_ms,
        } = windows;
        if difference_ms < 1 {
            operator.builder.error(
                operator.location,
                "the difference of sliding windows is at least one millisecond",
            );
        }
        // A record changes windows that begin up to twice the difference before it.
        let span_ms = difference_ms.saturating_mul(2);
        let retention_ms = retention_ms.unwrap_or_else(|| span_ms.saturating_add(grace_ms));
        operator.check_retention(retention_ms, span_ms, grace_ms);
        let plan = RowsPlan {
            kind: StoreKind::Window {
                retention_ms,
                layout: WindowLayout::KeyFirst,
            },
            rule: CloseRule {
                behind_ms: difference_ms.saturating_add(grace_ms).saturating_add(1),
                advance_ms: 1,
            },
            // Both ends are within, so a record at the end is not late yet.
            after_end_ms: grace_ms.saturating_add(1),
        };
        let closed = |rows| SizedWindows {
            rows,
            size_ms: difference_ms,
        };
        let (rows, table) = WindowRows::new::<K>(operator, plan, WindowStore::new, closed);
        let rows = Self {
            difference_ms,
            grace_ms,
            rows,
        };
        (rows, table)
    }

    /// A record that is at least the difference after the epoch, so that the window that ends with it can be.
    fn slide_within<V: Clone, S: Step<K, V, A>>(
        &mut self,
        context: &mut Context<'_>,
        mut current: Current<'_, K, V, S>,
        found: Vec<WindowValue<A>>,
    ) -> Result<(), Failure> {
        let timestamp = current.record.timestamp;
        let starts: Vec<_> = found.iter().map(|(start, ..)| *start).collect();
        let (mut left, mut right) = (None, None);
        let (mut left_exists, mut right_exists) = (false, false);
        // The time of the last record before this one, if it is near enough to matter.
        let mut previous = None;
        for (start, value, latest) in found.into_iter().rev() {
            let end = start.saturating_add(self.difference_ms);
            if start == timestamp + 1 {
                right_exists = true;
            } else if end > timestamp {
                right.get_or_insert_with(|| (value.clone(), latest));
                if self.change(context, &mut current, start, Base::Window(value, latest))?
                    == Applied::Failed
                {
                    return Ok(());
                }
            } else if end == timestamp {
                left_exists = true;
                if self.change(context, &mut current, start, Base::Window(value, latest))?
                    == Applied::Failed
                {
                    return Ok(());
                }
                if latest >= timestamp {
                    return Ok(());
                }
                previous = Some(latest);
            } else {
                left = Some(value);
                previous = Some(latest);
                break;
            }
        }
        if let Some(previous) = previous {
            let start = previous + 1;
            if !starts.contains(&start)
                && start.saturating_add(self.difference_ms) >= timestamp
                && self.change(context, &mut current, start, Base::Nothing)? == Applied::Failed
            {
                return Ok(());
            }
        }
        if !left_exists {
            let start = timestamp - self.difference_ms;
            let base = match left {
                Some(left) if previous.is_some_and(|previous| start <= previous) => {
                    Base::Other(left)
                }
                _ => Base::Nothing,
            };
            if self.change(context, &mut current, start, base)? == Applied::Failed {
                return Ok(());
            }
        }
        match right {
            Some(right) if !right_exists => self.begin_right(context, &current, right),
            _ => Ok(()),
        }
    }

    /// A record so early that the window that ends with it would begin before the epoch: the window that begins with
    /// the epoch holds all of those.
    fn slide_early<V: Clone, S: Step<K, V, A>>(
        &mut self,
        context: &mut Context<'_>,
        mut current: Current<'_, K, V, S>,
        found: Vec<WindowValue<A>>,
    ) -> Result<(), Failure> {
        let timestamp = current.record.timestamp;
        let starts: Vec<_> = found.iter().map(|(start, ..)| *start).collect();
        let (mut combined, mut right) = (None, None);
        let mut right_exists = false;
        let mut previous = None;
        for (start, value, latest) in found {
            if start == 0 {
                if latest < timestamp {
                    previous = Some(latest);
                }
                combined = Some((value, latest));
            } else if start <= timestamp {
                right = Some((value.clone(), latest));
                if self.change(context, &mut current, start, Base::Window(value, latest))?
                    == Applied::Failed
                {
                    return Ok(());
                }
            } else {
                right_exists = true;
            }
        }
        // Without a window between, all that the combined one holds later than this record is near it.
        if right.is_none() {
            right = combined.clone().filter(|(_, latest)| *latest > timestamp);
        }
        if let Some(right) = right
            && !right_exists
        {
            self.begin_right(context, &current, right)?;
        }
        if let Some(previous) = previous
            && !starts.contains(&(previous + 1))
            && self.change(context, &mut current, previous + 1, Base::Nothing)? == Applied::Failed
        {
            return Ok(());
        }
        let base = match combined {
            Some((value, latest)) => Base::Window(value, latest),
            None => Base::Nothing,
        };
        self.change(context, &mut current, 0, base).map(|_| ())
    }

    /// Adds the record to a window, unless that is closed.
    fn change<V: Clone, S: Step<K, V, A>>(
        &mut self,
        context: &mut Context<'_>,
        current: &mut Current<'_, K, V, S>,
        start: i64,
        base: Base<A>,
    ) -> Result<Applied, Failure> {
        let window = TimeWindow::of_size(start, self.difference_ms);
        if window.end < current.close {
            context.dropped(self.rows.node(), DropReason::Late);
            return Ok(Applied::Yes);
        }
        let mut timestamp = current.record.timestamp;
        let mut old = None;
        let before = match base {
            Base::Window(before, latest) => {
                timestamp = timestamp.max(latest);
                if self.rows.wants_old() {
                    old = Some(before.clone());
                }
                Some(before)
            }
            Base::Other(before) => Some(before),
            Base::Nothing => None,
        };
        match (current.step)(&current.record.key, before, current.record.value.clone()) {
            Ok(new) => {
                let update = Update {
                    old,
                    new: Some(new),
                    timestamp,
                };
                self.write(context, current, window, update)?;
                Ok(Applied::Yes)
            }
            Err(error) => {
                context.failed(self.rows.node(), Stage::Processing, error)?;
                Ok(Applied::Failed)
            }
        }
    }

    /// Begins the window right after the record, if records are in it.
    fn begin_right<V, S>(
        &mut self,
        context: &mut Context<'_>,
        current: &Current<'_, K, V, S>,
        (value, latest): (A, i64),
    ) -> Result<(), Failure> {
        if latest <= current.record.timestamp {
            return Ok(());
        }
        let window = TimeWindow::of_size(current.record.timestamp + 1, self.difference_ms);
        let update = Update {
            old: None,
            new: Some(value),
            timestamp: latest,
        };
        self.write(context, current, window, update)
    }

    fn write<V, S>(
        &mut self,
        context: &mut Context<'_>,
        current: &Current<'_, K, V, S>,
        window: TimeWindow,
        update: Update<A>,
    ) -> Result<(), Failure> {
        let key = Windowed::new(current.record.key.clone(), window);
        let headers = current.record.headers.clone();
        self.rows.write(context, key, update, headers)
    }
}

impl<K, V, A> Aggregation<K, V, A> for SlidingRows<K, A>
where
    K: Key,
    V: Clone + 'static,
    A: Clone + Send + 'static,
{
    fn add(
        &mut self,
        context: &mut Context<'_>,
        record: KeyedRecord<K, V>,
        step: &mut impl Step<K, V, A>,
    ) -> Result<(), Failure> {
        let timestamp = record.timestamp;
        let close = self.rows.advance(context, timestamp, &record.headers)? - self.grace_ms;
        if timestamp.saturating_add(self.difference_ms) < close {
            context.dropped(self.rows.node(), DropReason::Late);
            return Ok(());
        }
        let from = timestamp.saturating_sub(self.difference_ms.saturating_mul(2));
        let found = self
            .rows
            .store()
            .fetch(context.stores, &record.key, from.max(0), timestamp + 1)
            .map_err(|error| context.fatal(self.rows.node(), error))?;
        let current = Current {
            record,
            close,
            step,
        };
        if timestamp < self.difference_ms {
            self.slide_early(context, current, found)
        } else {
            self.slide_within(context, current, found)
        }
    }
}
