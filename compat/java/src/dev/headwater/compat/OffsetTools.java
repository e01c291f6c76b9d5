package dev.headwater.compat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** {@code kafka-get-offsets}, {@code kafka-delete-records} and {@code kafka-log-dirs}. */
final class OffsetTools {
    private static final String OFFSETS = "org.apache.kafka.tools.GetOffsetShell";
    private static final String DELETE = "org.apache.kafka.tools.DeleteRecordsCommand";

    private OffsetTools() {}

    static void register(Suite suite) {
        suite.tool("GetOffsetShell knows offsets of every kind", OffsetTools::knowsOffsets);
        suite.tool("GetOffsetShell selects topics and partitions", OffsetTools::selects);
        suite.tool("DeleteRecordsCommand moves the log start", OffsetTools::deletesRecords);
        suite.tool("LogDirsCommand shows sizes", OffsetTools::showsSizes);
    }

    private static String offsets(Kafka kafka, String... arguments) throws Exception {
        return Tool.run(OFFSETS, TopicTools.with(kafka, arguments)).strip();
    }

    private static void knowsOffsets(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        long base = System.currentTimeMillis() - 60_000;
        try (KafkaProducer<String, String> producer = kafka.producer(Map.of())) {
            for (long offset : List.of(0L, 2000L, 1000L)) {
                producer.send(new ProducerRecord<>(topic, 0, base + offset, null, "x")).get();
            }
        }
        Map<String, String> expected = Map.of("earliest", "0", "latest", "3", "-1", "3", "-2", "0", "max-timestamp", "1",
                "earliest-local", "0", Long.toString(base + 1), "1");
        for (Map.Entry<String, String> time : expected.entrySet()) {
            Expect.equal(topic + ":0:" + time.getValue(), offsets(kafka, "--topic", topic, "--time", time.getKey()));
        }
        for (String none : List.of("latest-tiered", "earliest-pending-upload", Long.toString(base + 5000))) {
            Expect.that(offsets(kafka, "--topic", topic, "--time", none).matches("|" + topic + ":0:(-1)?"), none);
        }
    }

    private static void selects(Kafka kafka) throws Exception {
        String topic = kafka.topic(4);
        kafka.write(topic, "x");
        Expect.equal(topic + ":0:1\n" + topic + ":1:0", offsets(kafka, "--topic-partitions", topic + ":-2"));
        Expect.equal(topic + ":3:0", offsets(kafka, "--topic", topic, "--partitions", "3"));
        Expect.lacks("__consumer_offsets", offsets(kafka, "--exclude-internal-topics"));
    }

    private static void deletesRecords(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        kafka.writeNumbers(topic, 10);
        Expect.contains("low_watermark: 6", delete(kafka, topic, 6));
        Expect.equal(topic + ":0:6", offsets(kafka, "--topic", topic, "--time", "earliest"));
        Expect.equal(List.of("6", "7", "8", "9"), kafka.values(topic));
        Expect.contains("error", delete(kafka, topic, 11));
    }

    private static String delete(Kafka kafka, String topic, long offset) throws Exception {
        Path file = Files.createTempFile("delete", ".json");
        try {
            Files.writeString(file, "{\"version\":1,\"partitions\":[{\"topic\":\"" + topic
                    + "\",\"partition\":0,\"offset\":" + offset + "}]}");
            return Tool.run(DELETE, TopicTools.with(kafka, "--offset-json-file", file.toString()));
        } finally {
            Files.delete(file);
        }
    }

    private static void showsSizes(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        kafka.writeNumbers(topic, 10);
        String[] describe = TopicTools.with(kafka, "--describe", "--topic-list", topic);
        String shown = Tool.succeed("org.apache.kafka.tools.LogDirsCommand", "", describe).line("\"version\"");
        Expect.contains("\"partition\":\"" + topic + "-0\"", shown);
        Expect.lacks("\"size\":0", shown);
        Expect.contains("\"error\":null", shown);
    }
}
