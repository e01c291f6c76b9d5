package dev.headwater.compat;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.ClassicGroupDescription;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.UnknownMemberIdException;

/** Admin calls about groups and their offsets. */
final class GroupAdmin {
    private GroupAdmin() {}

    static void register(Suite suite) {
        for (String protocol : List.of("classic", "consumer")) {
            suite.check("Admin lists and describes a group (" + protocol + ")", kafka -> describes(kafka, protocol));
        }
        suite.check("Admin describes a classic group with its protocol", GroupAdmin::describesClassic);
        suite.check("Admin alters, lists and deletes a group's offsets", GroupAdmin::managesOffsets);
        suite.check("Admin deletes groups that are empty", GroupAdmin::deletesGroups);
        suite.check("Admin leaves a group with members alone", GroupAdmin::refusesActive);
        suite.check("Admin removes static members", GroupAdmin::removesMembers);
    }

    private static Map<TopicPartition, OffsetAndMetadata> offsets(Kafka kafka, String group) throws Exception {
        return kafka.admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
    }

    private static GroupListing listed(Kafka kafka, String group, ListGroupsOptions options) throws Exception {
        return kafka.admin.listGroups(options).all().get().stream()
                .filter(listing -> listing.groupId().equals(group)).findFirst().orElse(null);
    }

    private static void describes(Kafka kafka, String protocol) throws Exception {
        String topic = kafka.topic(2);
        String group = kafka.name("group");
        GroupType type = GroupType.parse(protocol);
        try (Member member = Member.of(kafka, group, protocol, topic)) {
            member.awaitPartitions(2);
            Expect.eventually("stable", () -> describe(kafka, group).groupState() == GroupState.STABLE);
            ConsumerGroupDescription described = describe(kafka, group);
            Expect.equal(type, described.type());
            Expect.equal(protocol.equals("classic") ? "range" : "uniform", described.partitionAssignor());
            Expect.equal(1, described.members().size());
            described.members().forEach(one -> {
                Expect.equal(member.assignment(), one.assignment().topicPartitions());
                Expect.that(one.host().startsWith("/"), one.host());
                Expect.that(one.clientId().startsWith("consumer-"), one.clientId());
            });
            Expect.that(described.coordinator() != null && !described.coordinator().isEmpty(), described);
            GroupListing listing = listed(kafka, group, new ListGroupsOptions());
            Expect.equal("consumer " + type + " STABLE", listing.protocol() + " " + listing.type().orElse(null) + " "
                    + listing.groupState().map(Enum::name).orElse(null));
            Expect.that(listed(kafka, group, new ListGroupsOptions().withTypes(Set.of(type))) != null, "by type");
            Expect.equal(null, listed(kafka, group, new ListGroupsOptions().inGroupStates(Set.of(GroupState.EMPTY))));
        }
        Expect.eventually("empty", () -> describe(kafka, group).groupState() == GroupState.EMPTY);
        Expect.fails(GroupIdNotFoundException.class, () -> describe(kafka, kafka.name("absent")));
    }

    private static ConsumerGroupDescription describe(Kafka kafka, String group) throws Exception {
        return kafka.admin.describeConsumerGroups(List.of(group)).all().get().get(group);
    }

    private static void describesClassic(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        String group = kafka.name("group");
        try (Member member = Member.of(kafka, group, "classic", topic)) {
            member.awaitPartitions(1);
            Expect.eventually("stable", () -> classic(kafka, group).state().name().equals("STABLE"));
            ClassicGroupDescription described = classic(kafka, group);
            Expect.equal("consumer range", described.protocol() + " " + described.protocolData());
        }
    }

    private static ClassicGroupDescription classic(Kafka kafka, String group) throws Exception {
        return kafka.admin.describeClassicGroups(List.of(group)).all().get().get(group);
    }

    private static void managesOffsets(Kafka kafka) throws Exception {
        String topic = kafka.topic(2);
        String group = kafka.name("group");
        TopicPartition first = new TopicPartition(topic, 0);
        TopicPartition second = new TopicPartition(topic, 1);
        OffsetAndMetadata three = new OffsetAndMetadata(3, "by hand");
        kafka.admin.alterConsumerGroupOffsets(group, Map.of(first, three, second, new OffsetAndMetadata(4))).all().get();
        Expect.equal(three, offsets(kafka, group).get(first));
        ListConsumerGroupOffsetsSpec one = new ListConsumerGroupOffsetsSpec().topicPartitions(List.of(second));
        Expect.equal(Set.of(second), kafka.admin.listConsumerGroupOffsets(Map.of(group, one))
                .partitionsToOffsetAndMetadata(group).get().keySet());
        kafka.admin.deleteConsumerGroupOffsets(group, Set.of(first)).all().get();
        Expect.equal(Set.of(second), offsets(kafka, group).keySet());
        kafka.admin.deleteTopics(List.of(topic)).all().get();
        Expect.eventually("offsets of a deleted topic go", () -> offsets(kafka, group).isEmpty());
    }

    private static void deletesGroups(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        String group = kafka.name("group");
        TopicPartition partition = new TopicPartition(topic, 0);
        kafka.admin.alterConsumerGroupOffsets(group, Map.of(partition, new OffsetAndMetadata(1))).all().get();
        kafka.admin.deleteConsumerGroups(List.of(group)).all().get();
        Expect.equal(null, listed(kafka, group, new ListGroupsOptions()));
        Expect.equal(Map.of(), offsets(kafka, group));
        Expect.fails(GroupIdNotFoundException.class, () -> kafka.admin.deleteConsumerGroups(List.of(group)).all().get());
    }

    private static void refusesActive(Kafka kafka) throws Exception {
        for (String protocol : List.of("classic", "consumer")) {
            String topic = kafka.topic(1);
            String group = kafka.name("group");
            TopicPartition partition = new TopicPartition(topic, 0);
            try (Member member = Member.of(kafka, group, protocol, topic)) {
                member.awaitPartitions(1);
                Expect.fails(GroupNotEmptyException.class,
                        () -> kafka.admin.deleteConsumerGroups(List.of(group)).all().get());
                Expect.fails(GroupSubscribedToTopicException.class,
                        () -> kafka.admin.deleteConsumerGroupOffsets(group, Set.of(partition)).all().get());
                Expect.fails(UnknownMemberIdException.class, () -> kafka.admin.alterConsumerGroupOffsets(
                        group, Map.of(partition, new OffsetAndMetadata(1))).all().get());
            }
        }
    }

    private static void removesMembers(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        String group = kafka.name("group");
        Map<String, Object> settings = Map.of("group.id", group, "group.instance.id", "fixed");
        try (Member member = new Member(kafka, settings, consumer -> consumer.subscribe(List.of(topic)))) {
            member.awaitPartitions(1);
        }
        Expect.equal(1, describe(kafka, group).members().size());
        Collection<MemberToRemove> members = List.of(new MemberToRemove("fixed"));
        kafka.admin.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions(members)).all().get();
        Expect.equal(0, describe(kafka, group).members().size());
    }
}
