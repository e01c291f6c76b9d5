package dev.headwater.compat;

import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.TimeWindows;

/**
 * A Kafka Streams application with exactly-once v2: counts words in windows, and joins each word with the table of its
 * category to count categories.
 *
 * <p>Every count is written, none is cached away: each key's output must be exactly 1, 2, 3 and so on.
 *
 * <p>Arguments: bootstrap servers, application id (also the prefix of its topics), state directory.
 */
public final class WordCount {
    static final Duration WINDOW = Duration.ofSeconds(10);

    private WordCount() {}

    static String lines(String application) {
        return application + "-lines";
    }

    static String categories(String application) {
        return application + "-categories";
    }

    static String windowed(String application) {
        return application + "-windowed";
    }

    static String joined(String application) {
        return application + "-joined";
    }

    public static void main(String[] arguments) {
        KafkaStreams streams = start(arguments[0], arguments[1], arguments[2]);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    }

    static KafkaStreams start(String bootstrap, String application, String stateDir) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("application.id", application);
        settings.put("state.dir", stateDir);
        settings.put("processing.guarantee", "exactly_once_v2");
        settings.put("num.stream.threads", 1);
        settings.put("commit.interval.ms", 100);
        settings.put("statestore.cache.max.bytes", 0);
        settings.put("default.key.serde", Serdes.StringSerde.class);
        settings.put("default.value.serde", Serdes.StringSerde.class);
        settings.put("consumer.auto.offset.reset", "earliest");
        // One that was killed is not waited for long.
        settings.put("consumer.session.timeout.ms", 6000);
        settings.put("consumer.heartbeat.interval.ms", 1000);
        settings.put("producer.transaction.timeout.ms", 5000);
        KafkaStreams streams = new KafkaStreams(topology(application), settings);
        streams.start();
        return streams;
    }

    private static org.apache.kafka.streams.Topology topology(String application) {
        StreamsBuilder builder = new StreamsBuilder();
        KTable<String, String> categories = builder.table(categories(application));
        KStream<String, String> words = builder
                .stream(lines(application), Consumed.with(Serdes.String(), Serdes.String()))
                .flatMapValues(line -> List.of(line.toLowerCase(Locale.ROOT).split(" ")))
                .selectKey((key, word) -> word)
                .repartition(Repartitioned.with(Serdes.String(), Serdes.String()));
        words.groupByKey()
                .windowedBy(TimeWindows.ofSizeWithNoGrace(WINDOW))
                .count(Materialized.as("windowed-counts"))
                .toStream((window, count) -> window.key() + "@" + window.window().start())
                .mapValues(count -> Long.toString(count))
                .to(windowed(application), Produced.with(Serdes.String(), Serdes.String()));
        words.join(categories, (word, category) -> category, Joined.with(Serdes.String(), Serdes.String(), Serdes.String()))
                .groupBy((word, category) -> category, Grouped.with(Serdes.String(), Serdes.String()))
                .count(Materialized.as("category-counts"))
                .toStream()
                .mapValues(count -> Long.toString(count))
                .to(joined(application), Produced.with(Serdes.String(), Serdes.String()));
        return builder.build();
    }
}
