package dev.headwater.compat;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.FeatureMetadata;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.QuorumInfo;
import org.apache.kafka.clients.admin.ReplicaInfo;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.clients.admin.UserScramCredentialDeletion;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.errors.ResourceNotFoundException;
import org.apache.kafka.common.errors.SecurityDisabledException;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** Admin calls about the cluster: nodes, features, quorum, disks, quotas, credentials, ACLs. */
final class ClusterAdmin {
    private ClusterAdmin() {}

    static void register(Suite suite) {
        suite.check("Admin describes the cluster", ClusterAdmin::describesCluster);
        suite.check("Admin describes features", ClusterAdmin::describesFeatures);
        suite.check("Admin updates features, or only validates", ClusterAdmin::updatesFeatures);
        suite.check("Admin describes the metadata quorum", ClusterAdmin::describesQuorum);
        suite.check("Admin describes log directories", ClusterAdmin::describesLogDirs);
        suite.check("Admin alters and describes client quotas", ClusterAdmin::altersQuotas);
        suite.check("Admin alters and describes SCRAM credentials", ClusterAdmin::altersCredentials);
        suite.check("Admin is told that ACLs need an authorizer", ClusterAdmin::refusesAcls);
    }

    private static void describesCluster(Kafka kafka) throws Exception {
        DescribeClusterResult cluster = kafka.admin.describeCluster();
        Collection<Node> nodes = cluster.nodes().get();
        Expect.that(nodes.contains(cluster.controller().get()), nodes);
        Expect.equal(22, cluster.clusterId().get().length());
        Expect.equal(null, cluster.authorizedOperations().get());
        Set<AclOperation> operations = kafka.admin.describeCluster(
                new org.apache.kafka.clients.admin.DescribeClusterOptions().includeAuthorizedOperations(true))
                .authorizedOperations().get();
        Expect.that(operations.containsAll(Set.of(AclOperation.ALTER, AclOperation.CREATE, AclOperation.DESCRIBE)), operations);
    }

    private static void describesFeatures(Kafka kafka) throws Exception {
        FeatureMetadata features = kafka.admin.describeFeatures().featureMetadata().get();
        Expect.equal((short) 2, features.finalizedFeatures().get("transaction.version").maxVersionLevel());
        Expect.equal((short) 1, features.finalizedFeatures().get("group.version").maxVersionLevel());
        Expect.that(features.finalizedFeatures().containsKey("metadata.version"), features);
        Expect.equal((short) 2, features.supportedFeatures().get("transaction.version").maxVersion());
        Expect.that(features.finalizedFeaturesEpoch().isPresent(), features);
    }

    private static void updatesFeatures(Kafka kafka) throws Exception {
        UpdateFeaturesOptions validate = new UpdateFeaturesOptions().validateOnly(true);
        FeatureUpdate down = new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.SAFE_DOWNGRADE);
        kafka.admin.updateFeatures(Map.of("transaction.version", down), validate).all().get();
        describesFeatures(kafka);
        FeatureUpdate beyond = new FeatureUpdate((short) 99, FeatureUpdate.UpgradeType.UPGRADE);
        Expect.fails(org.apache.kafka.common.errors.ApiException.class,
                () -> kafka.admin.updateFeatures(Map.of("transaction.version", beyond), new UpdateFeaturesOptions()).all().get());
        Expect.fails(org.apache.kafka.common.errors.ApiException.class,
                () -> kafka.admin.updateFeatures(Map.of("no.such.feature", down), new UpdateFeaturesOptions()).all().get());
    }

    private static void describesQuorum(Kafka kafka) throws Exception {
        QuorumInfo quorum = kafka.admin.describeMetadataQuorum().quorumInfo().get();
        List<Integer> voters = quorum.voters().stream().map(QuorumInfo.ReplicaState::replicaId).toList();
        Expect.that(voters.contains(quorum.leaderId()) && quorum.highWatermark() >= 0, quorum);
    }

    private static void describesLogDirs(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        kafka.writeNumbers(topic, 10);
        List<Integer> brokers = kafka.admin.describeCluster().nodes().get().stream().map(Node::id).toList();
        ReplicaInfo found = null;
        for (Map<String, LogDirDescription> dirs :
                kafka.admin.describeLogDirs(brokers).allDescriptions().get().values()) {
            for (LogDirDescription dir : dirs.values()) {
                Expect.equal(null, dir.error());
                Expect.that(dir.totalBytes().orElse(0) > dir.usableBytes().orElse(Long.MAX_VALUE), dir);
                found = dir.replicaInfos().getOrDefault(new TopicPartition(topic, 0), found);
            }
        }
        Expect.that(found != null && found.size() > 0 && found.offsetLag() == 0 && !found.isFuture(), found);
    }

    private static void altersQuotas(Kafka kafka) throws Exception {
        String name = kafka.name("client");
        ClientQuotaEntity entity = new ClientQuotaEntity(Map.of(ClientQuotaEntity.CLIENT_ID, name));
        ClientQuotaFilter filter = ClientQuotaFilter.containsOnly(
                List.of(ClientQuotaFilterComponent.ofEntity(ClientQuotaEntity.CLIENT_ID, name)));
        alter(kafka, entity, "producer_byte_rate", 1048576.0);
        alter(kafka, entity, "request_percentage", 150.0);
        Map<ClientQuotaEntity, Map<String, Double>> expected =
                Map.of(entity, Map.of("producer_byte_rate", 1048576.0, "request_percentage", 150.0));
        Expect.eventually("the quotas", () -> expected.equals(kafka.admin.describeClientQuotas(filter).entities().get()));
        alter(kafka, entity, "producer_byte_rate", null);
        alter(kafka, entity, "request_percentage", null);
        Expect.eventually("no quotas", () -> kafka.admin.describeClientQuotas(filter).entities().get().isEmpty());
        Expect.fails(org.apache.kafka.common.errors.InvalidRequestException.class, () -> {
            alter(kafka, entity, "no_such_quota", 1.0);
            return null;
        });
    }

    private static void alter(Kafka kafka, ClientQuotaEntity entity, String key, Double value) throws Exception {
        ClientQuotaAlteration.Op operation = new ClientQuotaAlteration.Op(key, value);
        kafka.admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(operation)))).all().get();
    }

    private static void altersCredentials(Kafka kafka) throws Exception {
        String user = kafka.name("user");
        Expect.fails(ResourceNotFoundException.class,
                () -> kafka.admin.describeUserScramCredentials(List.of(user)).description(user).get());
        for (ScramMechanism mechanism : List.of(ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)) {
            ScramCredentialInfo info = new ScramCredentialInfo(mechanism, 8192);
            kafka.admin.alterUserScramCredentials(
                    List.of(new UserScramCredentialUpsertion(user, info, "a secret"))).all().get();
            Expect.eventually(mechanism + " is described", () -> credentials(kafka, user).contains(info));
        }
        Expect.equal(2, credentials(kafka, user).size());
        kafka.admin.alterUserScramCredentials(
                List.of(new UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256))).all().get();
        Expect.eventually("one is left", () -> credentials(kafka, user).size() == 1);
        Expect.fails(ResourceNotFoundException.class, () -> kafka.admin.alterUserScramCredentials(
                List.of(new UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256))).all().get());
        kafka.admin.alterUserScramCredentials(
                List.of(new UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_512))).all().get();
    }

    private static List<ScramCredentialInfo> credentials(Kafka kafka, String user) throws Exception {
        return kafka.admin.describeUserScramCredentials().all().get().entrySet().stream()
                .filter(entry -> entry.getKey().equals(user))
                .flatMap(entry -> entry.getValue().credentialInfos().stream()).toList();
    }

    private static void refusesAcls(Kafka kafka) throws Exception {
        AclBinding binding = new AclBinding(new ResourcePattern(ResourceType.TOPIC, "t", PatternType.LITERAL),
                new AccessControlEntry("User:ada", "*", AclOperation.READ, AclPermissionType.ALLOW));
        Expect.fails(SecurityDisabledException.class, () -> kafka.admin.createAcls(List.of(binding)).all().get());
        Expect.fails(SecurityDisabledException.class, () -> kafka.admin.describeAcls(AclBindingFilter.ANY).values().get());
        Expect.fails(SecurityDisabledException.class,
                () -> kafka.admin.deleteAcls(List.of(binding.toFilter())).all().get());
    }
}
