package dev.headwater.compat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ProducerFencedException;

/** The Java client's transactions. */
final class TransactionChecks {
    private static final String COMMITTED = "read_committed";

    private TransactionChecks() {}

    static void register(Suite suite) {
        suite.check("read_committed sees commits and not aborts", TransactionChecks::hidesAborts);
        suite.check("read_committed stops at the first open transaction", TransactionChecks::stopsAtOpen);
        suite.check("transactions of two producers interleave in one partition", TransactionChecks::interleaves);
        suite.check("a zombie producer is fenced", TransactionChecks::fencesZombies);
        suite.check("a transaction that times out is aborted and its producer fenced", TransactionChecks::timesOut);
        suite.check("transaction.timeout.ms over the maximum is refused", TransactionChecks::refusesTimeout);
        suite.check("offsets are committed with their transaction", TransactionChecks::commitsOffsets);
        suite.check("offsets of a member that is gone are refused", TransactionChecks::refusesOldMembers);
        for (String protocol : List.of("classic", "consumer")) {
            suite.check("a copy loop with commits and aborts copies each record once (" + protocol + ")",
                    kafka -> copies(kafka, protocol));
        }
    }

    private static void send(KafkaProducer<String, String> producer, String topic, String... values) {
        for (String value : values) {
            producer.send(new ProducerRecord<>(topic, 0, null, value));
        }
    }

    private static void hidesAborts(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        String other = kafka.topic(2);
        try (KafkaProducer<String, String> producer = kafka.transactional(kafka.name("txn"))) {
            producer.initTransactions();
            for (int i = 0; i < 6; i++) {
                producer.beginTransaction();
                send(producer, topic, i + "a", i + "b");
                send(producer, other, i + "c");
                producer.flush();
                if (i % 2 == 0) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
            }
            producer.beginTransaction();
            producer.commitTransaction();
        }
        kafka.awaitCommitted(topic, List.of("0a", "0b", "2a", "2b", "4a", "4b"));
        kafka.awaitCommitted(other, List.of("0c", "2c", "4c"));
        Expect.equal(12, kafka.values(topic, "read_uncommitted").size());
    }

    private static void stopsAtOpen(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaProducer<String, String> producer = kafka.transactional(kafka.name("txn"))) {
            producer.initTransactions();
            kafka.write(topic, "before");
            producer.beginTransaction();
            send(producer, topic, "open");
            producer.flush();
            kafka.write(topic, "after");
            kafka.awaitCommitted(topic, List.of("before"));
            Expect.equal(List.of("before", "open", "after"), kafka.values(topic));
            ListOffsetsOptions stable = new ListOffsetsOptions(IsolationLevel.READ_COMMITTED);
            Map<TopicPartition, OffsetSpec> latest = Map.of(partition, OffsetSpec.latest());
            Expect.equal(1L, kafka.admin.listOffsets(latest, stable).partitionResult(partition).get().offset());
            Expect.equal(3L, kafka.admin.listOffsets(latest).partitionResult(partition).get().offset());
            producer.commitTransaction();
        }
        kafka.awaitCommitted(topic, List.of("before", "open", "after"));
    }

    private static void interleaves(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        try (KafkaProducer<String, String> first = kafka.transactional(kafka.name("txn"));
                KafkaProducer<String, String> second = kafka.transactional(kafka.name("txn"))) {
            first.initTransactions();
            second.initTransactions();
            first.beginTransaction();
            second.beginTransaction();
            for (int i = 0; i < 5; i++) {
                send(first, topic, "first " + i);
                first.flush();
                send(second, topic, "second " + i);
                second.flush();
            }
            second.commitTransaction();
            kafka.awaitCommitted(topic, List.of());
            first.abortTransaction();
        }
        kafka.awaitCommitted(topic, IntStream.range(0, 5).mapToObj(i -> "second " + i).toList());
    }

    private static void fencesZombies(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        String id = kafka.name("txn");
        try (KafkaProducer<String, String> zombie = kafka.transactional(id);
                KafkaProducer<String, String> successor = kafka.transactional(id)) {
            zombie.initTransactions();
            zombie.beginTransaction();
            send(zombie, topic, "of the zombie");
            zombie.flush();
            successor.initTransactions();
            successor.beginTransaction();
            send(successor, topic, "of the successor");
            Expect.fails(ProducerFencedException.class, () -> {
                zombie.commitTransaction();
                return null;
            });
            successor.commitTransaction();
        }
        kafka.awaitCommitted(topic, List.of("of the successor"));
    }

    private static void timesOut(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        Map<String, Object> settings =
                Map.of("transactional.id", kafka.name("txn"), "transaction.timeout.ms", 1000);
        try (KafkaProducer<String, String> producer = kafka.producer(settings)) {
            producer.initTransactions();
            producer.beginTransaction();
            send(producer, topic, "too late");
            producer.flush();
            kafka.write(topic, "after");
            Expect.eventually("the abort", () -> kafka.values(topic, COMMITTED).equals(List.of("after")));
            Expect.fails(KafkaException.class, () -> {
                producer.commitTransaction();
                return null;
            });
        }
    }

    private static void refusesTimeout(Kafka kafka) throws Exception {
        Map<String, Object> settings =
                Map.of("transactional.id", kafka.name("txn"), "transaction.timeout.ms", 900_001);
        try (KafkaProducer<String, String> producer = kafka.producer(settings)) {
            KafkaException refused = Expect.fails(KafkaException.class, () -> {
                producer.initTransactions();
                return null;
            });
            Expect.contains("larger than the maximum value allowed", refused.getMessage());
        }
    }

    private static void commitsOffsets(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        Map<String, Object> settings = Map.of("group.id", kafka.name("group"));
        ConsumerGroupMetadata group;
        try (KafkaConsumer<String, String> consumer = kafka.consumer(settings)) {
            group = consumer.groupMetadata();
        }
        try (KafkaProducer<String, String> producer = kafka.transactional(kafka.name("txn"))) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(Map.of(partition, new OffsetAndMetadata(7, "seven")), group);
            producer.commitTransaction();
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(Map.of(partition, new OffsetAndMetadata(9)), group);
            producer.abortTransaction();
        }
        OffsetAndMetadata committed = kafka.admin.listConsumerGroupOffsets(group.groupId())
                .partitionsToOffsetAndMetadata().get().get(partition);
        Expect.equal("7 seven", committed.offset() + " " + committed.metadata());
    }

    private static void refusesOldMembers(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        String group = kafka.name("group");
        ConsumerGroupMetadata old;
        try (KafkaConsumer<String, String> consumer = kafka.consumer(Map.of("group.id", group))) {
            consumer.subscribe(List.of(topic));
            Expect.eventually("joined", () -> {
                consumer.poll(Duration.ofMillis(100));
                return !consumer.assignment().isEmpty();
            });
            old = consumer.groupMetadata();
        }
        try (Member member = Member.of(kafka, group, "classic", topic);
                KafkaProducer<String, String> producer = kafka.transactional(kafka.name("txn"))) {
            member.awaitPartitions(1);
            producer.initTransactions();
            producer.beginTransaction();
            Expect.fails(CommitFailedException.class, () -> {
                producer.sendOffsetsToTransaction(Map.of(partition, new OffsetAndMetadata(1)), old);
                producer.commitTransaction();
                return null;
            });
            producer.abortTransaction();
        }
    }

    /** Consume, transform, produce; every third transaction is aborted and done again. */
    private static void copies(Kafka kafka, String protocol) throws Exception {
        int count = 300;
        String input = kafka.topic(2);
        String output = kafka.topic(2);
        try (KafkaProducer<String, String> producer = kafka.producer(Map.of())) {
            for (int i = 0; i < count; i++) {
                producer.send(new ProducerRecord<>(input, i % 2, null, Integer.toString(i)));
            }
        }
        Map<String, Object> settings = Map.of("group.id", kafka.name("group"), "group.protocol", protocol,
                "isolation.level", COMMITTED, "max.poll.records", 20);
        try (KafkaConsumer<String, String> consumer = kafka.consumer(settings);
                KafkaProducer<String, String> producer = kafka.transactional(kafka.name("txn"))) {
            consumer.subscribe(List.of(input));
            producer.initTransactions();
            int copied = 0;
            for (int round = 0; copied < count; round++) {
                ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(200));
                if (records.isEmpty()) {
                    continue;
                }
                producer.beginTransaction();
                for (ConsumerRecord<String, String> record : records) {
                    producer.send(new ProducerRecord<>(output, record.partition(), null, "copy " + record.value()));
                }
                producer.sendOffsetsToTransaction(records.nextOffsets(), consumer.groupMetadata());
                if (round % 3 == 2) {
                    producer.abortTransaction();
                    seekToCommitted(consumer);
                } else {
                    producer.commitTransaction();
                    copied += records.count();
                }
            }
        }
        Expect.eventually("all are committed", () -> kafka.values(output, COMMITTED).size() >= count);
        Map<Integer, List<String>> seen = new HashMap<>();
        for (ConsumerRecord<String, String> record : kafka.read(output, Map.of("isolation.level", COMMITTED))) {
            seen.computeIfAbsent(record.partition(), partition -> new ArrayList<>()).add(record.value());
        }
        for (int partition = 0; partition < 2; partition++) {
            int first = partition;
            Expect.equal(IntStream.range(0, count / 2).mapToObj(i -> "copy " + (2 * i + first)).toList(),
                    seen.get(partition));
        }
    }

    private static void seekToCommitted(KafkaConsumer<String, String> consumer) {
        Set<TopicPartition> assignment = consumer.assignment();
        Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(assignment);
        for (TopicPartition partition : assignment) {
            OffsetAndMetadata offset = committed.get(partition);
            consumer.seek(partition, offset == null ? 0 : offset.offset());
        }
    }
}
