//! The half of a foreign-key join where the right table lives: it keeps the subscriptions and answers them.

use std::panic::Location;

use bytes::Bytes;

use super::subscription::{Instruction, Response, Subscription};
use super::subscriptions::Subscriptions;
use super::values::JoinValues;
use crate::context::{Context, DropReason};
use crate::dsl::stream::Keyed;
use crate::dsl::table::{Lookup, Table};
use crate::error::Failure;
use crate::graph::{Cell, Out};
use crate::key::Key;
use crate::record::{Change, Record};
use crate::serde::Value;
use crate::topology::NodeId;

/// How many subscribers are told of a change at a time.
const BATCH: usize = 1024;

/// Keeps the subscriptions beside the right table, and answers.
pub(super) fn answer<'b, K: Key, L: Key, W: Value>(
    name: &str,
    subscriptions: Keyed<'b, L, Subscription>,
    right: Table<'b, L, W>,
    location: &'static Location<'static>,
) -> Keyed<'b, K, Response> {
    let Table {
        builder,
        node,
        out: changes,
        lookup: rows,
        versioned,
        old,
        ..
    } = right;
    let parents = [subscriptions.run.node, node];
    let node = builder.operator("foreign_key_answer", None, &parents, location);
    builder.joined(node);
    old.waive();
    let out = builder.out();
    let answerer = |store| Answerer {
        node,
        out,
        store,
        foreign: JoinValues::new(),
    };
    let store = Subscriptions::declare(builder, node, &format!("{name}-subscriptions"));
    let (mut asked, mut told) = (answerer(store.clone()), answerer(store));
    subscriptions
        .run
        .end(move |context, record| asked.asked(context, rows, record));
    let versioned = versioned.is_some();
    builder.connect(
        changes,
        Box::new(move |context, record: Record<L, Change<W>>| {
            if versioned && !record.value.latest {
                context.dropped(node, DropReason::OutOfOrder);
                return Ok(());
            }
            told.changed(context, record)
        }),
    );
    Keyed::begin(builder, node, out)
}

/// Answers subscriptions with the right table's rows.
struct Answerer<K, W: 'static> {
    node: NodeId,
    out: Out<K, Response>,
    store: Subscriptions,
    foreign: JoinValues<W>,
}

impl<K: Key, W: Value> Answerer<K, W> {
    fn asked<L: Key>(
        &mut self,
        context: &mut Context<'_>,
        rows: Cell<Lookup<L, W>>,
        record: Record<L, Subscription>,
    ) -> Result<(), Failure> {
        let subscription = &record.value;
        let found = match &record.key {
            Some(key) => {
                self.store
                    .update(context.stores, key, subscription, record.timestamp)
                    .map_err(|error| context.fatal(self.node, error))?;
                context.with_cell(rows, |context, lookup| lookup(context, key))?
            }
            None => None,
        };
        let timestamp = match &found {
            Some((_, timestamp)) => record.timestamp.max(*timestamp),
            None => record.timestamp,
        };
        let found = match (subscription.instruction, found) {
            (Instruction::DeleteAndSayNothing, _)
            | (Instruction::SubscribeAndRespondIfFound, None) => return Ok(()),
            (Instruction::DeleteAndRespond, _) => None,
            (_, found) => found.map(|(value, _)| value),
        };
        let foreign = self.bytes(context, found.as_ref())?;
        self.respond(
            context,
            record.map(|subscription| (subscription, foreign)),
            timestamp,
        )
    }

    fn changed<L: Key>(
        &mut self,
        context: &mut Context<'_>,
        record: Record<L, Change<W>>,
    ) -> Result<(), Failure> {
        let Some(key) = record.key else {
            context.dropped(self.node, DropReason::NullKey);
            return Ok(());
        };
        let foreign = self.bytes(context, record.value.new.as_ref())?;
        let mut after = None;
        loop {
            let subscribers = self
                .store
                .subscribers(context.stores, &key, after.as_ref(), BATCH)
                .map_err(|error| context.fatal(self.node, error))?;
            let full = subscribers.len() == BATCH;
            after = subscribers
                .last()
                .map(|subscription| subscription.primary_key.clone());
            for subscription in subscribers {
                let record = Record::<L, _> {
                    key: None,
                    value: (subscription, foreign.clone()),
                    timestamp: record.timestamp,
                    headers: record.headers.clone(),
                };
                self.respond(context, record, 0)?;
            }
            if !full {
                return Ok(());
            }
        }
    }

    /// Sends a response, with the later one of the record's timestamp and `timestamp`.
    fn respond<L>(
        &self,
        context: &mut Context<'_>,
        record: Record<L, (Subscription, Option<Bytes>)>,
        timestamp: i64,
    ) -> Result<(), Failure> {
        let (subscription, foreign) = record.value;
        let key =
            K::read(&subscription.primary_key).map_err(|error| context.fatal(self.node, error))?;
        context.forward(
            self.out,
            Record {
                key: Some(key),
                value: Response {
                    hash: subscription.hash,
                    foreign,
                    partition: subscription.partition,
                },
                timestamp: record.timestamp.max(timestamp),
                headers: record.headers,
            },
        )
    }

    fn bytes(
        &mut self,
        context: &Context<'_>,
        value: Option<&W>,
    ) -> Result<Option<Bytes>, Failure> {
        let Some(value) = value else {
            return Ok(None);
        };
        match self.foreign.bytes(value) {
            Ok(bytes) => Ok(Some(Bytes::copy_from_slice(bytes))),
            Err(error) => Err(context.fatal(self.node, error)),
        }
    }
}
