package dev.headwater.compat;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.ClusterAuthorizationException;
import org.apache.kafka.common.errors.GroupAuthorizationException;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.errors.TopicAuthorizationException;
import org.apache.kafka.common.errors.TransactionalIdAuthorizationException;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** SASL logins and ACLs, on a node of its own. */
final class SecurityChecks {
    private SecurityChecks() {}

    static void register(Suite suite, String headwater) {
        suite.check("SASL lets in who knows the secret, and ACLs say what for", Suite.Lane.CLIENTS,
                Duration.ofSeconds(600), kafka -> {
                    try (SecuredKafka node = new SecuredKafka(headwater); Kafka admin = node.admin()) {
                        admin.admin.describeCluster().nodes().get();
                        logsIn(node, admin);
                        authorizes(node, admin);
                        prefixesAndDenials(node, admin);
                    }
                });
    }

    private static void expectRefused(Kafka client) throws Exception {
        try (client) {
            Expect.fails(SaslAuthenticationException.class, () -> client.admin.listTopics().names().get());
        }
    }

    private static void logsIn(SecuredKafka node, Kafka admin) throws Exception {
        try (Kafka ada = node.as("PLAIN", "ada", "ada-secret")) {
            Expect.equal(Set.of(), ada.admin.listTopics().names().get());
        }
        expectRefused(node.as("PLAIN", "ada", "guessed"));
        expectRefused(node.as("PLAIN", "nobody", "ada-secret"));
        for (ScramMechanism mechanism : List.of(ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)) {
            String name = mechanism.mechanismName();
            expectRefused(node.as(name, "grace", "grace-secret"));
            admin.admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(
                    "grace", new ScramCredentialInfo(mechanism, 4096), "grace-secret"))).all().get();
            Expect.eventually("the credential", () -> admin.admin.describeUserScramCredentials(List.of("grace"))
                    .description("grace").get().credentialInfos().stream().anyMatch(info -> info.mechanism() == mechanism));
            try (Kafka grace = node.as(name, "grace", "grace-secret")) {
                Expect.equal(Set.of(), grace.admin.listTopics().names().get());
            }
            expectRefused(node.as(name, "grace", "guessed"));
        }
    }

    private static AclBinding acl(ResourceType type, String name, PatternType pattern, AclOperation operation,
            AclPermissionType permission) {
        return new AclBinding(new ResourcePattern(type, name, pattern),
                new AccessControlEntry("User:ada", "*", operation, permission));
    }

    private static AclBinding allow(ResourceType type, String name, AclOperation operation) {
        return acl(type, name, PatternType.LITERAL, operation, AclPermissionType.ALLOW);
    }

    private static void grant(Kafka admin, AclBinding... acls) throws Exception {
        admin.admin.createAcls(List.of(acls)).all().get();
        Expect.eventually("the ACLs",
                () -> admin.admin.describeAcls(AclBindingFilter.ANY).values().get().containsAll(List.of(acls)));
    }

    private static void authorizes(SecuredKafka node, Kafka admin) throws Exception {
        String topic = admin.topic(1);
        String group = admin.name("group");
        String id = admin.name("txn");
        try (Kafka ada = node.as("PLAIN", "ada", "ada-secret")) {
            Expect.fails(TopicAuthorizationException.class, () -> write(ada, topic, "denied"));
            Expect.fails(TopicAuthorizationException.class, () -> ada.admin.createTopics(
                    List.of(new NewTopic(topic + "-own", 1, (short) 1))).all().get());
            Expect.fails(ClusterAuthorizationException.class,
                    () -> ada.admin.describeAcls(AclBindingFilter.ANY).values().get());
            Expect.fails(TransactionalIdAuthorizationException.class, () -> init(ada, id));
            AclBinding write = allow(ResourceType.TOPIC, topic, AclOperation.WRITE);
            grant(admin, write);
            Expect.eventually("a write", () -> write(ada, topic, "allowed"));
            Expect.fails(GroupAuthorizationException.class, () -> read(ada, topic, group));
            grant(admin, allow(ResourceType.GROUP, group, AclOperation.READ));
            Expect.fails(TopicAuthorizationException.class, () -> read(ada, topic, group));
            grant(admin, allow(ResourceType.TOPIC, topic, AclOperation.READ),
                    allow(ResourceType.TRANSACTIONAL_ID, id, AclOperation.WRITE));
            Expect.equal("allowed", read(ada, topic, group));
            init(ada, id);
            Expect.equal(Set.of(topic), ada.admin.listTopics().names().get());
            Expect.equal(List.of(write), List.copyOf(admin.admin.deleteAcls(List.of(write.toFilter())).all().get()));
            Expect.eventually("the denial", () -> isDenied(ada, topic));
        }
    }

    private static void prefixesAndDenials(SecuredKafka node, Kafka admin) throws Exception {
        String prefix = admin.name("prefixed");
        admin.create(prefix + "-a", 1, Map.of());
        admin.create(prefix + "-b", 1, Map.of());
        try (Kafka ada = node.as("PLAIN", "ada", "ada-secret")) {
            grant(admin, acl(ResourceType.TOPIC, prefix, PatternType.PREFIXED, AclOperation.ALL, AclPermissionType.ALLOW),
                    acl(ResourceType.TOPIC, prefix + "-b", PatternType.LITERAL, AclOperation.WRITE, AclPermissionType.DENY));
            Expect.that(write(ada, prefix + "-a", "by prefix"), "not written");
            Expect.that(isDenied(ada, prefix + "-b"), "a denial must win");
            Expect.equal(List.of("by prefix"), ada.values(prefix + "-a"));
        }
    }

    private static boolean write(Kafka client, String topic, String value) throws Exception {
        client.write(topic, value);
        return true;
    }

    /** Of a producer id already, if there is no topic left that the client may write to; else of the topic. */
    private static boolean isDenied(Kafka client, String topic) throws Exception {
        try {
            return !write(client, topic, "perhaps");
        } catch (ExecutionException | KafkaException e) {
            return e instanceof AuthorizationException || e.getCause() instanceof AuthorizationException;
        }
    }

    private static String init(Kafka client, String id) {
        try (KafkaProducer<String, String> producer = client.transactional(id)) {
            producer.initTransactions();
            return id;
        }
    }

    /** The first record. */
    private static String read(Kafka client, String topic, String group) {
        try (KafkaConsumer<String, String> consumer = client.consumer(Map.of("group.id", group))) {
            consumer.subscribe(List.of(topic));
            for (int i = 0; i < 200; i++) {
                for (var record : consumer.poll(Duration.ofMillis(100))) {
                    return record.value();
                }
            }
            return null;
        }
    }
}
