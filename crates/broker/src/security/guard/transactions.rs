//! Producers with ids, and transactions.

use headwater_protocol::messages::add_offsets_to_txn::AddOffsetsToTxnRequest;
use headwater_protocol::messages::add_partitions_to_txn::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
};
use headwater_protocol::messages::describe_transactions::{
    DescribeTransactionsRequest, DescribeTransactionsResponse,
};
use headwater_protocol::messages::end_txn::EndTxnRequest;
use headwater_protocol::messages::init_producer_id::InitProducerIdRequest;
use headwater_protocol::messages::list_transactions::{
    ListTransactionsRequest, ListTransactionsResponse,
};
use headwater_protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use headwater_protocol::messages::write_txn_markers::WriteTxnMarkersRequest;
use headwater_protocol::{ErrorCode, Request};

use super::{Access, Guarded, Screened, all_or_nothing, screen_each};
use crate::security::acl::{Operation, ResourceType};

const TRANSACTIONAL_ID: ErrorCode = ErrorCode::TransactionalIdAuthorizationFailed;
const GROUP: ErrorCode = ErrorCode::GroupAuthorizationFailed;
const CLUSTER: ErrorCode = ErrorCode::ClusterAuthorizationFailed;

impl Guarded for InitProducerIdRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<Self::Response> {
        let check = match &self.transactional_id {
            Some(id) => (
                access.transactional_id(Operation::Write, id),
                TRANSACTIONAL_ID,
            ),
            // Who may write to any topic may be idempotent about it (KIP-679).
            None => (
                access.cluster(Operation::IdempotentWrite)
                    || access.somewhere(Operation::Write, ResourceType::Topic),
                CLUSTER,
            ),
        };
        all_or_nothing(self, version, &[check])
    }
}

impl Guarded for AddPartitionsToTxnRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<AddPartitionsToTxnResponse> {
        // From 4 on it is what brokers ask each other.
        if version >= 4 {
            let allowed = access.cluster(Operation::ClusterAction);
            return all_or_nothing(self, version, &[(allowed, CLUSTER)]);
        }
        let id = &self.v3_and_below_transactional_id;
        if !access.transactional_id(Operation::Write, id) {
            return Screened::Refused(self.error_response(TRANSACTIONAL_ID, version));
        }
        let may = |name: &str| access.topic(Operation::Write, name);
        if self
            .v3_and_below_topics
            .iter()
            .all(|topic| may(&topic.name))
        {
            return Screened::Passed;
        }
        // One partition that is refused fails them all.
        let mut response = self.error_response(ErrorCode::OperationNotAttempted, version);
        for topic in &mut response.results_by_topic_v3_and_below {
            if !may(&topic.name) {
                for partition in &mut topic.results_by_partition {
                    partition.partition_error_code = ErrorCode::TopicAuthorizationFailed.into();
                }
            }
        }
        Screened::Refused(response)
    }
}

impl Guarded for AddOffsetsToTxnRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<Self::Response> {
        let id = access.transactional_id(Operation::Write, &self.transactional_id);
        let group = access.group(Operation::Read, &self.group_id);
        all_or_nothing(self, version, &[(id, TRANSACTIONAL_ID), (group, GROUP)])
    }
}

impl Guarded for EndTxnRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<Self::Response> {
        let id = access.transactional_id(Operation::Write, &self.transactional_id);
        all_or_nothing(self, version, &[(id, TRANSACTIONAL_ID)])
    }
}

impl Guarded for TxnOffsetCommitRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<TxnOffsetCommitResponse> {
        let id = access.transactional_id(Operation::Write, &self.transactional_id);
        let group = access.group(Operation::Read, &self.group_id);
        match all_or_nothing(self, version, &[(id, TRANSACTIONAL_ID), (group, GROUP)]) {
            Screened::Passed => {
                screen_each!(self, version, topics -> topics, TopicAuthorizationFailed, |topic| {
                    access.topic(Operation::Read, &topic.name)
                })
            }
            refused => refused,
        }
    }
}

impl Guarded for WriteTxnMarkersRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<Self::Response> {
        let allowed = access.cluster(Operation::Alter) || access.cluster(Operation::ClusterAction);
        all_or_nothing(self, version, &[(allowed, CLUSTER)])
    }
}

impl Guarded for DescribeTransactionsRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<DescribeTransactionsResponse> {
        let screened = screen_each!(
            self,
            version,
            transactional_ids -> transaction_states,
            TransactionalIdAuthorizationFailed,
            |id| access.transactional_id(Operation::Describe, id)
        );
        let access = access.clone();
        let hide_topics = move |response: &mut DescribeTransactionsResponse| {
            for state in &mut response.transaction_states {
                state
                    .topics
                    .retain(|topic| access.topic(Operation::Describe, &topic.topic));
            }
        };
        match screened {
            Screened::Passed => Screened::amended(hide_topics),
            Screened::Partly(amend) => Screened::amended(move |response| {
                amend(response);
                hide_topics(response);
            }),
            refused => refused,
        }
    }
}

impl Guarded for ListTransactionsRequest {
    fn screen(&mut self, access: &Access, _version: i16) -> Screened<ListTransactionsResponse> {
        let access = access.clone();
        Screened::amended(move |response: &mut ListTransactionsResponse| {
            response.transaction_states.retain(|state| {
                access.transactional_id(Operation::Describe, &state.transactional_id)
            });
        })
    }
}
