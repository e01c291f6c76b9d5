package dev.headwater.compat;

import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;

/** A consumer in a group that polls in a thread of its own until it is closed. */
final class Member implements AutoCloseable {
    private final KafkaConsumer<String, String> consumer;
    private final Thread thread;
    private final ConcurrentLinkedQueue<ConsumerRecord<String, String>> records = new ConcurrentLinkedQueue<>();
    private volatile Set<TopicPartition> assignment = Set.of();
    private volatile RuntimeException failure;
    private volatile boolean closing;

    Member(Kafka kafka, Map<String, Object> settings, Consumer<KafkaConsumer<String, String>> subscribe) {
        consumer = kafka.consumer(settings);
        subscribe.accept(consumer);
        thread = new Thread(this::poll, "member");
        thread.setDaemon(true);
        thread.start();
    }

    static Member of(Kafka kafka, String group, String protocol, String topic) {
        return new Member(kafka, Map.of("group.id", group, "group.protocol", protocol),
                consumer -> consumer.subscribe(List.of(topic)));
    }

    private void poll() {
        try (consumer) {
            while (!closing) {
                consumer.poll(Duration.ofMillis(100)).forEach(records::add);
                assignment = consumer.assignment();
            }
            if (!records.isEmpty()) {
                consumer.commitSync();
            }
        } catch (WakeupException e) {
            // Told to stop while it polled.
        } catch (RuntimeException e) {
            failure = e;
        }
    }

    Set<TopicPartition> assignment() {
        return assignment;
    }

    RuntimeException failure() {
        return failure;
    }

    List<String> values() {
        return records.stream().map(ConsumerRecord::value).toList();
    }

    void awaitPartitions(int count) throws Exception {
        Expect.eventually(count + " partitions", () -> {
            if (failure != null) {
                throw failure;
            }
            return assignment.size() == count;
        });
    }

    /** Waits until the members own each partition of these topics once, shared as evenly as can be. */
    static void awaitBalance(Set<TopicPartition> all, List<Member> members) throws Exception {
        try {
            Expect.eventually("a balance", () -> isBalanced(all, members));
        } catch (AssertionError e) {
            throw new AssertionError(e.getMessage() + ": " + members.stream().map(Member::assignment).toList(), e);
        }
    }

    private static boolean isBalanced(Set<TopicPartition> all, List<Member> members) {
        List<Integer> sizes = members.stream().map(member -> member.assignment.size()).toList();
        Set<TopicPartition> owned =
                members.stream().flatMap(member -> member.assignment.stream()).collect(Collectors.toSet());
        int sum = sizes.stream().mapToInt(Integer::intValue).sum();
        for (Member member : members) {
            if (member.failure != null) {
                throw member.failure;
            }
        }
        return owned.equals(all) && sum == all.size() && Collections.max(sizes) - Collections.min(sizes) <= 1;
    }

    /** Commits what it read and leaves. */
    @Override
    public void close() throws InterruptedException {
        closing = true;
        thread.join(Expect.PATIENCE.toMillis());
    }
}
