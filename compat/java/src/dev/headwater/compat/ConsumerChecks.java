package dev.headwater.compat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.NoOffsetForPartitionException;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.OffsetMetadataTooLarge;

/** The Java consumer on its own: positions, offsets, times; with both group protocols. */
final class ConsumerChecks {
    private static final List<String> PROTOCOLS = List.of("classic", "consumer");

    private ConsumerChecks() {}

    static void register(Suite suite) {
        for (String protocol : PROTOCOLS) {
            String with = " (" + protocol + ")";
            suite.check("consumer seeks, pauses and resumes" + with, kafka -> seeks(kafka, protocol));
            suite.check("consumer finds offsets by time" + with, kafka -> findsByTime(kafka, protocol));
            suite.check("consumer commits with metadata and resumes" + with, kafka -> resumes(kafka, protocol));
            suite.check("consumer resets as auto.offset.reset says" + with, kafka -> resets(kafka, protocol));
            suite.check("consumer reads a large topic in small fetches" + with, kafka -> readsAll(kafka, protocol));
        }
        suite.check("commit metadata over offset.metadata.max.bytes is refused", ConsumerChecks::refusesMetadata);
    }

    private static KafkaConsumer<String, String> assigned(Kafka kafka, String protocol, String topic) {
        KafkaConsumer<String, String> consumer = kafka.consumer(
                Map.of("group.protocol", protocol, "group.id", kafka.name("group"), "max.poll.records", 10));
        consumer.assign(List.of(new TopicPartition(topic, 0)));
        return consumer;
    }

    private static List<String> next(KafkaConsumer<String, String> consumer, int count) throws Exception {
        List<String> values = new ArrayList<>();
        Expect.eventually(count + " records", () -> {
            consumer.poll(Duration.ofMillis(100)).forEach(record -> values.add(record.value()));
            return values.size() >= count;
        });
        return values.subList(0, count);
    }

    private static void seeks(Kafka kafka, String protocol) throws Exception {
        String topic = kafka.topic(1);
        kafka.writeNumbers(topic, 30);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> consumer = assigned(kafka, protocol, topic)) {
            consumer.seek(partition, 25);
            Expect.equal(List.of("25", "26", "27", "28", "29"), next(consumer, 5));
            consumer.seekToBeginning(Set.of(partition));
            Expect.equal(0L, consumer.position(partition));
            consumer.pause(Set.of(partition));
            Expect.equal(0, consumer.poll(Duration.ofMillis(200)).count());
            consumer.resume(Set.of(partition));
            Expect.equal("0", next(consumer, 1).get(0));
            consumer.seekToEnd(Set.of(partition));
            Expect.equal(30L, consumer.position(partition));
            Expect.equal(Map.of(partition, 0L), consumer.beginningOffsets(Set.of(partition)));
            Expect.equal(Map.of(partition, 30L), consumer.endOffsets(Set.of(partition)));
            Expect.equal(0L, consumer.currentLag(partition).orElse(-1));
        }
    }

    private static void findsByTime(Kafka kafka, String protocol) throws Exception {
        String topic = kafka.topic(2);
        TopicPartition partition = new TopicPartition(topic, 0);
        TopicPartition empty = new TopicPartition(topic, 1);
        long base = System.currentTimeMillis() - 100_000;
        try (KafkaProducer<String, String> producer = kafka.producer(Map.of())) {
            for (int i = 0; i < 10; i++) {
                producer.send(new ProducerRecord<>(topic, 0, base + i * 1000L, null, Integer.toString(i)));
            }
        }
        try (KafkaConsumer<String, String> consumer = assigned(kafka, protocol, topic)) {
            Map<TopicPartition, OffsetAndTimestamp> found =
                    consumer.offsetsForTimes(Map.of(partition, base + 3500, empty, base));
            Expect.equal(4L, found.get(partition).offset());
            Expect.equal(base + 4000, found.get(partition).timestamp());
            Expect.equal(null, found.get(empty));
            Expect.equal(null, consumer.offsetsForTimes(Map.of(partition, base + 50_000)).get(partition));
            Expect.equal(0L, consumer.offsetsForTimes(Map.of(partition, 0L)).get(partition).offset());
        }
    }

    private static void resumes(Kafka kafka, String protocol) throws Exception {
        String topic = kafka.topic(1);
        kafka.writeNumbers(topic, 20);
        TopicPartition partition = new TopicPartition(topic, 0);
        Map<String, Object> settings =
                Map.of("group.protocol", protocol, "group.id", kafka.name("group"), "max.poll.records", 7);
        try (KafkaConsumer<String, String> consumer = kafka.consumer(settings)) {
            consumer.subscribe(List.of(topic));
            Expect.equal("6", next(consumer, 7).get(6));
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(7, "so far")));
            OffsetAndMetadata committed = consumer.committed(Set.of(partition)).get(partition);
            Expect.equal("7 so far", committed.offset() + " " + committed.metadata());
        }
        try (KafkaConsumer<String, String> consumer = kafka.consumer(settings)) {
            consumer.subscribe(List.of(topic));
            Expect.equal("7", next(consumer, 1).get(0));
            consumer.commitSync();
        }
        try (KafkaConsumer<String, String> consumer = kafka.consumer(settings)) {
            Expect.equal(14L, consumer.committed(Set.of(partition)).get(partition).offset());
        }
    }

    private static void resets(Kafka kafka, String protocol) throws Exception {
        String topic = kafka.topic(1);
        kafka.writeNumbers(topic, 5);
        TopicPartition partition = new TopicPartition(topic, 0);
        for (Map.Entry<String, Long> reset : Map.of("earliest", 0L, "latest", 5L, "by_duration:PT1H", 0L).entrySet()) {
            Map<String, Object> settings = Map.of("group.protocol", protocol, "group.id", kafka.name("group"),
                    "auto.offset.reset", reset.getKey());
            try (KafkaConsumer<String, String> consumer = kafka.consumer(settings)) {
                consumer.assign(Set.of(partition));
                Expect.equal(reset.getValue(), consumer.position(partition));
            }
        }
        Map<String, Object> none =
                Map.of("group.protocol", protocol, "group.id", kafka.name("group"), "auto.offset.reset", "none");
        try (KafkaConsumer<String, String> consumer = kafka.consumer(none)) {
            consumer.assign(Set.of(partition));
            Expect.fails(NoOffsetForPartitionException.class, () -> consumer.poll(Duration.ofSeconds(10)));
            consumer.seek(partition, 99);
            Expect.fails(OffsetOutOfRangeException.class, () -> {
                for (int i = 0; i < 100; i++) {
                    consumer.poll(Duration.ofMillis(100));
                }
                return null;
            });
        }
    }

    private static void readsAll(Kafka kafka, String protocol) throws Exception {
        String topic = kafka.topic(4);
        try (KafkaProducer<String, String> producer = kafka.producer(Map.of("batch.size", 2000))) {
            for (int i = 0; i < 4000; i++) {
                producer.send(new ProducerRecord<>(topic, i % 4, null, i + "x".repeat(i % 300)));
            }
        }
        Map<String, Object> settings = Map.of("group.protocol", protocol, "group.id", kafka.name("group"),
                "fetch.max.bytes", 6000, "max.partition.fetch.bytes", 3000, "check.crcs", true);
        List<ConsumerRecord<String, String>> records = kafka.read(topic, settings);
        Expect.equal(4000, records.size());
        long[] next = new long[4];
        for (ConsumerRecord<String, String> record : records) {
            Expect.equal(next[record.partition()]++, record.offset());
        }
    }

    private static void refusesMetadata(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> consumer = assigned(kafka, "classic", topic)) {
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(0, "x".repeat(4096))));
            Expect.fails(OffsetMetadataTooLarge.class, () -> {
                consumer.commitSync(Map.of(partition, new OffsetAndMetadata(0, "x".repeat(4097))));
                return null;
            });
        }
    }
}
