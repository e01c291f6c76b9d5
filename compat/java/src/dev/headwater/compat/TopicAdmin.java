package dev.headwater.compat;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Admin calls about topics, their partitions and offsets. */
final class TopicAdmin {
    private TopicAdmin() {}

    static void register(Suite suite) {
        suite.check("Admin creates, describes and deletes topics by name and id", TopicAdmin::managesTopics);
        suite.check("Admin creates a topic only to validate it", TopicAdmin::validates);
        suite.check("Admin is told why a topic cannot be made", TopicAdmin::refusesTopics);
        suite.check("Admin adds partitions", TopicAdmin::addsPartitions);
        suite.check("Admin lists internal topics apart", TopicAdmin::listsInternal);
        suite.check("Admin lists offsets of every kind", TopicAdmin::listsOffsets);
        suite.check("Admin deletes records", TopicAdmin::deletesRecords);
        suite.check("Admin elects leaders and lists reassignments", TopicAdmin::electsLeaders);
    }

    private static void managesTopics(Kafka kafka) throws Exception {
        String topic = kafka.name("topic");
        NewTopic wanted = new NewTopic(topic, Optional.of(3), Optional.empty()).configs(Map.of("retention.ms", "1000"));
        CreateTopicsResult created = kafka.admin.createTopics(List.of(wanted));
        Uuid id = created.topicId(topic).get();
        Expect.equal(3, created.numPartitions(topic).get());
        Expect.equal("1000", created.config(topic).get().get("retention.ms").value());
        Expect.fails(TopicExistsException.class, () -> kafka.admin.createTopics(List.of(wanted)).all().get());
        Expect.eventually("listed", () -> kafka.admin.listTopics().names().get().contains(topic));
        TopicDescription byId = kafka.admin.describeTopics(TopicCollection.ofTopicIds(List.of(id)))
                .allTopicIds().get().get(id);
        TopicDescription byName = kafka.admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
        Expect.equal(id + " " + topic + " 3", byName.topicId() + " " + byId.name() + " " + byId.partitions().size());
        Expect.equal(false, byName.isInternal());
        Expect.equal(3, byName.partitions().size());
        kafka.admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all().get();
        Expect.eventually("gone", () -> !kafka.admin.listTopics().names().get().contains(topic));
        Expect.fails(UnknownTopicOrPartitionException.class, () -> kafka.admin.deleteTopics(List.of(topic)).all().get());
        Expect.fails(UnknownTopicIdException.class,
                () -> kafka.admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all().get());
    }

    private static void validates(Kafka kafka) throws Exception {
        String topic = kafka.name("topic");
        CreateTopicsOptions validate = new CreateTopicsOptions().validateOnly(true);
        NewTopic wanted = new NewTopic(topic, Optional.of(2), Optional.empty());
        kafka.admin.createTopics(List.of(wanted), validate).all().get();
        Expect.that(!kafka.admin.listTopics().names().get().contains(topic), "it was made");
    }

    private static void refusesTopics(Kafka kafka) throws Exception {
        Expect.fails(InvalidPartitionsException.class, () -> create(kafka, new NewTopic(kafka.name("t"), 0, (short) 1)));
        Expect.fails(InvalidReplicationFactorException.class,
                () -> create(kafka, new NewTopic(kafka.name("t"), 1, (short) 9)));
        Expect.fails(InvalidTopicException.class, () -> create(kafka, new NewTopic("not/legal", 1, (short) 1)));
        Expect.fails(InvalidTopicException.class, () -> create(kafka, new NewTopic("x".repeat(250), 1, (short) 1)));
        for (Map<String, String> configs : List.of(Map.of("no.such.config", "1"), Map.of("retention.ms", "soon"),
                Map.of("cleanup.policy", "burn"))) {
            NewTopic wanted = new NewTopic(kafka.name("t"), 1, (short) 1).configs(configs);
            Expect.fails(InvalidConfigurationException.class, () -> create(kafka, wanted));
        }
    }

    private static Void create(Kafka kafka, NewTopic topic) throws Exception {
        return kafka.admin.createTopics(List.of(topic)).all().get();
    }

    private static void addsPartitions(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        kafka.admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all().get();
        Expect.eventually("four partitions", () -> kafka.admin.describeTopics(List.of(topic)).allTopicNames().get()
                .get(topic).partitions().size() == 4);
        for (int count : List.of(4, 2)) {
            Expect.fails(InvalidPartitionsException.class,
                    () -> kafka.admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(count))).all().get());
        }
        Expect.fails(UnknownTopicOrPartitionException.class, () -> kafka.admin.createPartitions(
                Map.of(kafka.name("absent"), NewPartitions.increaseTo(2))).all().get());
    }

    private static void listsInternal(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        try (KafkaConsumer<String, String> consumer = kafka.consumer(Map.of("group.id", kafka.name("group")))) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            consumer.position(new TopicPartition(topic, 0));
            consumer.commitSync();
        }
        Set<String> all = kafka.admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get();
        Set<String> own = kafka.admin.listTopics().names().get();
        Expect.that(all.contains("__consumer_offsets") && !own.contains("__consumer_offsets"), all + " " + own);
        Expect.that(kafka.admin.describeTopics(List.of("__consumer_offsets")).allTopicNames().get()
                .get("__consumer_offsets").isInternal(), "not internal");
        Expect.fails(org.apache.kafka.common.KafkaException.class, () -> {
            kafka.write("__consumer_offsets", "not for clients");
            return null;
        });
    }

    private static ListOffsetsResultInfo offset(Kafka kafka, TopicPartition partition, OffsetSpec spec) throws Exception {
        return kafka.admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get();
    }

    private static void listsOffsets(Kafka kafka) throws Exception {
        String topic = kafka.topic(2);
        TopicPartition full = new TopicPartition(topic, 0);
        TopicPartition empty = new TopicPartition(topic, 1);
        long base = System.currentTimeMillis() - 60_000;
        try (KafkaProducer<String, String> producer = kafka.producer(Map.of())) {
            for (long offset : List.of(0L, 5000L, 3000L, 1000L)) {
                producer.send(new ProducerRecord<>(topic, 0, base + offset, null, "x")).get();
            }
        }
        ListOffsetsResultInfo max = offset(kafka, full, OffsetSpec.maxTimestamp());
        Expect.equal("1 " + (base + 5000), max.offset() + " " + max.timestamp());
        ListOffsetsResultInfo timed = offset(kafka, full, OffsetSpec.forTimestamp(base + 1));
        Expect.equal("1 " + (base + 5000), timed.offset() + " " + timed.timestamp());
        long[] seen = {
            offset(kafka, full, OffsetSpec.earliest()).offset(),
            offset(kafka, full, OffsetSpec.latest()).offset(),
            offset(kafka, full, OffsetSpec.earliestLocal()).offset(),
            offset(kafka, full, OffsetSpec.latestTiered()).offset(),
            offset(kafka, full, OffsetSpec.forTimestamp(base + 9000)).offset(),
            offset(kafka, empty, OffsetSpec.earliest()).offset(),
            offset(kafka, empty, OffsetSpec.latest()).offset(),
            offset(kafka, empty, OffsetSpec.maxTimestamp()).offset(),
        };
        Expect.equal("[0, 4, 0, -1, -1, 0, 0, -1]", java.util.Arrays.toString(seen));
        Expect.that(offset(kafka, full, OffsetSpec.latest()).leaderEpoch().isPresent(), "no leader epoch");
    }

    private static void deletesRecords(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        kafka.writeNumbers(topic, 10);
        Expect.equal(4L, delete(kafka, partition, 4));
        Expect.equal(4L, delete(kafka, partition, 2));
        Expect.equal(List.of("4", "5", "6", "7", "8", "9"), kafka.values(topic));
        Expect.fails(org.apache.kafka.common.errors.OffsetOutOfRangeException.class, () -> delete(kafka, partition, 11));
        try (KafkaConsumer<String, String> consumer = kafka.consumer(Map.of("auto.offset.reset", "none"))) {
            consumer.assign(Set.of(partition));
            consumer.seek(partition, 3);
            Expect.fails(OffsetOutOfRangeException.class, () -> {
                for (int i = 0; i < 100; i++) {
                    consumer.poll(java.time.Duration.ofMillis(100));
                }
                return null;
            });
        }
        Expect.equal(10L, delete(kafka, partition, -1));
        Expect.equal(List.of(), kafka.values(topic));
        Expect.equal(10L, offset(kafka, partition, OffsetSpec.earliest()).offset());
    }

    /** The new log start. */
    private static long delete(Kafka kafka, TopicPartition partition, long before) throws Exception {
        return kafka.admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(before)))
                .lowWatermarks().get(partition).get().lowWatermark();
    }

    private static void electsLeaders(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        TopicPartition absent = new TopicPartition(kafka.name("absent"), 0);
        for (ElectionType type : ElectionType.values()) {
            Map<TopicPartition, Optional<Throwable>> elected =
                    kafka.admin.electLeaders(type, Set.of(partition, absent)).partitions().get();
            Expect.that(elected.get(partition).orElse(null) instanceof ElectionNotNeededException, elected);
            Expect.that(elected.get(absent).orElse(null) instanceof UnknownTopicOrPartitionException, elected);
        }
        Expect.equal(Map.of(), kafka.admin.listPartitionReassignments(Set.of(partition)).reassignments().get());
        Expect.equal(Map.of(), kafka.admin.listPartitionReassignments().reassignments().get());
    }
}
