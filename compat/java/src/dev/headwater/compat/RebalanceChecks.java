package dev.headwater.compat;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.apache.kafka.common.errors.UnreleasedInstanceIdException;
import org.apache.kafka.common.errors.UnsupportedAssignorException;

/** Groups of Java consumers, with both group protocols. */
final class RebalanceChecks {
    private RebalanceChecks() {}

    static void register(Suite suite) {
        for (String protocol : List.of("classic", "consumer")) {
            String with = " (" + protocol + ")";
            suite.check("a group shares partitions as members come and go" + with, kafka -> shares(kafka, protocol));
            suite.check("a group takes up new partitions" + with, kafka -> takesUpPartitions(kafka, protocol));
            suite.check("a group follows a pattern to new topics" + with, kafka -> followsPattern(kafka, protocol));
            suite.check("a static member keeps its partitions" + with, kafka -> keepsStatic(kafka, protocol));
        }
        for (String assignor : List.of("Range", "RoundRobin", "Sticky", "CooperativeSticky")) {
            suite.check("a classic group with the " + assignor + " assignor", kafka -> assigns(kafka, Map.of(
                    "partition.assignment.strategy", "org.apache.kafka.clients.consumer." + assignor + "Assignor")));
        }
        for (String assignor : List.of("uniform", "range")) {
            suite.check("a consumer group with the " + assignor + " assignor", kafka -> assigns(kafka,
                    Map.of("group.protocol", "consumer", "group.remote.assignor", assignor)));
        }
        suite.check("a consumer group refuses an unknown assignor", RebalanceChecks::refusesAssignor);
        suite.check("a consumer group matches a regular expression of the server", RebalanceChecks::matchesRegex);
        suite.check("a consumer group refuses a malformed regular expression", RebalanceChecks::refusesRegex);
        suite.check("a second static member is fenced or waits", RebalanceChecks::fencesStatic);
        suite.check("classic and consumer members share one group", RebalanceChecks::migrates);
    }

    private static Set<TopicPartition> partitions(String topic, int count) {
        return IntStream.range(0, count).mapToObj(i -> new TopicPartition(topic, i)).collect(Collectors.toSet());
    }

    private static void shares(Kafka kafka, String protocol) throws Exception {
        String topic = kafka.topic(6);
        String group = kafka.name("group");
        Set<TopicPartition> all = partitions(topic, 6);
        try (Member first = Member.of(kafka, group, protocol, topic)) {
            first.awaitPartitions(6);
            try (Member second = Member.of(kafka, group, protocol, topic);
                    Member third = Member.of(kafka, group, protocol, topic)) {
                Member.awaitBalance(all, List.of(first, second, third));
            }
            first.awaitPartitions(6);
            kafka.write(topic, "to the one left");
            Expect.eventually("the record", () -> first.values().equals(List.of("to the one left")));
        }
    }

    private static void takesUpPartitions(Kafka kafka, String protocol) throws Exception {
        String topic = kafka.topic(1);
        Map<String, Object> settings =
                Map.of("group.id", kafka.name("group"), "group.protocol", protocol, "metadata.max.age.ms", 500);
        try (Member member = new Member(kafka, settings, consumer -> consumer.subscribe(List.of(topic)))) {
            member.awaitPartitions(1);
            kafka.admin.createPartitions(
                    Map.of(topic, org.apache.kafka.clients.admin.NewPartitions.increaseTo(3))).all().get();
            member.awaitPartitions(3);
        }
    }

    private static void followsPattern(Kafka kafka, String protocol) throws Exception {
        String prefix = kafka.name("pattern");
        kafka.create(prefix + "-a", 2, Map.of());
        Map<String, Object> settings =
                Map.of("group.id", kafka.name("group"), "group.protocol", protocol, "metadata.max.age.ms", 500);
        Pattern pattern = Pattern.compile(prefix + "-[ab]");
        try (Member member = new Member(kafka, settings, consumer -> consumer.subscribe(pattern))) {
            member.awaitPartitions(2);
            kafka.create(prefix + "-b", 1, Map.of());
            kafka.create(prefix + "-c", 1, Map.of());
            member.awaitPartitions(3);
        }
    }

    private static void keepsStatic(Kafka kafka, String protocol) throws Exception {
        String topic = kafka.topic(4);
        String group = kafka.name("group");
        Map<String, Object> one = Map.of("group.id", group, "group.protocol", protocol, "group.instance.id", "one");
        Map<String, Object> two = Map.of("group.id", group, "group.protocol", protocol, "group.instance.id", "two");
        try (Member first = new Member(kafka, one, consumer -> consumer.subscribe(List.of(topic)))) {
            Set<TopicPartition> kept;
            try (Member second = new Member(kafka, two, consumer -> consumer.subscribe(List.of(topic)))) {
                Member.awaitBalance(partitions(topic, 4), List.of(first, second));
                kept = second.assignment();
            }
            Set<TopicPartition> other = first.assignment();
            try (Member again = new Member(kafka, two, consumer -> consumer.subscribe(List.of(topic)))) {
                again.awaitPartitions(2);
                Expect.equal(kept, again.assignment());
                Expect.equal(other, first.assignment());
            }
        }
    }

    private static void assigns(Kafka kafka, Map<String, Object> settings) throws Exception {
        String topic = kafka.topic(5);
        Map<String, Object> all = new java.util.HashMap<>(settings);
        all.put("group.id", kafka.name("group"));
        try (Member first = new Member(kafka, all, consumer -> consumer.subscribe(List.of(topic)));
                Member second = new Member(kafka, all, consumer -> consumer.subscribe(List.of(topic)))) {
            Member.awaitBalance(partitions(topic, 5), List.of(first, second));
        }
    }

    private static void awaitFailure(Class<? extends Throwable> expected, Member member) throws Exception {
        Expect.eventually(expected.getSimpleName(), () -> member.failure() != null);
        Expect.fails(expected, () -> {
            throw member.failure();
        });
    }

    private static void refusesAssignor(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        Map<String, Object> settings = Map.of(
                "group.id", kafka.name("group"), "group.protocol", "consumer", "group.remote.assignor", "unheard-of");
        try (Member member = new Member(kafka, settings, consumer -> consumer.subscribe(List.of(topic)))) {
            awaitFailure(UnsupportedAssignorException.class, member);
        }
    }

    private static Member matching(Kafka kafka, String group, String regex) {
        return new Member(kafka, Map.of("group.id", group, "group.protocol", "consumer"),
                consumer -> consumer.subscribe(new SubscriptionPattern(regex)));
    }

    private static void matchesRegex(Kafka kafka) throws Exception {
        String prefix = kafka.name("regex");
        String group = kafka.name("group");
        kafka.create(prefix + "-a", 3, Map.of());
        kafka.create(prefix + "-x", 1, Map.of());
        try (Member first = matching(kafka, group, prefix + "-[ab]")) {
            first.awaitPartitions(3);
            try (Member second = matching(kafka, group, prefix + "-[ab]")) {
                Member.awaitBalance(partitions(prefix + "-a", 3), List.of(first, second));
            }
            first.awaitPartitions(3);
        }
    }

    private static void refusesRegex(Kafka kafka) throws Exception {
        try (Member member = matching(kafka, kafka.name("group"), "(unclosed")) {
            awaitFailure(InvalidRegularExpression.class, member);
        }
    }

    private static void fencesStatic(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        String classic = kafka.name("group");
        Map<String, Object> old = Map.of("group.id", classic, "group.instance.id", "same");
        try (Member first = new Member(kafka, old, consumer -> consumer.subscribe(List.of(topic)))) {
            first.awaitPartitions(1);
            try (Member second = new Member(kafka, old, consumer -> consumer.subscribe(List.of(topic)))) {
                second.awaitPartitions(1);
                awaitFailure(FencedInstanceIdException.class, first);
            }
        }
        Map<String, Object> settings =
                Map.of("group.id", kafka.name("group"), "group.protocol", "consumer", "group.instance.id", "same");
        try (Member first = new Member(kafka, settings, consumer -> consumer.subscribe(List.of(topic)))) {
            first.awaitPartitions(1);
            try (Member second = new Member(kafka, settings, consumer -> consumer.subscribe(List.of(topic)))) {
                awaitFailure(UnreleasedInstanceIdException.class, second);
            }
        }
    }

    private static void migrates(Kafka kafka) throws Exception {
        String topic = kafka.topic(4);
        String group = kafka.name("group");
        Set<TopicPartition> all = partitions(topic, 4);
        try (Member classic = Member.of(kafka, group, "classic", topic)) {
            classic.awaitPartitions(4);
            try (Member modern = Member.of(kafka, group, "consumer", topic)) {
                Member.awaitBalance(all, List.of(classic, modern));
            }
            classic.awaitPartitions(4);
        }
    }
}
