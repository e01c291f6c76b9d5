package dev.headwater.compat;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;

/** A node of its own that wants SASL and asks an authorizer: our store, or Apache Kafka, with the same settings. */
final class SecuredKafka implements AutoCloseable {
    private static final String PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required ";
    private static final String SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required ";

    private final Path dir = Files.createTempDirectory("headwater-secured-");
    private final AutoCloseable node;
    private final String bootstrap;

    /** Our store if its binary is given, else Apache Kafka. */
    SecuredKafka(String headwater) throws Exception {
        if (headwater != null) {
            Map<String, String> settings = settings();
            settings.put("listeners", "SASL_PLAINTEXT://127.0.0.1:0");
            StoreProcess store = new StoreProcess(Path.of(headwater), dir.resolve("data"), settings);
            node = store;
            bootstrap = store.bootstrap();
        } else {
            int port = freePort();
            node = startKafka(port, freePort());
            bootstrap = "127.0.0.1:" + port;
        }
    }

    private static Map<String, String> settings() {
        Map<String, String> settings = new HashMap<>();
        settings.put("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512");
        settings.put("listener.name.sasl_plaintext.plain.sasl.jaas.config", PLAIN
                + "username=\"admin\" password=\"admin-secret\" user_admin=\"admin-secret\" user_ada=\"ada-secret\";");
        settings.put("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer");
        settings.put("super.users", "User:admin;User:ANONYMOUS");
        return settings;
    }

    private Jvm startKafka(int port, int controller) throws Exception {
        Map<String, String> settings = settings();
        settings.put("listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config", SCRAM + ";");
        settings.put("listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config", SCRAM + ";");
        settings.put("process.roles", "broker,controller");
        settings.put("node.id", "1");
        settings.put("controller.quorum.voters", "1@127.0.0.1:" + controller);
        settings.put("listeners", "SASL_PLAINTEXT://127.0.0.1:" + port + ",CONTROLLER://127.0.0.1:" + controller);
        settings.put("controller.listener.names", "CONTROLLER");
        settings.put("listener.security.protocol.map", "SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT");
        settings.put("inter.broker.listener.name", "SASL_PLAINTEXT");
        settings.put("sasl.mechanism.inter.broker.protocol", "PLAIN");
        settings.put("log.dirs", dir.resolve("data").toString());
        settings.put("group.initial.rebalance.delay.ms", "0");
        for (String topic : new String[] {"offsets.topic", "transaction.state.log", "share.coordinator.state.topic"}) {
            settings.put(topic + ".replication.factor", "1");
        }
        settings.put("transaction.state.log.min.isr", "1");
        Path file = dir.resolve("node.properties");
        StringBuilder lines = new StringBuilder();
        settings.forEach((name, value) -> lines.append(name).append('=').append(value).append('\n'));
        Files.writeString(file, lines);
        Jvm.run("kafka.tools.StorageTool", "format", "-t", "aGVhZHdhdGVyLXRlc3QtMg", "-c", file.toString());
        return new Jvm("kafka.Kafka", file.toString());
    }

    private static int freePort() throws Exception {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    /** Clients that log in with this mechanism. */
    Kafka as(String mechanism, String user, String password) {
        String login = (mechanism.equals("PLAIN") ? PLAIN : SCRAM)
                + "username=\"" + user + "\" password=\"" + password + "\";";
        return new Kafka(bootstrap, Map.of("security.protocol", "SASL_PLAINTEXT", "sasl.mechanism", mechanism,
                "sasl.jaas.config", login));
    }

    Kafka admin() {
        return as("PLAIN", "admin", "admin-secret");
    }

    @Override
    public void close() throws Exception {
        node.close();
        try (var paths = Files.walk(dir)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        }
    }
}
