//! Replies that tell a client how long it has to wait.

use headwater_protocol::messages;

/// A reply, as far as quotas are concerned.
pub(crate) trait Throttled {
    /// The client has to wait for that long, or longer if the reply says so already.
    fn throttle(&mut self, throttle_time_ms: i32);

    /// Leaves out what the client has to wait for; only replies to fetches hold such.
    fn hold_back(&mut self) {}
}

impl Throttled for messages::fetch::FetchResponse {
    fn throttle(&mut self, throttle_time_ms: i32) {
        self.throttle_time_ms = self.throttle_time_ms.max(throttle_time_ms);
    }

    fn hold_back(&mut self) {
        self.responses.clear();
    }
}

macro_rules! throttled {
    ($($api:ident $response:ident)*) => {
        $(impl Throttled for messages::$api::$response {
            fn throttle(&mut self, throttle_time_ms: i32) {
                self.throttle_time_ms = self.throttle_time_ms.max(throttle_time_ms);
            }
        })*
    };
}

/// Replies without a place for it: the connection waits all the same.
macro_rules! without_throttle_time {
    ($($api:ident $response:ident)*) => {
        $(impl Throttled for messages::$api::$response {
            fn throttle(&mut self, _throttle_time_ms: i32) {}
        })*
    };
}

without_throttle_time! {
    describe_quorum DescribeQuorumResponse
    sasl_authenticate SaslAuthenticateResponse
    sasl_handshake SaslHandshakeResponse
    write_txn_markers WriteTxnMarkersResponse
}

throttled! {
    add_offsets_to_txn AddOffsetsToTxnResponse
    add_partitions_to_txn AddPartitionsToTxnResponse
    alter_client_quotas AlterClientQuotasResponse
    alter_configs AlterConfigsResponse
    alter_user_scram_credentials AlterUserScramCredentialsResponse
    api_versions ApiVersionsResponse
    consumer_group_describe ConsumerGroupDescribeResponse
    consumer_group_heartbeat ConsumerGroupHeartbeatResponse
    create_acls CreateAclsResponse
    create_partitions CreatePartitionsResponse
    create_topics CreateTopicsResponse
    delete_acls DeleteAclsResponse
    delete_groups DeleteGroupsResponse
    delete_records DeleteRecordsResponse
    delete_topics DeleteTopicsResponse
    describe_acls DescribeAclsResponse
    describe_client_quotas DescribeClientQuotasResponse
    describe_cluster DescribeClusterResponse
    describe_configs DescribeConfigsResponse
    describe_groups DescribeGroupsResponse
    describe_log_dirs DescribeLogDirsResponse
    describe_producers DescribeProducersResponse
    describe_topic_partitions DescribeTopicPartitionsResponse
    describe_transactions DescribeTransactionsResponse
    describe_user_scram_credentials DescribeUserScramCredentialsResponse
    elect_leaders ElectLeadersResponse
    end_txn EndTxnResponse
    find_coordinator FindCoordinatorResponse
    heartbeat HeartbeatResponse
    incremental_alter_configs IncrementalAlterConfigsResponse
    init_producer_id InitProducerIdResponse
    join_group JoinGroupResponse
    leave_group LeaveGroupResponse
    list_config_resources ListConfigResourcesResponse
    list_groups ListGroupsResponse
    list_offsets ListOffsetsResponse
    list_partition_reassignments ListPartitionReassignmentsResponse
    list_transactions ListTransactionsResponse
    metadata MetadataResponse
    offset_commit OffsetCommitResponse
    offset_delete OffsetDeleteResponse
    offset_fetch OffsetFetchResponse
    offset_for_leader_epoch OffsetForLeaderEpochResponse
    produce ProduceResponse
    sync_group SyncGroupResponse
    txn_offset_commit TxnOffsetCommitResponse
    update_features UpdateFeaturesResponse
}
