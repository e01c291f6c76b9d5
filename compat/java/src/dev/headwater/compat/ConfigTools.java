package dev.headwater.compat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;

/** {@code kafka-configs}. */
final class ConfigTools {
    private static final String CONFIGS = "kafka.admin.ConfigCommand";

    private ConfigTools() {}

    static void register(Suite suite) {
        suite.tool("ConfigCommand alters and describes a topic's configs", ConfigTools::altersTopic);
        suite.tool("ConfigCommand alters broker configs while it runs", ConfigTools::altersBrokers);
        suite.tool("ConfigCommand alters a group's configs", ConfigTools::altersGroup);
        suite.tool("ConfigCommand alters quotas of clients, users and addresses", ConfigTools::altersQuotas);
        suite.tool("ConfigCommand alters SCRAM credentials", ConfigTools::altersCredentials);
    }

    private static String[] arguments(Kafka kafka, String action, String[] entity, String... more) {
        List<String> all = new ArrayList<>(List.of(action));
        all.addAll(List.of(entity));
        all.addAll(List.of(more));
        return TopicTools.with(kafka, all.toArray(String[]::new));
    }

    private static String describe(Kafka kafka, String[] entity, String... more) throws Exception {
        return Tool.run(CONFIGS, arguments(kafka, "--describe", entity, more));
    }

    private static void set(Kafka kafka, String[] entity, String configs) throws Exception {
        Tool.run(CONFIGS, arguments(kafka, "--alter", entity, "--add-config", configs));
    }

    private static void delete(Kafka kafka, String[] entity, String names) throws Exception {
        Tool.run(CONFIGS, arguments(kafka, "--alter", entity, "--delete-config", names));
    }

    private static String[] entity(String type, String name) {
        return new String[] {"--entity-type", type, "--entity-name", name};
    }

    private static void awaitText(String part, Callable<String> text) throws Exception {
        Expect.eventually(part, () -> text.call().contains(part));
    }

    private static void altersTopic(Kafka kafka) throws Exception {
        String[] topic = entity("topics", kafka.topic(1));
        set(kafka, topic, "retention.ms=3600000,cleanup.policy=[compact,delete]");
        awaitText("retention.ms=3600000", () -> describe(kafka, topic));
        Expect.contains("cleanup.policy=compact,delete", describe(kafka, topic));
        delete(kafka, topic, "retention.ms");
        Expect.eventually("deleted", () -> !describe(kafka, topic).contains("retention.ms"));
        Expect.contains("segment.bytes=1073741824 sensitive=false synonyms={DEFAULT_CONFIG:log.segment.bytes=1073741824}",
                describe(kafka, topic, "--all"));
        Expect.contains("Unknown topic config name",
                Tool.refuse(CONFIGS, arguments(kafka, "--alter", topic, "--add-config", "no.such=1")));
    }

    private static void altersBrokers(Kafka kafka) throws Exception {
        String id = kafka.admin.describeCluster().nodes().get().iterator().next().idString();
        String[] broker = entity("brokers", id);
        String[] all = {"--entity-type", "brokers", "--entity-default"};
        Expect.contains("log.retention.hours=168", describe(kafka, broker, "--all"));
        try {
            set(kafka, all, "log.roll.ms=7200000");
            awaitText("log.roll.ms=7200000", () -> describe(kafka, all));
            set(kafka, broker, "log.roll.ms=7300000");
            awaitText("log.roll.ms=7300000", () -> describe(kafka, broker));
            Expect.contains("DYNAMIC_BROKER_CONFIG:log.roll.ms=7300000, DYNAMIC_DEFAULT_BROKER_CONFIG:log.roll.ms=7200000",
                    describe(kafka, broker));
        } finally {
            delete(kafka, broker, "log.roll.ms");
            delete(kafka, all, "log.roll.ms");
        }
        Expect.eventually("deleted", () -> !describe(kafka, broker).contains("log.roll.ms"));
        Expect.contains("Cannot update these configs dynamically",
                Tool.refuse(CONFIGS, arguments(kafka, "--alter", broker, "--add-config", "node.id=9")));
    }

    private static void altersGroup(Kafka kafka) throws Exception {
        String[] group = entity("groups", kafka.name("group"));
        set(kafka, group, "consumer.heartbeat.interval.ms=6000");
        awaitText("consumer.heartbeat.interval.ms=6000", () -> describe(kafka, group));
        delete(kafka, group, "consumer.heartbeat.interval.ms");
        Expect.eventually("deleted", () -> !describe(kafka, group).contains("interval.ms=6000"));
    }

    private static void altersQuotas(Kafka kafka) throws Exception {
        String name = kafka.name("quota");
        for (String[] entity : List.of(entity("clients", name), entity("users", name),
                new String[] {"--entity-type", "users", "--entity-name", name, "--entity-type", "clients",
                    "--entity-default"})) {
            set(kafka, entity, "producer_byte_rate=1048576,consumer_byte_rate=2097152");
            awaitText("consumer_byte_rate=2097152", () -> describe(kafka, entity));
            delete(kafka, entity, "producer_byte_rate,consumer_byte_rate");
            Expect.eventually("deleted", () -> !describe(kafka, entity).contains("byte_rate"));
        }
        String[] address = entity("ips", "10.1.2.3");
        set(kafka, address, "connection_creation_rate=100");
        awaitText("connection_creation_rate=100", () -> describe(kafka, address));
        delete(kafka, address, "connection_creation_rate");
    }

    private static void altersCredentials(Kafka kafka) throws Exception {
        String[] user = entity("users", kafka.name("user"));
        set(kafka, user, "SCRAM-SHA-256=[iterations=8192,password=secret]");
        set(kafka, user, "SCRAM-SHA-512=[password=secret]");
        awaitText("SCRAM-SHA-512=iterations=4096", () -> describe(kafka, user));
        Expect.contains("SCRAM-SHA-256=iterations=8192", describe(kafka, user));
        delete(kafka, user, "SCRAM-SHA-256");
        delete(kafka, user, "SCRAM-SHA-512");
        Expect.eventually("deleted", () -> !describe(kafka, user).contains("iterations"));
    }
}
