package dev.headwater.compat;

import java.time.Duration;

/** {@code kafka-features}, {@code kafka-metadata-quorum}, {@code kafka-cluster} and other tools about the cluster. */
final class ClusterTools {
    private static final String FEATURES = "org.apache.kafka.tools.FeatureCommand";
    private static final String QUORUM = "org.apache.kafka.tools.MetadataQuorumCommand";

    private ClusterTools() {}

    static void register(Suite suite) {
        suite.tool("FeatureCommand describes features", ClusterTools::describesFeatures);
        suite.check("FeatureCommand downgrades and upgrades transaction.version", Suite.Lane.ALONE, Duration.ofSeconds(240),
                ClusterTools::changesFeatures);
        suite.tool("MetadataQuorumCommand describes status and replication", ClusterTools::describesQuorum);
        suite.tool("ClusterTool tells the cluster's id and endpoints", ClusterTools::describesCluster);
        suite.tool("BrokerApiVersionsCommand finds every API usable", ClusterTools::listsApis);
        suite.tool("AclCommand is told that there is no authorizer", ClusterTools::refusesAcls);
        suite.tool("LeaderElectionCommand and ReassignPartitionsCommand find nothing to do", ClusterTools::electsLeaders);
    }

    private static void describesFeatures(Kafka kafka) throws Exception {
        Tool.Result described = Tool.succeed(FEATURES, "", TopicTools.with(kafka, "describe"));
        Expect.contains("FinalizedVersionLevel: 2", described.line("Feature: transaction.version"));
        Expect.contains("FinalizedVersionLevel: 1", described.line("Feature: group.version"));
        Expect.contains("SupportedMaxVersion: 4.3", described.line("Feature: metadata.version"));
    }

    private static void changesFeatures(Kafka kafka) throws Exception {
        String[] down = {"downgrade", "--feature", "transaction.version=1"};
        String[] up = {"upgrade", "--feature", "transaction.version=2"};
        Expect.contains("can be downgraded to 1", Tool.run(FEATURES, TopicTools.with(kafka, down[0], down[1], down[2], "--dry-run")));
        try {
            Expect.contains("was downgraded to 1", Tool.run(FEATURES, TopicTools.with(kafka, down)));
            Expect.eventually("level 1", () -> Tool.succeed(FEATURES, "", TopicTools.with(kafka, "describe"))
                    .line("Feature: transaction.version").contains("FinalizedVersionLevel: 1"));
        } finally {
            Expect.contains("was upgraded to 2", Tool.run(FEATURES, TopicTools.with(kafka, up)));
        }
        Tool.refuse(FEATURES, TopicTools.with(kafka, "upgrade", "--feature", "transaction.version=9"));
    }

    private static void describesQuorum(Kafka kafka) throws Exception {
        String status = Tool.run(QUORUM, TopicTools.with(kafka, "describe", "--status"));
        for (String row : new String[] {"ClusterId:", "LeaderId:", "LeaderEpoch:", "HighWatermark:", "CurrentVoters:"}) {
            Expect.contains(row, status);
        }
        String replication = Tool.run(QUORUM, TopicTools.with(kafka, "describe", "--replication"));
        Expect.contains("Leader", replication.lines().skip(1).findFirst().orElse(""));
    }

    private static void describesCluster(Kafka kafka) throws Exception {
        String tool = "org.apache.kafka.tools.ClusterTool";
        String id = Tool.run(tool, "cluster-id", "--bootstrap-server", kafka.bootstrap);
        Expect.contains(kafka.admin.describeCluster().clusterId().get(), id);
        String endpoints = Tool.run(tool, "list-endpoints", "--bootstrap-server", kafka.bootstrap);
        Expect.contains(kafka.bootstrap.split(",")[0].split(":")[1], endpoints);
    }

    private static void listsApis(Kafka kafka) throws Exception {
        String listed = Tool.run("org.apache.kafka.tools.BrokerApiVersionsCommand", TopicTools.with(kafka));
        for (String api : new String[] {"Produce(0): ", "Fetch(1): ", "EndTxn(26): ", "ConsumerGroupHeartbeat(68): "}) {
            Expect.contains(api, listed);
            String row = listed.lines().filter(line -> line.contains(api)).findFirst().orElse("");
            Expect.contains("usable", row);
            Expect.lacks("UNSUPPORTED", row);
        }
    }

    private static void refusesAcls(Kafka kafka) throws Exception {
        String acls = "org.apache.kafka.tools.AclCommand";
        Expect.contains("No Authorizer is configured", Tool.refuse(acls, TopicTools.with(kafka, "--list")));
        Expect.contains("No Authorizer is configured", Tool.refuse(acls, TopicTools.with(kafka, "--add",
                "--allow-principal", "User:ada", "--operation", "Read", "--topic", "t")));
    }

    private static void electsLeaders(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        String elected = Tool.run("org.apache.kafka.tools.LeaderElectionCommand", TopicTools.with(kafka,
                "--election-type", "preferred", "--topic", topic, "--partition", "0"));
        Expect.contains("Valid replica already elected", elected);
        String reassigned =
                Tool.run("org.apache.kafka.tools.reassign.ReassignPartitionsCommand", TopicTools.with(kafka, "--list"));
        Expect.contains("No partition reassignments found", reassigned);
    }
}
