package dev.headwater.compat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.streams.KafkaStreams;

/** A Kafka Streams application counts exactly once, whoever is killed in the middle. */
final class StreamsChecks {
    private static final Duration LIMIT = Duration.ofSeconds(600);
    private static final List<String> WORDS = List.of("river", "lake", "spring", "stone", "sand", "reed");
    private static final int LINES = 600;

    private StreamsChecks() {}

    static void register(Suite suite, String headwater) {
        suite.check("Kafka Streams counts exactly once while the application is killed", Suite.Lane.CLIENTS, LIMIT,
                StreamsChecks::killsApplication);
        if (headwater != null) {
            suite.check("Kafka Streams counts exactly once while the store is killed", Suite.Lane.CLIENTS, LIMIT,
                    kafka -> killsStore(Path.of(headwater)));
        }
    }

    /** What the application is fed, and what it must have counted of it. */
    private static final class Feed {
        private final Kafka kafka;
        private final String application;
        private final long base = System.currentTimeMillis() / 10_000 * 10_000 - 600_000;
        private final Map<String, Long> windowed = new TreeMap<>();
        private final Map<String, Long> joined = new TreeMap<>();

        Feed(Kafka kafka) throws Exception {
            this.kafka = kafka;
            this.application = kafka.name("word-count");
            for (String topic : List.of(WordCount.lines(application), WordCount.categories(application),
                    WordCount.windowed(application), WordCount.joined(application))) {
                kafka.create(topic, 2, Map.of());
            }
            try (KafkaProducer<String, String> producer = kafka.producer(Map.of())) {
                for (String word : WORDS) {
                    String topic = WordCount.categories(application);
                    producer.send(new ProducerRecord<>(topic, null, base - 1000, word, category(word))).get();
                }
            }
        }

        private static String category(String word) {
            return word.startsWith("s") ? "solid or spring" : "wet";
        }

        /** Lines of three words; time goes on by 100 ms from each to the next, in one partition each. */
        void write(int from, int to) throws Exception {
            try (KafkaProducer<String, String> producer = kafka.producer(Map.of("linger.ms", 5))) {
                Future<RecordMetadata> last = null;
                for (int i = from; i < to; i++) {
                    long time = base + i * 100L;
                    StringBuilder line = new StringBuilder();
                    for (int word = 0; word < 3; word++) {
                        String next = WORDS.get((i * 7 + word * 5 + i / 11) % WORDS.size());
                        line.append(word == 0 ? "" : " ").append(next);
                        long start = time - time % WordCount.WINDOW.toMillis();
                        windowed.merge(next + "@" + start, 1L, Long::sum);
                        joined.merge(category(next), 1L, Long::sum);
                    }
                    last = producer.send(new ProducerRecord<>(WordCount.lines(application), 0, time, null, line.toString()));
                }
                last.get();
            }
        }

        int written() {
            return kafka.values(WordCount.joined(application), "read_committed").size();
        }

        void awaitAll() throws Exception {
            long total = joined.values().stream().mapToLong(Long::longValue).sum();
            long deadline = System.nanoTime() + 2 * Expect.PATIENCE.toNanos();
            while ((written() < total || counted(WordCount.windowed(application)).size() < windowed.size())
                    && System.nanoTime() < deadline) {
                Thread.sleep(200);
            }
            Expect.equal(joined, counted(WordCount.joined(application)));
            Expect.equal(windowed, counted(WordCount.windowed(application)));
        }

        /** The last count of each key, after checking that its counts went up one by one. */
        private Map<String, Long> counted(String topic) {
            Map<String, Long> counts = new HashMap<>();
            for (ConsumerRecord<String, String> record :
                    kafka.read(topic, Map.of("isolation.level", "read_committed"))) {
                long count = counts.merge(record.key(), 1L, Long::sum);
                Expect.equal(record.key() + " " + count, record.key() + " " + record.value());
            }
            return new TreeMap<>(counts);
        }
    }

    private static void killsApplication(Kafka kafka) throws Exception {
        Feed feed = new Feed(kafka);
        Path state = Files.createTempDirectory("headwater-streams-");
        String[] arguments = {kafka.bootstrap, feed.application, state.toString()};
        feed.write(0, LINES / 2);
        try {
            try (Jvm first = new Jvm(WordCount.class.getName(), arguments)) {
                Expect.eventually("some output", () -> {
                    first.expectRunning();
                    return feed.written() > 0;
                });
                feed.write(LINES / 2, LINES * 3 / 4);
                first.kill();
            }
            feed.write(LINES * 3 / 4, LINES);
            try (Jvm second = new Jvm(WordCount.class.getName(), arguments)) {
                feed.awaitAll();
            }
        } finally {
            delete(state);
        }
    }

    private static void killsStore(Path binary) throws Exception {
        Path dir = Files.createTempDirectory("headwater-streams-");
        try (StoreProcess store = new StoreProcess(binary, dir.resolve("data"));
                Kafka kafka = new Kafka(store.bootstrap())) {
            Feed feed = new Feed(kafka);
            feed.write(0, LINES / 3);
            try (KafkaStreams streams = WordCount.start(store.bootstrap(), feed.application, dir.resolve("state").toString())) {
                Expect.eventually("some output", () -> feed.written() > 0);
                for (int third = 1; third < 3; third++) {
                    feed.write(LINES / 3 * third, LINES / 3 * (third + 1));
                    store.kill();
                    store.start();
                }
                feed.awaitAll();
                Expect.equal(KafkaStreams.State.RUNNING, streams.state());
            }
        } finally {
            delete(dir);
        }
    }

    private static void delete(Path dir) throws Exception {
        try (var paths = Files.walk(dir)) {
            for (Path path : paths.sorted(java.util.Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        }
    }
}
