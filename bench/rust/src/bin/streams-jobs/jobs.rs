//! The topologies, the same as those of `bench/java`. Aggregations are cached, as Kafka Streams' are by default.

use std::sync::Arc;

use anyhow::{Result, bail};
use headwater_bench::events::{
    Auction, Bid, HotItem, LocalItem, NewSeller, Order, Paid, Payment, Person,
};
use headwater_streams::dsl::{Chain, within};
use headwater_streams::serde::{Codec, Json, KeySerde, Utf8};
use headwater_streams::windows::{hopping, mins, secs, tumbling};
use headwater_streams::{Builder, Key, Keyed, Materialized, Topic};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::progress::Progress;

/// What a topology is made from.
#[derive(Clone)]
pub(crate) struct Jobs {
    /// What the names of its input topics begin with.
    pub(crate) prefix: &'static str,
    /// The topic it writes to.
    pub(crate) out: String,
    pub(crate) progress: Arc<Progress>,
}

impl Jobs {
    /// The topology of a job.
    pub(crate) fn topology(self, job: &str) -> Result<impl Fn(&Builder) + Send + Sync + use<>> {
        let of: fn(&Self, &Builder) = match job {
            "filter" => Self::filter,
            "count" => Self::count,
            "word-count" => Self::word_count,
            "windowed-count" => Self::windowed_count,
            "join" => Self::join,
            "q1" => Self::currencies,
            "q3" => Self::local_items,
            "q5" => Self::hot_items,
            "q8" => Self::new_sellers,
            "stores" => Self::stores,
            other => bail!("no such job: {other}"),
        };
        Ok(move |builder: &Builder| of(&self, builder))
    }

    fn filter(&self, b: &Builder) {
        self.text(b, "text")
            .filter(|value| value.as_bytes().first().is_some_and(|first| *first < b'n'))
            .to(Topic::named(
                self.out.clone(),
                Codec::Static(&KeySerde),
                Codec::Static(&Utf8),
            ));
    }

    fn count(&self, b: &Builder) {
        self.text(b, "text")
            .count(Materialized::named("counts").cached())
            .to(self.json_out());
    }

    fn word_count(&self, b: &Builder) {
        let progress = Arc::clone(&self.progress);
        self.text(b, "lines")
            .flat_map(|line| line.split(' ').map(str::to_owned).collect::<Vec<String>>())
            .map_key(|_, word| word.clone())
            .repartition_with("by-word", None, Codec::Static(&Utf8))
            .inspect(move |_| progress.between())
            .count(Materialized::named("counts").cached())
            .to(self.json_out());
    }

    fn windowed_count(&self, b: &Builder) {
        self.text(b, "text")
            .window(tumbling(secs(10)))
            .count(Materialized::named("counts").cached())
            .to_stream_with(|windowed, _| windowed.key)
            .to(self.json_out());
    }

    fn join(&self, b: &Builder) {
        let payments = self.json::<String, Payment>(b, "payments");
        self.json::<String, Order>(b, "orders")
            .join("paid", payments, within(mins(1)))
            .map(|(order, payment)| Paid {
                item: order.item,
                cents: payment.cents,
            })
            .to(self.json_out());
    }

    fn currencies(&self, b: &Builder) {
        self.json::<u64, Bid>(b, "bids")
            .map(|bid| Bid {
                price: bid.price * 908 / 1000,
                ..bid
            })
            .to(self.json_out());
    }

    fn local_items(&self, b: &Builder) {
        let people = self
            .json::<u64, Person>(b, "people")
            .filter(|person| matches!(person.state.as_str(), "OR" | "ID" | "CA"))
            .to_table(Materialized::named("people").cached());
        let progress = Arc::clone(&self.progress);
        self.json::<u64, Auction>(b, "auctions")
            .filter(|auction| auction.category == 10)
            .key_by("by-seller", |auction| auction.seller)
            .inspect(move |_| progress.between())
            .join_table(people)
            .map(|(auction, person)| LocalItem {
                name: person.name,
                city: person.city,
                state: person.state,
                auction: auction.id,
            })
            .to(self.json_out());
    }

    fn hot_items(&self, b: &Builder) {
        let progress = Arc::clone(&self.progress);
        self.json::<u64, Bid>(b, "bids")
            .window(hopping(secs(10), secs(2)).grace(secs(10)))
            .count(Materialized::named("bids").cached())
            .to_stream()
            .map_record(|record| {
                let windowed = record.key?;
                Some(headwater_streams::Record {
                    key: Some(windowed.window.start),
                    value: HotItem {
                        auction: windowed.key,
                        bids: record.value?,
                    },
                    timestamp: record.timestamp,
                    headers: record.headers,
                })
            })
            .repartition("by-window")
            .inspect(move |_| progress.between())
            .reduce(
                Materialized::named("hottest").cached(),
                |hottest: HotItem, item| {
                    if item.bids > hottest.bids {
                        item
                    } else {
                        hottest
                    }
                },
            )
            .to(self.json_out());
    }

    fn new_sellers(&self, b: &Builder) {
        let progress = Arc::clone(&self.progress);
        let by_seller = self
            .json::<u64, Auction>(b, "auctions")
            .key_by("by-seller", |auction| auction.seller)
            .inspect(move |_| progress.between());
        self.json::<u64, Person>(b, "people")
            .join("sellers", by_seller, within(secs(10)).grace(secs(10)))
            .map(|(person, auction)| NewSeller {
                person: person.id,
                name: person.name,
                auction: auction.id,
            })
            .to(self.json_out());
    }

    /// Ten stores; its topic has ten partitions.
    fn stores(&self, b: &Builder) {
        let (mut one, mut rest) = self.text(b, "wide").tee();
        for store in 0..9 {
            let _ = one.count(Materialized::named(format!("counts-{store}")).cached());
            (one, rest) = rest.tee();
        }
        drop(rest);
        let _ = one.count(Materialized::named("counts-9").cached());
    }

    fn text<'b>(
        &self,
        b: &'b Builder,
        topic: &str,
    ) -> Keyed<'b, String, String, impl Chain<Key = String, Value = String> + use<'b>> {
        let topic = Topic::named(
            format!("{}{topic}", self.prefix),
            Codec::Static(&KeySerde),
            Codec::Static(&Utf8),
        );
        let progress = Arc::clone(&self.progress);
        b.stream(topic).inspect(move |_| progress.input())
    }

    fn json<'b, K: Key, V: Serialize + DeserializeOwned + Send + 'static>(
        &self,
        b: &'b Builder,
        topic: &str,
    ) -> Keyed<'b, K, V, impl Chain<Key = K, Value = V> + use<'b, K, V>> {
        let topic = Topic::named(
            format!("{}{topic}", self.prefix),
            Codec::Static(&KeySerde),
            Codec::Static(&Json),
        );
        let progress = Arc::clone(&self.progress);
        b.stream(topic).inspect(move |_| progress.input())
    }

    fn json_out<K: Key, V: Serialize + DeserializeOwned + Send + 'static>(&self) -> Topic<K, V> {
        Topic::named(
            self.out.clone(),
            Codec::Static(&KeySerde),
            Codec::Static(&Json),
        )
    }
}
