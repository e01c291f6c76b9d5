package dev.headwater.compat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** {@code kafka-consumer-groups} and {@code kafka-groups}. */
final class GroupTools {
    private static final String GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";

    private GroupTools() {}

    static void register(Suite suite) {
        for (String protocol : List.of("classic", "consumer")) {
            suite.tool("ConsumerGroupCommand lists and describes an active group (" + protocol + ")",
                    kafka -> describesActive(kafka, protocol));
        }
        suite.tool("ConsumerGroupCommand describes an empty group with its lag", GroupTools::describesEmpty);
        suite.tool("ConsumerGroupCommand resets offsets in each of its ways", GroupTools::resets);
        suite.tool("ConsumerGroupCommand resets offsets from a file", GroupTools::resetsFromFile);
        suite.tool("ConsumerGroupCommand deletes offsets and groups", GroupTools::deletes);
        suite.tool("ConsumerGroupCommand leaves an active group alone", GroupTools::refusesActive);
        suite.tool("GroupsCommand lists groups with type and protocol", GroupTools::listsAll);
    }

    private static String groups(Kafka kafka, String... arguments) throws Exception {
        return Tool.run(GROUPS, TopicTools.with(kafka, arguments));
    }

    private static String cells(Kafka kafka, String part, String... arguments) throws Exception {
        Tool.Result result = Tool.succeed(GROUPS, "", TopicTools.with(kafka, arguments));
        return String.join(" ", result.line(part).trim().split("\\s+"));
    }

    private static void commit(Kafka kafka, String group, String topic, long offset) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> offsets =
                Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(offset));
        kafka.admin.alterConsumerGroupOffsets(group, offsets).all().get();
    }

    private static void describesActive(Kafka kafka, String protocol) throws Exception {
        String topic = kafka.topic(2);
        String group = kafka.name("group");
        try (Member member = Member.of(kafka, group, protocol, topic)) {
            member.awaitPartitions(2);
            Expect.eventually("stable", () -> groups(kafka, "--list", "--state", "stable").contains(group));
            Expect.contains(group, groups(kafka, "--list"));
            Expect.lacks(group, groups(kafka, "--list", "--state", "Empty"));
            Expect.contains(group, groups(kafka, "--list", "--type", protocol));
            String assignor = protocol.equals("classic") ? "range" : "uniform";
            String state = cells(kafka, group, "--describe", "--group", group, "--state");
            Expect.that(state.endsWith(assignor + " Stable 1"), state);
            String members = cells(kafka, group, "--describe", "--group", group, "--members", "--verbose");
            Expect.contains(topic + ":0,1", members);
            String offsets = cells(kafka, group, "--describe", "--group", group);
            Expect.that(offsets.startsWith(group + " " + topic + " 0 - 0 - "), offsets);
            Expect.contains(" consumer-" + group, offsets);
        }
    }

    private static void describesEmpty(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        String group = kafka.name("group");
        kafka.writeNumbers(topic, 6);
        commit(kafka, group, topic, 5);
        Expect.equal(group + " " + topic + " 0 5 6 1 - - -", cells(kafka, topic, "--describe", "--group", group));
        String state = cells(kafka, group + " ", "--describe", "--group", group, "--state");
        Expect.that(state.endsWith("Empty 0"), state);
        String absent = kafka.name("absent");
        Expect.contains("Group " + absent + " not found",
                Tool.attempt(GROUPS, "", TopicTools.with(kafka, "--describe", "--group", absent)).all());
    }

    private static void resets(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        String group = kafka.name("group");
        long base = System.currentTimeMillis() - 3_600_000;
        try (KafkaProducer<String, String> producer = kafka.producer(Map.of())) {
            for (int i = 0; i < 10; i++) {
                producer.send(new ProducerRecord<>(topic, 0, base + i * 60_000L, null, Integer.toString(i)));
            }
        }
        commit(kafka, group, topic, 5);
        DateTimeFormatter format = DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS").withZone(ZoneOffset.UTC);
        expectReset(kafka, group, topic, 0, "--to-earliest");
        expectReset(kafka, group, topic, 10, "--to-latest");
        expectReset(kafka, group, topic, 7, "--shift-by", "-3");
        expectReset(kafka, group, topic, 4, "--to-offset", "4");
        expectReset(kafka, group, topic, 4, "--to-current");
        expectReset(kafka, group, topic, 3, "--to-datetime", format.format(Instant.ofEpochMilli(base + 121_000)));
        expectReset(kafka, group, topic, 6, "--by-duration", "PT54M30S");
        expectReset(kafka, group, topic, 10, "--to-offset", "99");
        groups(kafka, "--reset-offsets", "--group", group, "--topic", topic + ":0", "--to-earliest", "--dry-run");
        Expect.contains(" 10 10 0 ", cells(kafka, topic, "--describe", "--group", group));
    }

    private static void expectReset(Kafka kafka, String group, String topic, long offset, String... how) throws Exception {
        String[] arguments = new String[how.length + 6];
        String[] first = {"--reset-offsets", "--group", group, "--topic", topic, "--execute"};
        System.arraycopy(first, 0, arguments, 0, 6);
        System.arraycopy(how, 0, arguments, 6, how.length);
        Expect.equal(group + " " + topic + " 0 " + offset, cells(kafka, topic, arguments));
        long committed = kafka.admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get()
                .get(new TopicPartition(topic, 0)).offset();
        Expect.equal(offset, committed);
    }

    private static void resetsFromFile(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        String group = kafka.name("group");
        kafka.writeNumbers(topic, 5);
        commit(kafka, group, topic, 1);
        String exported = groups(kafka, "--reset-offsets", "--group", group, "--all-topics", "--shift-by", "2", "--export");
        Expect.equal(topic + ",0,3", exported.replace("\"", "").strip());
        Path file = Files.createTempFile("offsets", ".csv");
        try {
            Files.writeString(file, exported);
            groups(kafka, "--reset-offsets", "--group", group, "--from-file", file.toString(), "--execute");
        } finally {
            Files.delete(file);
        }
        Expect.contains(topic + " 0 3 5 2", cells(kafka, topic, "--describe", "--group", group));
    }

    private static void deletes(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        String other = kafka.topic(1);
        String group = kafka.name("group");
        commit(kafka, group, topic, 0);
        commit(kafka, group, other, 0);
        String deleted = groups(kafka, "--delete-offsets", "--group", group, "--topic", topic);
        Expect.contains("Successful", deleted);
        Expect.lacks(topic, groups(kafka, "--describe", "--group", group));
        Expect.contains("was successful", groups(kafka, "--delete", "--group", group));
        Expect.lacks(group, groups(kafka, "--list"));
        Expect.contains("GroupIdNotFoundException", groups(kafka, "--delete", "--group", group));
    }

    private static void refusesActive(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        String group = kafka.name("group");
        try (Member member = Member.of(kafka, group, "classic", topic)) {
            member.awaitPartitions(1);
            Expect.contains("GroupNotEmptyException", groups(kafka, "--delete", "--group", group));
            String[] reset = {"--reset-offsets", "--group", group, "--topic", topic, "--to-earliest", "--execute"};
            Expect.contains("only be reset if the group", Tool.attempt(GROUPS, "", TopicTools.with(kafka, reset)).all());
        }
    }

    private static void listsAll(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        String simple = kafka.name("group");
        String modern = kafka.name("group");
        commit(kafka, simple, topic, 0);
        try (Member member = Member.of(kafka, modern, "consumer", topic)) {
            member.awaitPartitions(1);
            Tool.Result listed =
                    Tool.succeed("org.apache.kafka.tools.GroupsCommand", "", TopicTools.with(kafka, "--list"));
            Expect.equal(modern + " Consumer consumer", String.join(" ", listed.line(modern).trim().split("\\s+")));
            Expect.equal(simple + " Classic", String.join(" ", listed.line(simple).trim().split("\\s+")));
        }
    }
}
