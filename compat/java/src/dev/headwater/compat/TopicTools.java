package dev.headwater.compat;

import java.util.List;

/** {@code kafka-topics}. */
final class TopicTools {
    private static final String TOPICS = "org.apache.kafka.tools.TopicCommand";

    private TopicTools() {}

    static void register(Suite suite) {
        suite.tool("TopicCommand creates, lists and describes a topic", TopicTools::creates);
        suite.tool("TopicCommand refuses what is wrong", TopicTools::refuses);
        suite.tool("TopicCommand adds partitions and deletes the topic", TopicTools::alters);
        suite.tool("TopicCommand finds topics by what is special about them", TopicTools::filters);
    }

    private static String topics(Kafka kafka, String... arguments) throws Exception {
        return Tool.run(TOPICS, with(kafka, arguments));
    }

    /** The arguments after {@code --bootstrap-server}. */
    static String[] with(Kafka kafka, String... arguments) {
        String[] all = new String[arguments.length + 2];
        all[0] = "--bootstrap-server";
        all[1] = kafka.bootstrap;
        System.arraycopy(arguments, 0, all, 2, arguments.length);
        return all;
    }

    private static void creates(Kafka kafka) throws Exception {
        String topic = kafka.name("topic");
        String created = topics(kafka, "--create", "--topic", topic, "--partitions", "2",
                "--config", "retention.ms=60000", "--config", "cleanup.policy=compact,delete");
        Expect.contains("Created topic " + topic, created);
        topics(kafka, "--create", "--if-not-exists", "--topic", topic);
        Expect.eventually("listed", () -> topics(kafka, "--list").lines().anyMatch(topic::equals));
        String described = topics(kafka, "--describe", "--topic", topic);
        Expect.contains("PartitionCount: 2", described);
        Expect.contains("retention.ms=60000", described);
        Expect.contains("Partition: 1\tLeader: ", described);
        String id = described.split("TopicId: ")[1].split("\t")[0];
        Expect.contains("Topic: " + topic + "\tTopicId: " + id, topics(kafka, "--describe", "--topic-id", id));
    }

    private static void refuses(Kafka kafka) throws Exception {
        String topic = kafka.topic(2);
        Expect.contains("already exists", Tool.refuse(TOPICS, with(kafka, "--create", "--topic", topic)));
        Expect.contains("would not be an increase",
                Tool.refuse(TOPICS, with(kafka, "--alter", "--topic", topic, "--partitions", "1")));
        String absent = kafka.name("absent");
        Expect.contains("does not exist", Tool.refuse(TOPICS, with(kafka, "--describe", "--topic", absent)));
        Expect.contains("does not exist", Tool.refuse(TOPICS, with(kafka, "--delete", "--topic", absent)));
        Expect.contains("other than ASCII alphanumerics", Tool.refuse(TOPICS, with(kafka, "--create", "--topic", "not/legal")));
        Expect.contains("Unknown topic config name",
                Tool.refuse(TOPICS, with(kafka, "--create", "--topic", absent, "--config", "no.such=1")));
    }

    private static void alters(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        topics(kafka, "--alter", "--topic", topic, "--partitions", "3");
        Expect.eventually("three partitions",
                () -> topics(kafka, "--describe", "--topic", topic).contains("PartitionCount: 3"));
        topics(kafka, "--delete", "--topic", topic);
        Expect.eventually("deleted", () -> topics(kafka, "--list").lines().noneMatch(topic::equals));
    }

    private static void filters(Kafka kafka) throws Exception {
        String plain = kafka.topic(1);
        String special = kafka.name("special");
        topics(kafka, "--create", "--topic", special, "--config", "segment.ms=1000");
        Expect.eventually("overrides", () -> topics(kafka, "--describe", "--topics-with-overrides").contains(special));
        for (String filter : List.of("--under-replicated-partitions", "--unavailable-partitions",
                "--under-min-isr-partitions")) {
            Expect.equal("", topics(kafka, "--describe", filter, "--topic", plain).strip());
        }
        Expect.lacks("__consumer_offsets", topics(kafka, "--list", "--exclude-internal"));
    }
}
