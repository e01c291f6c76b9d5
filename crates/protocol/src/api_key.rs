//! Every API of Kafka 4.3 by number, with the version at which it became flexible.
//!
//! Owns what a header has to know about an API before its body is looked at, also for APIs that
//! have no messages here; which of them are served is the broker's table.

macro_rules! api_keys {
    ($($key:literal $name:ident $flexible:expr;)*) => {
        /// What a request asks for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ApiKey {
            $($name = $key,)*
        }

        impl ApiKey {
            /// All of them, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// The first version with compact lengths and tagged fields; `None`: it has none.
            pub const fn first_flexible(self) -> Option<i16> {
                match self {
                    $(Self::$name => $flexible,)*
                }
            }
        }

        impl TryFrom<i16> for ApiKey {
            type Error = UnknownApiKey;

            fn try_from(key: i16) -> Result<Self, UnknownApiKey> {
                match key {
                    $($key => Ok(Self::$name),)*
                    _ => Err(UnknownApiKey(key)),
                }
            }
        }
    };
}

api_keys! {
    0 Produce Some(9);
    1 Fetch Some(12);
    2 ListOffsets Some(6);
    3 Metadata Some(9);
    4 LeaderAndIsr Some(4);
    5 StopReplica Some(2);
    6 UpdateMetadata Some(6);
    7 ControlledShutdown Some(3);
    8 OffsetCommit Some(8);
    9 OffsetFetch Some(6);
    10 FindCoordinator Some(3);
    11 JoinGroup Some(6);
    12 Heartbeat Some(4);
    13 LeaveGroup Some(4);
    14 SyncGroup Some(4);
    15 DescribeGroups Some(5);
    16 ListGroups Some(3);
    17 SaslHandshake None;
    18 ApiVersions Some(3);
    19 CreateTopics Some(5);
    20 DeleteTopics Some(4);
    21 DeleteRecords Some(2);
    22 InitProducerId Some(2);
    23 OffsetForLeaderEpoch Some(4);
    24 AddPartitionsToTxn Some(3);
    25 AddOffsetsToTxn Some(3);
    26 EndTxn Some(3);
    27 WriteTxnMarkers Some(1);
    28 TxnOffsetCommit Some(3);
    29 DescribeAcls Some(2);
    30 CreateAcls Some(2);
    31 DeleteAcls Some(2);
    32 DescribeConfigs Some(4);
    33 AlterConfigs Some(2);
    34 AlterReplicaLogDirs Some(2);
    35 DescribeLogDirs Some(2);
    36 SaslAuthenticate Some(2);
    37 CreatePartitions Some(2);
    38 CreateDelegationToken Some(2);
    39 RenewDelegationToken Some(2);
    40 ExpireDelegationToken Some(2);
    41 DescribeDelegationToken Some(2);
    42 DeleteGroups Some(2);
    43 ElectLeaders Some(2);
    44 IncrementalAlterConfigs Some(1);
    45 AlterPartitionReassignments Some(0);
    46 ListPartitionReassignments Some(0);
    47 OffsetDelete None;
    48 DescribeClientQuotas Some(1);
    49 AlterClientQuotas Some(1);
    50 DescribeUserScramCredentials Some(0);
    51 AlterUserScramCredentials Some(0);
    52 Vote Some(0);
    53 BeginQuorumEpoch Some(1);
    54 EndQuorumEpoch Some(1);
    55 DescribeQuorum Some(0);
    56 AlterPartition Some(0);
    57 UpdateFeatures Some(0);
    58 Envelope Some(0);
    59 FetchSnapshot Some(0);
    60 DescribeCluster Some(0);
    61 DescribeProducers Some(0);
    62 BrokerRegistration Some(0);
    63 BrokerHeartbeat Some(0);
    64 UnregisterBroker Some(0);
    65 DescribeTransactions Some(0);
    66 ListTransactions Some(0);
    67 AllocateProducerIds Some(0);
    68 ConsumerGroupHeartbeat Some(0);
    69 ConsumerGroupDescribe Some(0);
    70 ControllerRegistration Some(0);
    71 GetTelemetrySubscriptions Some(0);
    72 PushTelemetry Some(0);
    73 AssignReplicasToDirs Some(0);
    74 ListConfigResources Some(0);
    75 DescribeTopicPartitions Some(0);
    76 ShareGroupHeartbeat Some(0);
    77 ShareGroupDescribe Some(0);
    78 ShareFetch Some(0);
    79 ShareAcknowledge Some(0);
    80 AddRaftVoter Some(0);
    81 RemoveRaftVoter Some(0);
    82 UpdateRaftVoter Some(0);
    83 InitializeShareGroupState Some(0);
    84 ReadShareGroupState Some(0);
    85 WriteShareGroupState Some(0);
    86 DeleteShareGroupState Some(0);
    87 ReadShareGroupStateSummary Some(0);
    88 StreamsGroupHeartbeat Some(0);
    89 StreamsGroupDescribe Some(0);
    90 DescribeShareGroupOffsets Some(0);
    91 AlterShareGroupOffsets Some(0);
    92 DeleteShareGroupOffsets Some(0);
}

/// The number is no API of this or an earlier Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a known API key")]
pub struct UnknownApiKey(pub i16);

impl ApiKey {
    /// Whether that version has compact lengths and tagged fields.
    pub fn is_flexible(self, version: i16) -> bool {
        self.first_flexible().is_some_and(|first| version >= first)
    }
}

impl From<ApiKey> for i16 {
    fn from(key: ApiKey) -> Self {
        key as Self
    }
}

impl std::fmt::Display for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_without_gaps_and_read_back() {
        for (key, expected) in ApiKey::ALL.iter().zip(0..) {
            assert_eq!(i16::from(*key), expected);
            assert_eq!(ApiKey::try_from(expected), Ok(*key));
        }
        assert_eq!(ApiKey::try_from(93), Err(UnknownApiKey(93)));
        assert_eq!(ApiKey::try_from(-1), Err(UnknownApiKey(-1)));
    }

    #[test]
    fn flexibility_begins_at_a_version_or_never() {
        assert!(!ApiKey::Produce.is_flexible(8));
        assert!(ApiKey::Produce.is_flexible(9));
        assert!(!ApiKey::SaslHandshake.is_flexible(1));
    }
}
