package dev.headwater.compat;

import java.util.List;

/** {@code kafka-producer-perf-test}, {@code kafka-consumer-perf-test} and the verifiable clients. */
final class PerformanceTools {
    private static final String VERIFIABLE = "org.apache.kafka.tools.Verifiable";

    private PerformanceTools() {}

    static void register(Suite suite) {
        suite.tool("ProducerPerformance and ConsumerPerformance carry their records", PerformanceTools::carries);
        suite.tool("ProducerPerformance in transactions", PerformanceTools::carriesInTransactions);
        suite.tool("VerifiableProducer and VerifiableConsumer agree", PerformanceTools::verifies);
    }

    private static void produce(Kafka kafka, String topic, String... more) throws Exception {
        String[] first = {"--topic", topic, "--num-records", "20000", "--record-size", "100", "--throughput", "-1"};
        String[] all = new String[first.length + more.length];
        System.arraycopy(first, 0, all, 0, first.length);
        System.arraycopy(more, 0, all, first.length, more.length);
        String printed = Tool.run("org.apache.kafka.tools.ProducerPerformance", TopicTools.with(kafka, all));
        Expect.contains("20000 records sent", printed);
    }

    private static void carries(Kafka kafka) throws Exception {
        String topic = kafka.topic(3);
        produce(kafka, topic, "--command-property", "compression.type=lz4");
        for (String protocol : List.of("classic", "consumer")) {
            String consumed = Tool.run("org.apache.kafka.tools.ConsumerPerformance", TopicTools.with(kafka, "--topic", topic,
                    "--num-records", "20000", "--command-property", "group.protocol=" + protocol, "--hide-header"));
            String row = consumed.lines().reduce((first, last) -> last).orElse("");
            Expect.equal("20000", row.split(", ")[4]);
        }
    }

    private static void carriesInTransactions(Kafka kafka) throws Exception {
        String topic = kafka.topic(2);
        produce(kafka, topic, "--transactional-id", kafka.name("txn"), "--transaction-duration-ms", "50");
        Expect.eventually("all are committed", () -> kafka.values(topic, "read_committed").size() == 20000);
    }

    private static void verifies(Kafka kafka) throws Exception {
        String topic = kafka.topic(2);
        String produced = Jvm.run(VERIFIABLE + "Producer",
                TopicTools.with(kafka, "--topic", topic, "--max-messages", "500", "--repeating-keys", "7"));
        Expect.equal(500L, produced.lines().filter(line -> line.contains("\"producer_send_success\"")).count());
        for (String protocol : List.of("classic", "consumer")) {
            String consumed = Jvm.run(VERIFIABLE + "Consumer", TopicTools.with(kafka, "--topic", topic,
                    "--group-id", kafka.name("group"), "--max-messages", "500", "--group-protocol", protocol));
            int count = consumed.lines().filter(line -> line.contains("\"records_consumed\""))
                    .mapToInt(line -> Integer.parseInt(line.replaceAll(".*?\"count\":(\\d+).*", "$1"))).sum();
            Expect.equal(500, count);
            Expect.contains("\"offsets_committed\"", consumed);
        }
    }
}
