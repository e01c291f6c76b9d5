package dev.headwater.compat;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConfigEntry.ConfigSource;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.ConfigResource.Type;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Admin calls about configurations. */
final class ConfigAdmin {
    private ConfigAdmin() {}

    static void register(Suite suite) {
        suite.check("Admin describes a topic's configs with source, synonyms, type and documentation",
                ConfigAdmin::describesTopic);
        suite.check("Admin describes every topic config that Kafka has", ConfigAdmin::describesAll);
        suite.check("Admin sets, deletes, appends to and subtracts from configs", ConfigAdmin::alters);
        suite.check("Admin validates configs without altering them", ConfigAdmin::validates);
        suite.check("Admin is told which config is wrong", ConfigAdmin::refuses);
        suite.check("Admin alters broker configs while it runs", ConfigAdmin::altersBroker);
        suite.check("Admin alters group configs", ConfigAdmin::altersGroup);
        suite.check("Admin lists config resources", ConfigAdmin::listsResources);
    }

    private static Config describe(Kafka kafka, ConfigResource resource) throws Exception {
        DescribeConfigsOptions all = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
        return kafka.admin.describeConfigs(List.of(resource), all).all().get().get(resource);
    }

    private static void alter(Kafka kafka, ConfigResource resource, OpType type, String name, String value)
            throws Exception {
        alter(kafka, resource, type, name, value, new AlterConfigsOptions());
    }

    private static void alter(Kafka kafka, ConfigResource resource, OpType type, String name, String value,
            AlterConfigsOptions options) throws Exception {
        Collection<AlterConfigOp> operations = List.of(new AlterConfigOp(new ConfigEntry(name, value), type));
        kafka.admin.incrementalAlterConfigs(Map.of(resource, operations), options).all().get();
    }

    private static void awaitValue(Kafka kafka, ConfigResource resource, String name, String value) throws Exception {
        Expect.eventually(name + "=" + value, () -> {
            ConfigEntry entry = describe(kafka, resource).get(name);
            return value.equals(entry == null ? "" : entry.value());
        });
    }

    private static ConfigResource topic(String name) {
        return new ConfigResource(Type.TOPIC, name);
    }

    /** The id of any broker. */
    private static ConfigResource broker(Kafka kafka) throws Exception {
        return new ConfigResource(Type.BROKER, kafka.admin.describeCluster().nodes().get().iterator().next().idString());
    }

    private static void describesTopic(Kafka kafka) throws Exception {
        Config config = describe(kafka, topic(kafka.topic(1, Map.of("max.message.bytes", "123456"))));
        ConfigEntry largest = config.get("max.message.bytes");
        Expect.equal("123456", largest.value());
        Expect.equal(ConfigSource.DYNAMIC_TOPIC_CONFIG, largest.source());
        Expect.equal(ConfigEntry.ConfigType.INT, largest.type());
        Expect.that(!largest.isSensitive() && !largest.isReadOnly(), largest);
        Expect.that(largest.documentation() != null && largest.documentation().length() > 20, largest);
        List<String> synonyms = largest.synonyms().stream()
                .map(synonym -> synonym.name() + "=" + synonym.value() + " " + synonym.source()).toList();
        Expect.equal(List.of("max.message.bytes=123456 DYNAMIC_TOPIC_CONFIG",
                "message.max.bytes=1048588 DEFAULT_CONFIG"), synonyms);
        ConfigEntry policy = config.get("cleanup.policy");
        Expect.equal("delete LIST DEFAULT_CONFIG", policy.value() + " " + policy.type() + " " + policy.source());
    }

    private static void describesAll(Kafka kafka) throws Exception {
        Config config = describe(kafka, topic(kafka.topic(1)));
        Set<String> names = config.entries().stream().map(ConfigEntry::name).collect(Collectors.toSet());
        Set<String> missing = new java.util.TreeSet<>(org.apache.kafka.storage.internals.log.LogConfig.configNames());
        missing.removeAll(names);
        missing.removeIf(name -> name.startsWith("internal."));
        Expect.equal(Set.of(), missing);
        for (ConfigEntry entry : config.entries()) {
            Expect.that(entry.type() != ConfigEntry.ConfigType.UNKNOWN && entry.documentation() != null, entry);
        }
    }

    private static void alters(Kafka kafka) throws Exception {
        ConfigResource topic = topic(kafka.topic(1));
        alter(kafka, topic, OpType.SET, "segment.bytes", "2000000");
        awaitValue(kafka, topic, "segment.bytes", "2000000");
        alter(kafka, topic, OpType.DELETE, "segment.bytes", "");
        awaitValue(kafka, topic, "segment.bytes", "1073741824");
        alter(kafka, topic, OpType.APPEND, "cleanup.policy", "compact");
        awaitValue(kafka, topic, "cleanup.policy", "delete,compact");
        alter(kafka, topic, OpType.SUBTRACT, "cleanup.policy", "delete");
        awaitValue(kafka, topic, "cleanup.policy", "compact");
    }

    private static void validates(Kafka kafka) throws Exception {
        ConfigResource topic = topic(kafka.topic(1));
        AlterConfigsOptions validate = new AlterConfigsOptions().validateOnly(true);
        alter(kafka, topic, OpType.SET, "retention.ms", "5", validate);
        Expect.equal("604800000", describe(kafka, topic).get("retention.ms").value());
        Expect.fails(InvalidConfigurationException.class, () -> {
            alter(kafka, topic, OpType.SET, "retention.ms", "-5", validate);
            return null;
        });
    }

    private static void refuses(Kafka kafka, Class<? extends Throwable> expected, ConfigResource resource,
            OpType type, String name, String value) throws Exception {
        Expect.fails(expected, () -> {
            alter(kafka, resource, type, name, value);
            return name;
        });
    }

    private static void refuses(Kafka kafka) throws Exception {
        ConfigResource topic = topic(kafka.topic(1));
        refuses(kafka, InvalidConfigurationException.class, topic, OpType.SET, "no.such.config", "1");
        refuses(kafka, InvalidConfigurationException.class, topic, OpType.SET, "segment.bytes", "many");
        refuses(kafka, InvalidConfigurationException.class, topic, OpType.APPEND, "retention.ms", "1");
        refuses(kafka, UnknownTopicOrPartitionException.class, topic(kafka.name("absent")), OpType.SET, "retention.ms", "1");
        refuses(kafka, InvalidRequestException.class, broker(kafka), OpType.SET, "node.id", "7");
        refuses(kafka, InvalidRequestException.class, broker(kafka), OpType.SET, "log.cleaner.threads", "none");
    }

    private static void altersBroker(Kafka kafka) throws Exception {
        ConfigResource broker = broker(kafka);
        ConfigResource all = new ConfigResource(Type.BROKER, "");
        ConfigResource topic = topic(kafka.topic(1));
        Expect.equal(true, describe(kafka, broker).get("node.id").isReadOnly());
        try {
            alter(kafka, all, OpType.SET, "log.index.interval.bytes", "5000");
            awaitValue(kafka, broker, "log.index.interval.bytes", "5000");
            awaitValue(kafka, all, "log.index.interval.bytes", "5000");
            ConfigEntry entry = describe(kafka, broker).get("log.index.interval.bytes");
            Expect.equal(ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG, entry.source());
            awaitValue(kafka, topic, "index.interval.bytes", "5000");
            alter(kafka, broker, OpType.SET, "log.index.interval.bytes", "6000");
            awaitValue(kafka, broker, "log.index.interval.bytes", "6000");
            Expect.equal(ConfigSource.DYNAMIC_BROKER_CONFIG, describe(kafka, broker).get("log.index.interval.bytes").source());
        } finally {
            alter(kafka, broker, OpType.DELETE, "log.index.interval.bytes", "");
            alter(kafka, all, OpType.DELETE, "log.index.interval.bytes", "");
        }
        awaitValue(kafka, topic, "index.interval.bytes", "4096");
    }

    private static void altersGroup(Kafka kafka) throws Exception {
        ConfigResource group = new ConfigResource(Type.GROUP, kafka.name("group"));
        alter(kafka, group, OpType.SET, "consumer.session.timeout.ms", "50000");
        awaitValue(kafka, group, "consumer.session.timeout.ms", "50000");
        Expect.equal(ConfigSource.DYNAMIC_GROUP_CONFIG, describe(kafka, group).get("consumer.session.timeout.ms").source());
        refuses(kafka, InvalidConfigurationException.class, group, OpType.SET, "consumer.session.timeout.ms", "1");
        alter(kafka, group, OpType.DELETE, "consumer.session.timeout.ms", "");
        awaitValue(kafka, group, "consumer.session.timeout.ms", "45000");
    }

    private static void listsResources(Kafka kafka) throws Exception {
        ConfigResource topic = topic(kafka.topic(1));
        ConfigResource broker = broker(kafka);
        ConfigResource group = new ConfigResource(Type.GROUP, kafka.name("group"));
        alter(kafka, group, OpType.SET, "consumer.heartbeat.interval.ms", "6000");
        Expect.eventually("all resources", () ->
                kafka.admin.listConfigResources().all().get().containsAll(Set.of(topic, broker, group)));
        Collection<ConfigResource> groups = kafka.admin.listConfigResources(
                Set.of(Type.GROUP), new org.apache.kafka.clients.admin.ListConfigResourcesOptions()).all().get();
        Expect.that(groups.contains(group) && !groups.contains(topic), groups);
    }
}
