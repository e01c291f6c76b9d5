package dev.headwater.compat;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TransactionalIdNotFoundException;

/** Admin calls about producers and transactions. */
final class TransactionAdmin {
    private TransactionAdmin() {}

    static void register(Suite suite) {
        suite.check("Admin describes producers", TransactionAdmin::describesProducers);
        suite.check("Admin lists and describes transactions", TransactionAdmin::describes);
        suite.check("Admin aborts a transaction by its start offset", TransactionAdmin::aborts);
        suite.check("Admin fences producers", TransactionAdmin::fences);
        suite.check("Admin terminates a transaction", TransactionAdmin::terminates);
    }

    /** An action while a transaction with one record in partition 0 is open. */
    private interface During {
        void run(String id, TopicPartition partition, KafkaProducer<String, String> producer) throws Exception;
    }

    private static void during(Kafka kafka, During action) throws Exception {
        String topic = kafka.topic(1);
        String id = kafka.name("txn");
        try (KafkaProducer<String, String> producer = kafka.transactional(id)) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, 0, null, "open"));
            producer.flush();
            action.run(id, new TopicPartition(topic, 0), producer);
        }
    }

    private static ProducerState producer(Kafka kafka, TopicPartition partition) throws Exception {
        List<ProducerState> producers = kafka.admin.describeProducers(List.of(partition))
                .partitionResult(partition).get().activeProducers();
        Expect.equal(1, producers.size());
        return producers.get(0);
    }

    private static void describesProducers(Kafka kafka) throws Exception {
        during(kafka, (id, partition, producer) -> {
            ProducerState open = producer(kafka, partition);
            Expect.equal(0L, open.currentTransactionStartOffset().orElse(-1));
            Expect.equal(0, open.lastSequence());
            producer.commitTransaction();
            // A cluster answers a commit before its markers are everywhere.
            Expect.eventually("the marker", () -> producer(kafka, partition).currentTransactionStartOffset().isEmpty());
        });
        TopicPartition partition = new TopicPartition(kafka.topic(1), 0);
        Expect.equal(List.of(), kafka.admin.describeProducers(List.of(partition)).partitionResult(partition).get()
                .activeProducers());
    }

    private static void describes(Kafka kafka) throws Exception {
        during(kafka, (id, partition, producer) -> {
            TransactionDescription described = describe(kafka, id);
            Expect.equal(TransactionState.ONGOING, described.state());
            Expect.equal(Set.of(partition), described.topicPartitions());
            Expect.equal(60_000L, described.transactionTimeoutMs());
            Expect.that(described.transactionStartTimeMs().isPresent(), described);
            Expect.equal(producer(kafka, partition).producerId(), described.producerId());
            TransactionListing listing = listed(kafka, id, new ListTransactionsOptions());
            Expect.equal(TransactionState.ONGOING, listing.state());
            Expect.equal(described.producerId(), listing.producerId());
            Expect.that(listed(kafka, id, new ListTransactionsOptions()
                    .filterStates(Set.of(TransactionState.ONGOING))
                    .filterProducerIds(Set.of(described.producerId()))
                    .filterOnTransactionalIdPattern("java-txn-.*")) != null, "not by filters");
            Expect.equal(null, listed(kafka, id, new ListTransactionsOptions().filterOnDuration(3_600_000)));
            producer.commitTransaction();
            Expect.eventually("complete", () -> describe(kafka, id).state() == TransactionState.COMPLETE_COMMIT);
            Expect.equal(Set.of(), describe(kafka, id).topicPartitions());
        });
        Expect.fails(TransactionalIdNotFoundException.class, () -> describe(kafka, kafka.name("absent")));
    }

    private static TransactionDescription describe(Kafka kafka, String id) throws Exception {
        return kafka.admin.describeTransactions(List.of(id)).description(id).get();
    }

    private static TransactionListing listed(Kafka kafka, String id, ListTransactionsOptions options) throws Exception {
        return kafka.admin.listTransactions(options).all().get().stream()
                .filter(listing -> listing.transactionalId().equals(id)).findFirst().orElse(null);
    }

    private static void aborts(Kafka kafka) throws Exception {
        during(kafka, (id, partition, producer) -> {
            ProducerState open = producer(kafka, partition);
            AbortTransactionSpec spec = new AbortTransactionSpec(partition, open.producerId(),
                    (short) open.producerEpoch(), open.coordinatorEpoch().orElse(0));
            kafka.admin.abortTransaction(spec).all().get();
            Expect.that(producer(kafka, partition).currentTransactionStartOffset().isEmpty(), "still open");
            kafka.write(partition.topic(), "after");
            kafka.awaitCommitted(partition.topic(), List.of("after"));
        });
    }

    private static void fences(Kafka kafka) throws Exception {
        during(kafka, (id, partition, producer) -> {
            int epoch = describe(kafka, id).producerEpoch();
            kafka.admin.fenceProducers(List.of(id)).all().get();
            Expect.eventually("the abort", () -> describe(kafka, id).state() == TransactionState.EMPTY);
            kafka.write(partition.topic(), "after");
            kafka.awaitCommitted(partition.topic(), List.of("after"));
            Expect.that(describe(kafka, id).producerEpoch() > epoch, "the same epoch");
            Expect.fails(KafkaException.class, () -> {
                producer.commitTransaction();
                return null;
            });
        });
    }

    private static void terminates(Kafka kafka) throws Exception {
        during(kafka, (id, partition, producer) -> {
            kafka.admin.forceTerminateTransaction(id).result().get();
            Expect.eventually("the abort", () -> describe(kafka, id).state() == TransactionState.EMPTY);
            kafka.write(partition.topic(), "after");
            kafka.awaitCommitted(partition.topic(), List.of("after"));
        });
    }
}
