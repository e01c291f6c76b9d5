//! The topologies, written with headwater-streams; `compat/java/STREAMS.md` says what each does, and
//! `StreamsTopologies` has them in Java.

use headwater_streams::dsl::join::{JoinWindows, within};
use headwater_streams::serde::{Codec, KeySerde, Long, Utf8};
use headwater_streams::suppress::until_window_closes;
use headwater_streams::windows::{hopping, mins, secs, session, sliding, tumbling};
use headwater_streams::{Builder, Final, Key, Keyed, Materialized, Table, Topic};

/// Of a text that grows with each record.
const KEPT: usize = 24;

/// What a topology reads and writes.
#[derive(Clone)]
pub(crate) struct Topics {
    pub(crate) inputs: Vec<String>,
    pub(crate) output: String,
}

impl Topics {
    fn input(&self, index: usize) -> Topic<String, String> {
        text_topic(&self.inputs[index])
    }

    fn texts<K: Key>(&self) -> Topic<K, String> {
        text_topic(&self.output)
    }

    fn numbers<K: Key, N: 'static>(&self) -> Topic<K, N>
    where
        Long: headwater_streams::serde::Serde<N>,
    {
        Topic::named(&self.output, Codec::Static(&KeySerde), Codec::Static(&Long))
    }
}

fn text_topic<K: Key>(name: &str) -> Topic<K, String> {
    Topic::named(name, Codec::Static(&KeySerde), Codec::Static(&Utf8))
}

/// The named topology.
pub(crate) fn topology(name: &str) -> Option<fn(&Builder, &Topics)> {
    Some(match name {
        "word-count" => word_count,
        "count-tumbling" => count_tumbling,
        "count-hopping" => count_hopping,
        "count-sliding" => count_sliding,
        "count-session" => count_session,
        "reduce" => reduce,
        "aggregate-final" => aggregate_final,
        "suppress" => suppress,
        "stream-join-inner" => stream_join_inner,
        "stream-join-left" => stream_join_left,
        "stream-join-outer" => stream_join_outer,
        "stream-table-join-inner" => stream_table_join_inner,
        "stream-table-join-left" => stream_table_join_left,
        "table-table-join-inner" => table_table_join_inner,
        "table-table-join-left" => table_table_join_left,
        "table-table-join-outer" => table_table_join_outer,
        "global-table-join-inner" => global_table_join_inner,
        "global-table-join-left" => global_table_join_left,
        "foreign-key-join-inner" => foreign_key_join_inner,
        "foreign-key-join-left" => foreign_key_join_left,
        "versioned-table-join" => versioned_table_join,
        "versioned-table-join-grace" => versioned_table_join_grace,
        "repartition-by-new-key" => repartition_by_new_key,
        "cogroup" => cogroup,
        "table-group-by" => table_group_by,
        _ => return None,
    })
}

/// The part of a value before its bar.
fn group(value: &str) -> String {
    value.split('|').next().unwrap_or_default().to_owned()
}

/// The end of a text, so that it tells the last records and their order and does not grow for ever.
fn appended(text: &str, more: &str) -> String {
    let all = format!("{text}{more}");
    let cut = all.len().saturating_sub(KEPT);
    all.get(cut..).unwrap_or_default().to_owned()
}

fn joined(left: Option<String>, right: Option<String>) -> String {
    let shown = |side: Option<String>| side.unwrap_or_else(|| "null".to_owned());
    format!("{}+{}", shown(left), shown(right))
}

fn stream<'b>(b: &'b Builder, topics: &Topics, input: usize) -> Keyed<'b, String, String> {
    b.stream(topics.input(input))
}

fn table<'b>(
    b: &'b Builder,
    topics: &Topics,
    input: usize,
    name: &str,
) -> Table<'b, String, String> {
    b.table(topics.input(input), Materialized::named(name))
}

fn word_count(b: &Builder, topics: &Topics) {
    stream(b, topics, 0)
        .flat_map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
        .key_by("words", String::clone)
        .count("counts")
        .to(topics.numbers());
}

fn count_tumbling(b: &Builder, topics: &Topics) {
    stream(b, topics, 0)
        .window(tumbling(secs(10)).grace(secs(5)))
        .count("counts")
        .to(topics.numbers());
}

fn count_hopping(b: &Builder, topics: &Topics) {
    stream(b, topics, 0)
        .window(hopping(secs(10), secs(4)).grace(secs(5)))
        .count("counts")
        .to(topics.numbers());
}

fn count_sliding(b: &Builder, topics: &Topics) {
    stream(b, topics, 0)
        .window(sliding(secs(10)).grace(secs(5)))
        .count("counts")
        .to(topics.numbers());
}

fn count_session(b: &Builder, topics: &Topics) {
    stream(b, topics, 0)
        .window(session(secs(3)).grace(secs(5)))
        .count("counts")
        .to(topics.numbers());
}

fn reduce(b: &Builder, topics: &Topics) {
    stream(b, topics, 0)
        .reduce("reduced", |text, value| appended(&text, &value))
        .to(topics.texts());
}

fn aggregate_final(b: &Builder, topics: &Topics) {
    stream(b, topics, 0)
        .window(tumbling(secs(10)).grace(secs(5)).retention(mins(10)))
        .fold("totals", String::new(), |total, value: String| {
            *total = appended(total, &value);
        })
        .emit(Final)
        .to(topics.texts());
}

fn suppress(b: &Builder, topics: &Topics) {
    stream(b, topics, 0)
        .window(tumbling(secs(10)).grace(secs(5)))
        .count("counts")
        .suppress("final", until_window_closes())
        .to(topics.numbers());
}

fn near() -> JoinWindows {
    within(secs(5)).before(secs(3)).grace(secs(2))
}

fn stream_join_inner(b: &Builder, topics: &Topics) {
    stream(b, topics, 0)
        .join("joined", stream(b, topics, 1), near())
        .map(|(left, right)| joined(Some(left), Some(right)))
        .to(topics.texts());
}

fn stream_join_left(b: &Builder, topics: &Topics) {
    stream(b, topics, 0)
        .left_join("joined", stream(b, topics, 1), near())
        .map(|(left, right)| joined(Some(left), right))
        .to(topics.texts());
}

fn stream_join_outer(b: &Builder, topics: &Topics) {
    stream(b, topics, 0)
        .outer_join("joined", stream(b, topics, 1), near())
        .map(|(left, right)| joined(left, right))
        .to(topics.texts());
}

fn stream_table_join_inner(b: &Builder, topics: &Topics) {
    stream(b, topics, 0)
        .join_table(table(b, topics, 1, "table"))
        .map(|(left, right)| joined(Some(left), Some(right)))
        .to(topics.texts());
}

fn stream_table_join_left(b: &Builder, topics: &Topics) {
    stream(b, topics, 0)
        .left_join_table(table(b, topics, 1, "table"))
        .map(|(left, right)| joined(Some(left), right))
        .to(topics.texts());
}

fn table_table_join_inner(b: &Builder, topics: &Topics) {
    table(b, topics, 0, "left")
        .join(table(b, topics, 1, "right"))
        .map(|(left, right)| joined(Some(left), Some(right)))
        .to(topics.texts());
}

fn table_table_join_left(b: &Builder, topics: &Topics) {
    table(b, topics, 0, "left")
        .left_join(table(b, topics, 1, "right"))
        .map(|(left, right)| joined(Some(left), right))
        .to(topics.texts());
}

fn table_table_join_outer(b: &Builder, topics: &Topics) {
    table(b, topics, 0, "left")
        .outer_join(table(b, topics, 1, "right"))
        .map(|(left, right)| joined(left, right))
        .to(topics.texts());
}

fn global_table_join_inner(b: &Builder, topics: &Topics) {
    let rows = b.global_table(topics.input(1), "rows");
    stream(b, topics, 0)
        .join_global(&rows, |_, value| group(value))
        .map(|(left, right)| joined(Some(left), Some(right)))
        .to(topics.texts());
}

fn global_table_join_left(b: &Builder, topics: &Topics) {
    let rows = b.global_table(topics.input(1), "rows");
    stream(b, topics, 0)
        .left_join_global(&rows, |_, value| group(value))
        .map(|(left, right)| joined(Some(left), right))
        .to(topics.texts());
}

/// Of a left value "-|...", none: such a row has nothing to join with.
fn foreign_key(value: &str) -> Option<String> {
    Some(group(value)).filter(|key| key != "-")
}

fn foreign_key_join_inner(b: &Builder, topics: &Topics) {
    table(b, topics, 0, "left")
        .join_foreign("results", table(b, topics, 1, "right"), |value| {
            foreign_key(value)
        })
        .map(|(left, right)| joined(Some(left), Some(right)))
        .to(topics.texts());
}

fn foreign_key_join_left(b: &Builder, topics: &Topics) {
    table(b, topics, 0, "left")
        .left_join_foreign("results", table(b, topics, 1, "right"), |value| {
            foreign_key(value)
        })
        .map(|(left, right)| joined(Some(left), right))
        .to(topics.texts());
}

fn versioned_table_join(b: &Builder, topics: &Topics) {
    stream(b, topics, 0)
        .left_join_table(b.table_versioned(topics.input(1), "versions", secs(20)))
        .map(|(left, right)| joined(Some(left), right))
        .to(topics.texts());
}

fn versioned_table_join_grace(b: &Builder, topics: &Topics) {
    let versions = b.table_versioned(topics.input(1), "versions", secs(20));
    stream(b, topics, 0)
        .join_table_with_grace("waiting", versions, secs(2))
        .map(|(left, right)| joined(Some(left), Some(right)))
        .to(topics.texts());
}

fn repartition_by_new_key(b: &Builder, topics: &Topics) {
    stream(b, topics, 0)
        .key_by("by-group", |value| group(value))
        .reduce("reduced", |text, value| appended(&text, &value))
        .to(topics.texts());
}

fn cogroup(b: &Builder, topics: &Topics) {
    stream(b, topics, 0)
        .cogroup(|total: &mut String, value: String| *total = appended(total, &format!("l{value}")))
        .and(stream(b, topics, 1), |total, value| {
            *total = appended(total, &format!("r{value}"));
        })
        .fold("totals", String::new())
        .to(topics.texts());
}

fn table_group_by(b: &Builder, topics: &Topics) {
    table(b, topics, 0, "rows")
        .group_by("by-group", |_, value| (group(&value), amount(&value)))
        .fold(
            "totals",
            0_i64,
            |total, amount| *total += amount,
            |total, amount| *total -= amount,
        )
        .to(topics.numbers());
}

fn amount(value: &str) -> i64 {
    let payload = value.split_once('|').map_or("", |(_, payload)| payload);
    payload.parse().unwrap_or(0)
}
