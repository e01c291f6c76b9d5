package dev.headwater.compat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;

/** Kafka Connect standalone: a file goes into a topic, and the topic into a file. */
final class ConnectChecks {
    private static final String WORKER = "org.apache.kafka.connect.cli.ConnectStandalone";

    private ConnectChecks() {}

    static void register(Suite suite) {
        suite.check("Kafka Connect copies a file through a topic, and goes on after a kill", Suite.Lane.CLIENTS,
                Duration.ofSeconds(600), ConnectChecks::copies);
    }

    private static void copies(Kafka kafka) throws Exception {
        Path dir = Files.createTempDirectory("headwater-connect-");
        try {
            String topic = kafka.topic(1);
            Path input = dir.resolve("in.txt");
            Path output = dir.resolve("out.txt");
            String[] arguments = configure(kafka, dir, topic);
            Files.writeString(input, "first\nsecond\n");
            try (Jvm worker = new Jvm(WORKER, arguments)) {
                awaitLines(worker, output, List.of("first", "second"));
                Files.writeString(input, "third\n", StandardOpenOption.APPEND);
                awaitLines(worker, output, List.of("first", "second", "third"));
                // Both connectors commit their offsets every second.
                Path offsets = dir.resolve("offsets");
                Expect.eventually("the source's offset", () -> Files.exists(offsets) && Files.size(offsets) > 0);
                Expect.eventually("the sink's offset", () -> kafka.admin
                        .listConsumerGroupOffsets("connect-" + name("sink", topic)).partitionsToOffsetAndMetadata().get()
                        .values().stream().anyMatch(offset -> offset.offset() == 3));
            }
            Files.writeString(input, "fourth\n", StandardOpenOption.APPEND);
            try (Jvm worker = new Jvm(WORKER, arguments)) {
                Expect.eventually("the fourth line", () -> {
                    worker.expectRunning();
                    return Files.readAllLines(output).contains("fourth");
                });
            }
            Expect.equal(4, kafka.values(topic).stream().distinct().toList().size());
        } finally {
            try (var paths = Files.walk(dir)) {
                for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                    Files.deleteIfExists(path);
                }
            }
        }
    }

    private static void awaitLines(Jvm worker, Path output, List<String> lines) throws Exception {
        Expect.eventually(lines.size() + " lines", () -> {
            worker.expectRunning();
            return Files.exists(output) && Files.readAllLines(output).equals(lines);
        });
    }

    private static String name(String what, String topic) {
        return "file-" + what + "-" + topic;
    }

    /** Writes the three properties files; the worker's arguments. */
    private static String[] configure(Kafka kafka, Path dir, String topic) throws Exception {
        String converter = "org.apache.kafka.connect.storage.StringConverter";
        Path worker = dir.resolve("worker.properties");
        Files.writeString(worker, String.join("\n", "bootstrap.servers=" + kafka.bootstrap,
                "key.converter=" + converter, "value.converter=" + converter, "listeners=http://127.0.0.1:0",
                "offset.storage.file.filename=" + dir.resolve("offsets"), "offset.flush.interval.ms=1000",
                "consumer.session.timeout.ms=6000", "consumer.heartbeat.interval.ms=1000",
                "plugin.discovery=service_load", "plugin.path=" + dir));
        Path source = dir.resolve("source.properties");
        Files.writeString(source, String.join("\n", "name=" + name("source", topic),
                "connector.class=org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max=1",
                "file=" + dir.resolve("in.txt"), "topic=" + topic));
        Path sink = dir.resolve("sink.properties");
        Files.writeString(sink, String.join("\n", "name=" + name("sink", topic),
                "connector.class=org.apache.kafka.connect.file.FileStreamSinkConnector", "tasks.max=1",
                "file=" + dir.resolve("out.txt"), "topics=" + topic));
        return new String[] {worker.toString(), source.toString(), sink.toString()};
    }
}
