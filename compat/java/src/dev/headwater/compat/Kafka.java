package dev.headwater.compat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** The Kafka under test: clients for it, and names that no other run has. */
final class Kafka implements AutoCloseable {
    final String bootstrap;
    final Admin admin;
    private final Map<String, Object> settings;
    private final String run = Long.toString(System.currentTimeMillis(), 36);
    private final AtomicInteger names = new AtomicInteger();

    Kafka(String bootstrap) {
        this(bootstrap, Map.of());
    }

    /** With settings that all clients get. */
    Kafka(String bootstrap, Map<String, Object> settings) {
        this.bootstrap = bootstrap;
        this.settings = new HashMap<>(settings);
        this.settings.put("bootstrap.servers", bootstrap);
        this.admin = Admin.create(this.settings);
    }

    String name(String what) {
        return "java-" + what + "-" + run + "-" + names.incrementAndGet();
    }

    String topic(int partitions) throws Exception {
        return topic(partitions, Map.of());
    }

    /** A new topic that is ready to be used. */
    String topic(int partitions, Map<String, String> configs) throws Exception {
        String name = name("topic");
        create(name, partitions, configs);
        return name;
    }

    void create(String name, int partitions, Map<String, String> configs) throws Exception {
        NewTopic topic = new NewTopic(name, Optional.of(partitions), Optional.empty()).configs(configs);
        admin.createTopics(List.of(topic)).all().get();
        Expect.eventually("topic " + name + " has leaders", () -> hasLeaders(name));
    }

    private boolean hasLeaders(String name) throws Exception {
        try {
            TopicDescription topic = admin.describeTopics(List.of(name)).allTopicNames().get().get(name);
            return topic.partitions().stream().allMatch(partition -> partition.leader() != null);
        } catch (java.util.concurrent.ExecutionException e) {
            if (e.getCause() instanceof UnknownTopicOrPartitionException) {
                return false;
            }
            throw e;
        }
    }

    KafkaProducer<String, String> producer(Map<String, Object> settings) {
        Map<String, Object> all = new HashMap<>(this.settings);
        all.putAll(settings);
        return new KafkaProducer<>(all, new StringSerializer(), new StringSerializer());
    }

    KafkaProducer<String, String> transactional(String id) {
        return producer(Map.of("transactional.id", id));
    }

    KafkaConsumer<String, String> consumer(Map<String, Object> settings) {
        Map<String, Object> all = new HashMap<>(this.settings);
        all.putAll(Map.of("auto.offset.reset", "earliest", "enable.auto.commit", false));
        all.putAll(settings);
        return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
    }

    /** Writes values without keys to partition 0, each acknowledged by all. */
    void write(String topic, String... values) throws Exception {
        try (KafkaProducer<String, String> producer = producer(Map.of())) {
            for (String value : values) {
                producer.send(new ProducerRecord<>(topic, 0, null, value)).get();
            }
        }
    }

    /** Writes "0", "1", ... to partition 0. */
    void writeNumbers(String topic, int count) throws Exception {
        write(topic, IntStream.range(0, count).mapToObj(Integer::toString).toArray(String[]::new));
    }

    /** All records of a topic as far as they are visible now. */
    List<ConsumerRecord<String, String>> read(String topic, Map<String, Object> settings) {
        try (KafkaConsumer<String, String> consumer = consumer(settings)) {
            List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                    .map(partition -> new TopicPartition(topic, partition.partition()))
                    .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            List<ConsumerRecord<String, String>> records = new ArrayList<>();
            while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                consumer.poll(Duration.ofMillis(100)).forEach(records::add);
            }
            return records;
        }
    }

    List<String> values(String topic, String isolation) {
        return read(topic, Map.of("isolation.level", isolation)).stream().map(ConsumerRecord::value).toList();
    }

    List<String> values(String topic) {
        return values(topic, "read_uncommitted");
    }

    /** Waits until these are what is committed: a commit is answered before its markers are in all partitions. */
    void awaitCommitted(String topic, List<String> expected) throws Exception {
        List<String> seen = values(topic, "read_committed");
        for (int i = 0; i < 100 && !seen.equals(expected); i++) {
            Thread.sleep(100);
            seen = values(topic, "read_committed");
        }
        Expect.equal(expected, seen);
    }

    @Override
    public void close() {
        admin.close(Duration.ofSeconds(5));
    }
}
