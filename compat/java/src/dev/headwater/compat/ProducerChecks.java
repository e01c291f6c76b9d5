package dev.headwater.compat;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.InvalidRecordException;
import org.apache.kafka.common.errors.InvalidTimestampException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.internals.RecordHeader;

/** The Java producer. */
final class ProducerChecks {
    private ProducerChecks() {}

    static void register(Suite suite) {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            suite.check("producer and consumer carry batches of " + codec, kafka -> carries(kafka, codec));
        }
        suite.check("producer keeps keys, nulls, headers and timestamps", ProducerChecks::keepsEverything);
        suite.check("idempotent producer keeps order with five requests in flight", ProducerChecks::keepsOrder);
        suite.check("producer with acks 0, 1 and all", ProducerChecks::allAcks);
        suite.check("producer makes a topic by use, and an illegal name is refused", ProducerChecks::makesTopics);
        suite.check("a record over max.message.bytes is refused", ProducerChecks::refusesLarge);
        suite.check("a record without key is refused by a compacted topic", ProducerChecks::refusesKeyless);
        suite.check("a timestamp too far from now is refused", ProducerChecks::refusesTimestamps);
        suite.check("LogAppendTime replaces the producer's timestamp", ProducerChecks::stampsAppendTime);
        suite.check("a topic's compression.type recompresses", ProducerChecks::recompresses);
    }

    private static void carries(Kafka kafka, String codec) throws Exception {
        String topic = kafka.topic(1);
        List<String> values = IntStream.range(0, 500).mapToObj(i -> "value ".repeat(i % 20) + i).toList();
        Map<String, Object> settings = Map.of("compression.type", codec, "linger.ms", 20, "batch.size", 4096);
        try (KafkaProducer<String, String> producer = kafka.producer(settings)) {
            values.forEach(value -> producer.send(new ProducerRecord<>(topic, value)));
        }
        Expect.equal(values, kafka.values(topic));
    }

    private static void keepsEverything(Kafka kafka) throws Exception {
        String topic = kafka.topic(3);
        long now = System.currentTimeMillis();
        try (KafkaProducer<String, String> producer = kafka.producer(Map.of())) {
            List<RecordHeader> headers = List.of(
                    new RecordHeader("a", "1".getBytes(StandardCharsets.UTF_8)),
                    new RecordHeader("a", "2".getBytes(StandardCharsets.UTF_8)),
                    new RecordHeader("empty", new byte[0]),
                    new RecordHeader("null", (byte[]) null));
            RecordMetadata first =
                    producer.send(new ProducerRecord<>(topic, 2, now - 1000, "key", "value", new ArrayList<>(headers))).get();
            RecordMetadata second = producer.send(new ProducerRecord<String, String>(topic, 2, now, "tombstone", null, List.of())).get();
            Expect.equal("2 0 2 1",
                    first.partition() + " " + first.offset() + " " + second.partition() + " " + second.offset());
        }
        List<ConsumerRecord<String, String>> records = kafka.read(topic, Map.of());
        ConsumerRecord<String, String> record = records.get(0);
        Expect.equal("key=value@" + (now - 1000), record.key() + "=" + record.value() + "@" + record.timestamp());
        StringBuilder headers = new StringBuilder();
        record.headers().forEach(header -> headers.append(header.key()).append('=')
                .append(header.value() == null ? "null" : new String(header.value(), StandardCharsets.UTF_8)).append(' '));
        Expect.equal("a=1 a=2 empty= null=null ", headers.toString());
        Expect.equal(null, records.get(1).value());
    }

    private static void keepsOrder(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        List<String> values = IntStream.range(0, 5000).mapToObj(Integer::toString).toList();
        Map<String, Object> settings =
                Map.of("enable.idempotence", true, "max.in.flight.requests.per.connection", 5, "batch.size", 200);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<String, String> producer = kafka.producer(settings)) {
            values.forEach(value -> sent.add(producer.send(new ProducerRecord<>(topic, value))));
        }
        for (int i = 0; i < sent.size(); i++) {
            Expect.equal((long) i, sent.get(i).get().offset());
        }
        Expect.equal(values, kafka.values(topic));
    }

    private static void allAcks(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        for (String acks : List.of("0", "1", "all")) {
            Map<String, Object> settings = Map.of("acks", acks, "enable.idempotence", false);
            try (KafkaProducer<String, String> producer = kafka.producer(settings)) {
                RecordMetadata record = producer.send(new ProducerRecord<>(topic, acks)).get();
                Expect.equal(!acks.equals("0"), record.hasOffset());
            }
            Expect.eventually("acks=" + acks, () -> kafka.values(topic).contains(acks));
        }
        Expect.equal(List.of("0", "1", "all"), kafka.values(topic));
    }

    private static void makesTopics(Kafka kafka) throws Exception {
        String topic = kafka.name("made-by-use");
        kafka.write(topic, "first");
        Expect.equal(List.of("first"), kafka.values(topic));
        Expect.fails(InvalidTopicException.class, () -> {
            kafka.write("no spaces allowed", "x");
            return null;
        });
    }

    private static void refusesLarge(Kafka kafka) throws Exception {
        String topic = kafka.topic(1, Map.of("max.message.bytes", "2000"));
        kafka.write(topic, "x".repeat(1500));
        Expect.fails(RecordTooLargeException.class, () -> {
            kafka.write(topic, "x".repeat(3000));
            return null;
        });
        Expect.equal(1, kafka.values(topic).size());
    }

    private static void refusesKeyless(Kafka kafka) throws Exception {
        String topic = kafka.topic(1, Map.of("cleanup.policy", "compact"));
        Expect.fails(InvalidRecordException.class, () -> {
            kafka.write(topic, "no key");
            return null;
        });
    }

    private static void refusesTimestamps(Kafka kafka) throws Exception {
        String topic = kafka.topic(1, Map.of(
                "message.timestamp.before.max.ms", "60000", "message.timestamp.after.max.ms", "60000"));
        long now = System.currentTimeMillis();
        try (KafkaProducer<String, String> producer = kafka.producer(Map.of())) {
            for (long timestamp : List.of(now - 600_000, now + 600_000)) {
                Expect.fails(InvalidTimestampException.class,
                        () -> producer.send(new ProducerRecord<>(topic, 0, timestamp, null, "x")).get());
            }
            producer.send(new ProducerRecord<>(topic, 0, now, null, "in time")).get();
        }
        Expect.equal(List.of("in time"), kafka.values(topic));
    }

    private static void stampsAppendTime(Kafka kafka) throws Exception {
        String topic = kafka.topic(1, Map.of("message.timestamp.type", "LogAppendTime"));
        long before = System.currentTimeMillis();
        try (KafkaProducer<String, String> producer = kafka.producer(Map.of("compression.type", "lz4"))) {
            RecordMetadata sent = producer.send(new ProducerRecord<>(topic, 0, 1000L, null, "x")).get();
            ConsumerRecord<String, String> read = kafka.read(topic, Map.of()).get(0);
            Expect.that(read.timestamp() >= before && read.timestamp() == sent.timestamp(),
                    read.timestamp() + " read, " + sent.timestamp() + " acknowledged");
            Expect.equal("LogAppendTime", read.timestampType().toString());
        }
    }

    private static void recompresses(Kafka kafka) throws Exception {
        List<String> values = IntStream.range(0, 200).mapToObj(i -> "again and again " + i).toList();
        for (String target : List.of("uncompressed", "gzip", "snappy", "lz4", "zstd")) {
            String topic = kafka.topic(1, Map.of("compression.type", target));
            for (String codec : List.of("none", "gzip", "zstd")) {
                Map<String, Object> settings = Map.of("compression.type", codec, "linger.ms", 20);
                try (KafkaProducer<String, String> producer = kafka.producer(settings)) {
                    values.forEach(value -> producer.send(new ProducerRecord<>(topic, value)));
                }
            }
            List<String> read = kafka.values(topic);
            Expect.equal(600, read.size());
            Expect.equal(values, read.subList(400, 600));
        }
    }
}
