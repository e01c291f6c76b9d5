//! The topologies, written with headwater-streams; `compat/java/STREAMS.md` says what each does, and
//! `StreamsTopologies` has them in Java.

use headwater_streams::dsl::join::{JoinWindows, within};
use headwater_streams::serde::{Codec, KeySerde, Long, Utf8};
use headwater_streams::windows::secs;
use headwater_streams::{Builder, Key, Keyed, Materialized, Table, Topic};

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
        "reduce" => reduce,
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
        "repartition-by-new-key" => repartition_by_new_key,
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

fn reduce(b: &Builder, topics: &Topics) {
    stream(b, topics, 0)
        .reduce("reduced", |text, value| appended(&text, &value))
        .to(topics.texts());
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

fn repartition_by_new_key(b: &Builder, topics: &Topics) {
    stream(b, topics, 0)
        .key_by("by-group", |value| group(value))
        .reduce("reduced", |text, value| appended(&text, &value))
        .to(topics.texts());
}
