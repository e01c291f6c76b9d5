package dev.headwater.compat;

import java.util.List;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** {@code kafka-transactions}. */
final class TransactionTools {
    private static final String TRANSACTIONS = "org.apache.kafka.tools.TransactionsCommand";

    private TransactionTools() {}

    static void register(Suite suite) {
        suite.tool("TransactionsCommand lists and describes transactions and producers", TransactionTools::describes);
        suite.tool("TransactionsCommand aborts a transaction by its start offset", TransactionTools::aborts);
        suite.tool("TransactionsCommand finds no hanging transaction", TransactionTools::findsHanging);
        suite.tool("TransactionsCommand terminates a transaction", TransactionTools::terminates);
    }

    private static Tool.Result transactions(Kafka kafka, String... arguments) throws Exception {
        return Tool.succeed(TRANSACTIONS, "", TopicTools.with(kafka, arguments));
    }

    private static KafkaProducer<String, String> open(Kafka kafka, String id, String topic) {
        KafkaProducer<String, String> producer = kafka.transactional(id);
        producer.initTransactions();
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(topic, 0, null, "open"));
        producer.flush();
        return producer;
    }

    private static void describes(Kafka kafka) throws Exception {
        String id = kafka.name("txn");
        String topic = kafka.topic(1);
        try (KafkaProducer<String, String> producer = open(kafka, id, topic)) {
            Expect.contains("Ongoing", transactions(kafka, "list").line(id));
            Expect.lacks(id, transactions(kafka, "list", "--transactional-id-pattern", "nothing.*").out());
            String described = transactions(kafka, "describe", "--transactional-id", id).line(id);
            Expect.contains("Ongoing", described);
            Expect.contains(topic + "-0", described);
            String producers = transactions(kafka, "describe-producers", "--topic", topic, "--partition", "0").out();
            Expect.equal(2L, producers.lines().count());
            Expect.that(producers.strip().endsWith("0"), producers);
            producer.commitTransaction();
            Expect.eventually("complete", () ->
                    transactions(kafka, "describe", "--transactional-id", id).line(id).contains("CompleteCommit"));
        }
    }

    private static void aborts(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        try (KafkaProducer<String, String> producer = open(kafka, kafka.name("txn"), topic)) {
            transactions(kafka, "abort", "--topic", topic, "--partition", "0", "--start-offset", "0");
            kafka.write(topic, "after");
            kafka.awaitCommitted(topic, List.of("after"));
        }
    }

    private static void findsHanging(Kafka kafka) throws Exception {
        String id = kafka.name("txn");
        String topic = kafka.topic(1);
        String broker = kafka.admin.describeCluster().nodes().get().iterator().next().idString();
        try (KafkaProducer<String, String> producer = open(kafka, id, topic)) {
            for (String[] where : List.of(new String[] {"--topic", topic, "--partition", "0"},
                    new String[] {"--broker-id", broker})) {
                String[] arguments = {"find-hanging", where[0], where[1], "--max-transaction-timeout", "15"};
                Expect.lacks(topic, transactions(kafka, arguments).out());
            }
            producer.commitTransaction();
        }
    }

    private static void terminates(Kafka kafka) throws Exception {
        String id = kafka.name("txn");
        String topic = kafka.topic(1);
        try (KafkaProducer<String, String> producer = open(kafka, id, topic)) {
            transactions(kafka, "forceTerminateTransaction", "--transactionalId", id);
            Expect.eventually("the abort", () ->
                    transactions(kafka, "describe", "--transactional-id", id).line(id).contains("Empty"));
        }
    }
}
