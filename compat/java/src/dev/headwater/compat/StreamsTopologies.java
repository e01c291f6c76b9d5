package dev.headwater.compat;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.SlidingWindows;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TableJoined;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.ValueJoiner;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/**
 * The topologies of {@link StreamsReference}, by name: {@code compat/java/STREAMS.md} says of each what it reads, does
 * and writes. {@code compat/rust} has the same ones written with headwater-streams.
 */
final class StreamsTopologies {
    private static final Duration WINDOW = Duration.ofSeconds(10);
    private static final Duration ADVANCE = Duration.ofSeconds(4);
    private static final Duration GRACE = Duration.ofSeconds(5);
    private static final Duration GAP = Duration.ofSeconds(3);
    private static final Duration BEFORE = Duration.ofSeconds(3);
    private static final Duration AFTER = Duration.ofSeconds(5);
    private static final Duration JOIN_GRACE = Duration.ofSeconds(2);
    private static final Duration KEPT_WINDOWS = Duration.ofMinutes(10);
    private static final Duration HISTORY = Duration.ofSeconds(20);
    /** Of a text that grows with each record. */
    private static final int KEPT = 24;

    private static final Serde<String> TEXT = Serdes.String();
    private static final Serde<Long> LONG = Serdes.Long();
    private static final Serde<Windowed<String>> TIME_WINDOWED =
            WindowedSerdes.timeWindowedSerdeFrom(String.class, WINDOW.toMillis());
    private static final Serde<Windowed<String>> SESSION_WINDOWED = WindowedSerdes.sessionWindowedSerdeFrom(String.class);
    private static final ValueJoiner<String, String, String> BOTH = (left, right) -> left + "+" + right;

    private static final Map<String, Consumer<StreamsTopologies>> ALL = new TreeMap<>();

    static {
        ALL.put("word-count", StreamsTopologies::wordCount);
        ALL.put("count-tumbling", t -> t.countIn(TimeWindows.ofSizeAndGrace(WINDOW, GRACE)));
        ALL.put("count-hopping", t -> t.countIn(TimeWindows.ofSizeAndGrace(WINDOW, GRACE).advanceBy(ADVANCE)));
        ALL.put("count-sliding", StreamsTopologies::countSliding);
        ALL.put("count-session", StreamsTopologies::countSession);
        ALL.put("reduce", StreamsTopologies::reduce);
        ALL.put("aggregate-final", StreamsTopologies::aggregateFinal);
        ALL.put("suppress", StreamsTopologies::suppress);
        ALL.put("stream-join-inner", t -> t.streamJoin(KStream::join));
        ALL.put("stream-join-left", t -> t.streamJoin(KStream::leftJoin));
        ALL.put("stream-join-outer", t -> t.streamJoin(KStream::outerJoin));
        ALL.put("stream-table-join-inner", t -> t.streamTableJoin(KStream::join));
        ALL.put("stream-table-join-left", t -> t.streamTableJoin(KStream::leftJoin));
        ALL.put("table-table-join-inner", t -> t.tableTableJoin(KTable::join));
        ALL.put("table-table-join-left", t -> t.tableTableJoin(KTable::leftJoin));
        ALL.put("table-table-join-outer", t -> t.tableTableJoin(KTable::outerJoin));
        ALL.put("foreign-key-join-inner", StreamsTopologies::foreignKeyJoinInner);
        ALL.put("foreign-key-join-left", StreamsTopologies::foreignKeyJoinLeft);
        ALL.put("global-table-join-inner", StreamsTopologies::globalTableJoinInner);
        ALL.put("global-table-join-left", StreamsTopologies::globalTableJoinLeft);
        ALL.put("versioned-table-join", StreamsTopologies::versionedTableJoin);
        ALL.put("versioned-table-join-grace", StreamsTopologies::versionedTableJoinGrace);
        ALL.put("repartition-by-new-key", StreamsTopologies::repartitionByNewKey);
        ALL.put("cogroup", StreamsTopologies::cogroup);
        ALL.put("table-group-by", StreamsTopologies::tableGroupBy);
    }

    private final StreamsBuilder builder;
    private final List<String> inputs;
    private final String output;

    private StreamsTopologies(StreamsBuilder builder, List<String> inputs, String output) {
        this.builder = builder;
        this.inputs = inputs;
        this.output = output;
    }

    /** Adds the named topology, from these topics to that one. */
    static void build(String name, StreamsBuilder builder, List<String> inputs, String output) {
        Consumer<StreamsTopologies> topology = ALL.get(name);
        if (topology == null) {
            throw new IllegalArgumentException("no topology " + name + " among " + ALL.keySet());
        }
        topology.accept(new StreamsTopologies(builder, inputs, output));
    }

    /** The part of a value before its bar: a group, or another table's key. */
    static String group(String value) {
        return value.substring(0, value.indexOf('|'));
    }

    private static String payload(String value) {
        return value.substring(value.indexOf('|') + 1);
    }

    /** The end of a text, so that it tells the last records and their order and does not grow for ever. */
    private static String appended(String text, String more) {
        String all = text + more;
        return all.substring(Math.max(0, all.length() - KEPT));
    }

    private KStream<String, String> stream(int input) {
        return builder.stream(inputs.get(input), Consumed.with(TEXT, TEXT));
    }

    private KTable<String, String> table(int input, String name) {
        return builder.table(inputs.get(input), Consumed.with(TEXT, TEXT), stored(name));
    }

    private KGroupedStream<String, String> grouped(int input) {
        return stream(input).groupByKey(Grouped.with(TEXT, TEXT));
    }

    private static Materialized<String, String, KeyValueStore<Bytes, byte[]>> stored(String name) {
        return Materialized.<String, String, KeyValueStore<Bytes, byte[]>>as(name).withKeySerde(TEXT).withValueSerde(TEXT);
    }

    private static <V> Materialized<String, V, WindowStore<Bytes, byte[]>> windowed(String name, Serde<V> values) {
        return Materialized.<String, V, WindowStore<Bytes, byte[]>>as(name).withKeySerde(TEXT).withValueSerde(values);
    }

    private void write(KStream<String, String> results) {
        results.to(output, Produced.with(TEXT, TEXT));
    }

    private void writeWindows(KTable<Windowed<String>, Long> counts) {
        counts.toStream().to(output, Produced.with(TIME_WINDOWED, LONG));
    }

    private void wordCount() {
        stream(0).flatMapValues(line -> Arrays.asList(line.split(" ")))
                .groupBy((key, word) -> word, Grouped.with("words", TEXT, TEXT))
                .count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("counts").withValueSerde(LONG))
                .toStream()
                .to(output, Produced.with(TEXT, LONG));
    }

    private void countIn(TimeWindows windows) {
        writeWindows(grouped(0).windowedBy(windows).count(windowed("counts", LONG)));
    }

    private void countSliding() {
        SlidingWindows windows = SlidingWindows.ofTimeDifferenceAndGrace(WINDOW, GRACE);
        writeWindows(grouped(0).windowedBy(windows).count(windowed("counts", LONG)));
    }

    private void countSession() {
        Materialized<String, Long, SessionStore<Bytes, byte[]>> store = Materialized.as("counts");
        grouped(0).windowedBy(SessionWindows.ofInactivityGapAndGrace(GAP, GRACE))
                .count(store.withKeySerde(TEXT).withValueSerde(LONG))
                .toStream()
                .to(output, Produced.with(SESSION_WINDOWED, LONG));
    }

    private void reduce() {
        write(grouped(0).reduce(StreamsTopologies::appended, stored("reduced")).toStream());
    }

    /**
     * The store keeps windows for long: with no more than their size and grace, Kafka Streams loses the results of
     * windows that close when stream time jumps, since the record that closes them makes them too old to be read.
     */
    private void aggregateFinal() {
        grouped(0).windowedBy(TimeWindows.ofSizeAndGrace(WINDOW, GRACE))
                .emitStrategy(EmitStrategy.onWindowClose())
                .aggregate(() -> "", (key, value, total) -> appended(total, value),
                        windowed("totals", TEXT).withRetention(KEPT_WINDOWS))
                .toStream()
                .to(output, Produced.with(TIME_WINDOWED, TEXT));
    }

    private void suppress() {
        writeWindows(grouped(0).windowedBy(TimeWindows.ofSizeAndGrace(WINDOW, GRACE))
                .count(windowed("counts", LONG))
                .suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()).withName("final")));
    }

    /** An inner, left or outer join of streams. */
    private interface StreamJoin {
        KStream<String, String> join(KStream<String, String> left, KStream<String, String> right,
                ValueJoiner<String, String, String> joiner, JoinWindows windows, StreamJoined<String, String, String> joined);
    }

    private void streamJoin(StreamJoin join) {
        JoinWindows windows = JoinWindows.ofTimeDifferenceAndGrace(AFTER, JOIN_GRACE).before(BEFORE);
        StreamJoined<String, String, String> joined =
                StreamJoined.with(TEXT, TEXT, TEXT).withName("joined").withStoreName("joined");
        write(join.join(stream(0), stream(1), BOTH, windows, joined));
    }

    /** An inner or left join of a stream and a table. */
    private interface StreamTableJoin {
        KStream<String, String> join(KStream<String, String> left, KTable<String, String> right,
                ValueJoiner<String, String, String> joiner, Joined<String, String, String> joined);
    }

    private void streamTableJoin(StreamTableJoin join) {
        write(join.join(stream(0), table(1, "table"), BOTH, Joined.with(TEXT, TEXT, TEXT)));
    }

    /** An inner, left or outer join of tables. */
    private interface TableTableJoin {
        KTable<String, String> join(KTable<String, String> left, KTable<String, String> right,
                ValueJoiner<String, String, String> joiner);
    }

    private void tableTableJoin(TableTableJoin join) {
        write(join.join(table(0, "left"), table(1, "right"), BOTH).toStream());
    }

    /** Of a left value "-|...", none: such a row has nothing to join with. */
    private static String foreignKey(String value) {
        return group(value).equals("-") ? null : group(value);
    }

    private void foreignKeyJoinInner() {
        write(table(0, "left").join(table(1, "right"), StreamsTopologies::foreignKey, BOTH,
                TableJoined.as("joined"), stored("results")).toStream());
    }

    private void foreignKeyJoinLeft() {
        write(table(0, "left").leftJoin(table(1, "right"), StreamsTopologies::foreignKey, BOTH,
                TableJoined.as("joined"), stored("results")).toStream());
    }

    private void globalTableJoinInner() {
        write(stream(0).join(builder.globalTable(inputs.get(1), Consumed.with(TEXT, TEXT)),
                (key, value) -> group(value), BOTH));
    }

    private void globalTableJoinLeft() {
        write(stream(0).leftJoin(builder.globalTable(inputs.get(1), Consumed.with(TEXT, TEXT)),
                (key, value) -> group(value), BOTH));
    }

    private void versionedTableJoin() {
        Materialized<String, String, KeyValueStore<Bytes, byte[]>> versions =
                Materialized.as(Stores.persistentVersionedKeyValueStore("versions", HISTORY));
        KTable<String, String> table = builder.table(inputs.get(1), Consumed.with(TEXT, TEXT), versions);
        write(stream(0).leftJoin(table, BOTH, Joined.with(TEXT, TEXT, TEXT)));
    }

    private void versionedTableJoinGrace() {
        Materialized<String, String, KeyValueStore<Bytes, byte[]>> versions =
                Materialized.as(Stores.persistentVersionedKeyValueStore("versions", HISTORY));
        KTable<String, String> table = builder.table(inputs.get(1), Consumed.with(TEXT, TEXT), versions);
        write(stream(0).join(table, BOTH,
                Joined.with(TEXT, TEXT, TEXT).withName("waiting").withGracePeriod(JOIN_GRACE)));
    }

    private void repartitionByNewKey() {
        write(stream(0).selectKey((key, value) -> group(value))
                .repartition(Repartitioned.with(TEXT, TEXT).withName("by-group"))
                .groupByKey()
                .reduce(StreamsTopologies::appended, stored("reduced"))
                .toStream());
    }

    private void cogroup() {
        write(grouped(0).<String>cogroup((key, value, total) -> appended(total, "l" + value))
                .cogroup(grouped(1), (key, value, total) -> appended(total, "r" + value))
                .aggregate(() -> "", stored("totals"))
                .toStream());
    }

    private void tableGroupBy() {
        Materialized<String, Long, KeyValueStore<Bytes, byte[]>> store = Materialized.as("totals");
        table(0, "rows")
                .groupBy((key, value) -> KeyValue.pair(group(value), Long.parseLong(payload(value))),
                        Grouped.with("by-group", TEXT, LONG))
                .aggregate(() -> 0L, (key, value, total) -> total + value, (key, value, total) -> total - value,
                        store.withKeySerde(TEXT).withValueSerde(LONG))
                .toStream()
                .to(output, Produced.with(TEXT, LONG));
    }
}
