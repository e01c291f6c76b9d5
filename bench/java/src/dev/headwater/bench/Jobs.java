package dev.headwater.bench;

import static org.apache.kafka.streams.kstream.Consumed.with;

import dev.headwater.bench.Events.Auction;
import dev.headwater.bench.Events.Bid;
import dev.headwater.bench.Events.HotItem;
import dev.headwater.bench.Events.LocalItem;
import dev.headwater.bench.Events.NewSeller;
import dev.headwater.bench.Events.Order;
import dev.headwater.bench.Events.Paid;
import dev.headwater.bench.Events.Payment;
import dev.headwater.bench.Events.Person;
import java.time.Duration;
import java.util.Arrays;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.TimeWindows;

/** The topologies, the same as those of bench/rust. */
final class Jobs {
  private static final Serde<String> TEXT = Serdes.String();
  private static final Serde<Long> LONG = Serdes.Long();
  private static final Duration SECONDS_10 = Duration.ofSeconds(10);

  private final StreamsBuilder builder = new StreamsBuilder();
  private final String prefix;
  private final String out;
  private final Progress progress;

  private Jobs(String prefix, String out, Progress progress) {
    this.prefix = prefix;
    this.out = out;
    this.progress = progress;
  }

  /** The topology of a job that reads the topics with this prefix. */
  static Topology topology(String job, String prefix, String out, Progress progress) {
    Jobs jobs = new Jobs(prefix, out, progress);
    switch (job) {
      case "filter" -> jobs.filter();
      case "count" -> jobs.count();
      case "word-count" -> jobs.wordCount();
      case "windowed-count" -> jobs.windowedCount();
      case "join" -> jobs.join();
      case "q1" -> jobs.currencies();
      case "q3" -> jobs.localItems();
      case "q5" -> jobs.hotItems();
      case "q8" -> jobs.newSellers();
      case "stores" -> jobs.stores();
      default -> throw new IllegalArgumentException("no such job: " + job);
    }
    return jobs.builder.build();
  }

  private <K, V> KStream<K, V> input(String topic, Serde<K> key, Serde<V> value) {
    return builder.stream(prefix + topic, with(key, value)).peek((k, v) -> progress.input());
  }

  private <K, V> KStream<K, V> repartition(
      KStream<K, V> stream, String name, Serde<K> key, Serde<V> value) {
    return stream
        .repartition(Repartitioned.<K, V>as(name).withKeySerde(key).withValueSerde(value))
        .peek((k, v) -> progress.between());
  }

  private void filter() {
    input("text", TEXT, TEXT)
        .filter((key, value) -> value.charAt(0) < 'n')
        .to(out, Produced.with(TEXT, TEXT));
  }

  private void count() {
    input("text", TEXT, TEXT)
        .groupByKey(Grouped.with(TEXT, TEXT))
        .count(Materialized.as("counts"))
        .toStream()
        .to(out, Produced.with(TEXT, LONG));
  }

  private void wordCount() {
    KStream<String, String> words =
        input("lines", TEXT, TEXT)
            .flatMapValues(line -> Arrays.asList(line.split(" ")))
            .selectKey((key, word) -> word);
    repartition(words, "by-word", TEXT, TEXT)
        .groupByKey(Grouped.with(TEXT, TEXT))
        .count(Materialized.as("counts"))
        .toStream()
        .to(out, Produced.with(TEXT, LONG));
  }

  private void windowedCount() {
    input("text", TEXT, TEXT)
        .groupByKey(Grouped.with(TEXT, TEXT))
        .windowedBy(TimeWindows.ofSizeWithNoGrace(SECONDS_10))
        .count(Materialized.as("counts"))
        .toStream()
        .map((window, count) -> KeyValue.pair(window.key(), count))
        .to(out, Produced.with(TEXT, LONG));
  }

  private void join() {
    Serde<Order> order = Json.of(Order.class);
    Serde<Payment> payment = Json.of(Payment.class);
    input("orders", TEXT, order)
        .join(
            input("payments", TEXT, payment),
            (o, p) -> new Paid(o.item(), p.cents()),
            JoinWindows.ofTimeDifferenceWithNoGrace(Duration.ofMinutes(1)),
            StreamJoined.with(TEXT, order, payment).withName("paid").withStoreName("paid"))
        .to(out, Produced.with(TEXT, Json.of(Paid.class)));
  }

  private void currencies() {
    Serde<Bid> bids = Json.of(Bid.class);
    input("bids", LONG, bids)
        .mapValues(
            bid ->
                new Bid(
                    bid.auction(),
                    bid.bidder(),
                    bid.price() * 908 / 1000,
                    bid.channel(),
                    bid.dateTime()))
        .to(out, Produced.with(LONG, bids));
  }

  private void localItems() {
    Serde<Person> person = Json.of(Person.class);
    Serde<Auction> auction = Json.of(Auction.class);
    KTable<Long, Person> people =
        input("people", LONG, person)
            .filter((id, p) -> Arrays.asList("OR", "ID", "CA").contains(p.state()))
            .toTable(Materialized.<Long, Person>as(org.apache.kafka.streams.state.Stores
                .persistentKeyValueStore("people")).withKeySerde(LONG).withValueSerde(person));
    KStream<Long, Auction> bySeller =
        input("auctions", LONG, auction)
            .filter((id, a) -> a.category() == 10)
            .selectKey((id, a) -> a.seller());
    repartition(bySeller, "by-seller", LONG, auction)
        .join(
            people,
            (a, p) -> new LocalItem(p.name(), p.city(), p.state(), a.id()),
            Joined.with(LONG, auction, person))
        .to(out, Produced.with(LONG, Json.of(LocalItem.class)));
  }

  private void hotItems() {
    Serde<Bid> bids = Json.of(Bid.class);
    Serde<HotItem> hot = Json.of(HotItem.class);
    KStream<Long, HotItem> counted =
        input("bids", LONG, bids)
            .groupByKey(Grouped.with(LONG, bids))
            .windowedBy(
                TimeWindows.ofSizeAndGrace(SECONDS_10, SECONDS_10).advanceBy(Duration.ofSeconds(2)))
            .count(Materialized.as("bids"))
            .toStream()
            .map((window, count) ->
                KeyValue.pair(window.window().start(), new HotItem(window.key(), count)));
    repartition(counted, "by-window", LONG, hot)
        .groupByKey(Grouped.with(LONG, hot))
        .reduce((a, b) -> b.bids() > a.bids() ? b : a, Materialized.as("hottest"))
        .toStream()
        .to(out, Produced.with(LONG, hot));
  }

  private void newSellers() {
    Serde<Person> person = Json.of(Person.class);
    Serde<Auction> auction = Json.of(Auction.class);
    KStream<Long, Auction> bySeller =
        input("auctions", LONG, auction).selectKey((id, a) -> a.seller());
    input("people", LONG, person)
        .join(
            repartition(bySeller, "by-seller", LONG, auction),
            (p, a) -> new NewSeller(p.id(), p.name(), a.id()),
            JoinWindows.ofTimeDifferenceAndGrace(SECONDS_10, SECONDS_10),
            StreamJoined.with(LONG, person, auction).withName("sellers").withStoreName("sellers"))
        .to(out, Produced.with(LONG, Json.of(NewSeller.class)));
  }

  /** Ten stores; its topic has ten partitions. */
  private void stores() {
    KStream<String, String> text = input("wide", TEXT, TEXT);
    for (int store = 0; store < 10; store++) {
      text.groupByKey(Grouped.with(TEXT, TEXT)).count(Materialized.as("counts-" + store));
    }
  }
}
