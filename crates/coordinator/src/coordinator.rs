//! The state machine of one partition of `__consumer_offsets`.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::delete_groups::DeleteGroupsRequest;
use headwater_protocol::messages::describe_groups::DescribeGroupsRequest;
use headwater_protocol::messages::heartbeat::HeartbeatRequest;
use headwater_protocol::messages::join_group::JoinGroupRequest;
use headwater_protocol::messages::leave_group::LeaveGroupRequest;
use headwater_protocol::messages::list_groups::ListGroupsRequest;
use headwater_protocol::messages::offset_commit::OffsetCommitRequest;
use headwater_protocol::messages::offset_fetch::OffsetFetchRequest;
use headwater_protocol::messages::sync_group::SyncGroupRequest;

use crate::config::GroupConfig;
use crate::effect::{AppendFailure, Call, Client, CoordinatorRecord, Effect, Response};
use crate::record::RecordError;

/// The groups and committed offsets of one partition of `__consumer_offsets`.
#[derive(Debug)]
pub struct GroupCoordinator {
    config: GroupConfig,
}

impl GroupCoordinator {
    /// An empty coordinator that is still loading.
    pub fn new(config: GroupConfig) -> Self {
        Self { config }
    }

    /// Applies one record of the partition: the only thing that changes durable state.
    /// Records of kinds that are not built yet are skipped.
    pub fn replay(&mut self, record: &CoordinatorRecord) -> Result<(), RecordError> {
        let _ = (record, &self.config);
        Ok(())
    }

    /// All records of the partition have been replayed: sessions start, requests are served.
    pub fn loaded(&mut self, now_ms: i64) -> Vec<Effect> {
        let _ = now_ms;
        Vec::new()
    }

    /// Answers whatever waits with `NotCoordinator`. The coordinator is of no use afterwards.
    pub fn unload(&mut self) -> Vec<Effect> {
        Vec::new()
    }

    /// When [`Self::fire_timer`] is to be called next, if ever.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        None
    }

    /// Fires the earliest timer that is due by now, if one is.
    pub fn fire_timer(&mut self, now_ms: i64) -> Vec<Effect> {
        let _ = now_ms;
        Vec::new()
    }

    /// The log refused the records of the last [`Effect::Append`], and nothing was replayed.
    /// `rest`: the effects of the same call that came after it. Groups whose change was in the records go
    /// back to their durable state.
    pub fn append_failed(
        &mut self,
        now_ms: i64,
        failure: AppendFailure,
        rest: Vec<Effect>,
    ) -> Vec<Effect> {
        let _ = (now_ms, failure);
        rest
    }

    /// The topics are gone: their committed offsets go too.
    pub fn topics_deleted(&mut self, now_ms: i64, topics: &[&str]) -> Vec<Effect> {
        let _ = (now_ms, topics);
        Vec::new()
    }

    pub fn join_group(
        &mut self,
        call: Call,
        client: Client<'_>,
        request: &JoinGroupRequest,
    ) -> Vec<Effect> {
        let _ = (call, client, request);
        Vec::new()
    }

    pub fn sync_group(&mut self, call: Call, request: &SyncGroupRequest) -> Vec<Effect> {
        let _ = (call, request);
        Vec::new()
    }

    pub fn heartbeat(&mut self, call: Call, request: &HeartbeatRequest) -> Vec<Effect> {
        let _ = (call, request);
        Vec::new()
    }

    pub fn leave_group(&mut self, call: Call, request: &LeaveGroupRequest) -> Vec<Effect> {
        let _ = (call, request);
        Vec::new()
    }

    /// Topic names must be filled in at every version.
    pub fn offset_commit(&mut self, call: Call, request: &OffsetCommitRequest) -> Vec<Effect> {
        let _ = (call, request);
        Vec::new()
    }

    /// Topic names must be filled in at every version.
    pub fn offset_fetch(&mut self, call: Call, request: &OffsetFetchRequest) -> Vec<Effect> {
        let _ = (call, request);
        Vec::new()
    }

    pub fn describe_groups(&mut self, call: Call, request: &DescribeGroupsRequest) -> Vec<Effect> {
        let _ = (call, request);
        Vec::new()
    }

    /// The groups of this partition; `DeleteGroups` of several partitions are put together by the broker.
    pub fn list_groups(&mut self, call: Call, request: &ListGroupsRequest) -> Vec<Effect> {
        let _ = (call, request);
        Vec::new()
    }

    pub fn delete_groups(&mut self, call: Call, request: &DeleteGroupsRequest) -> Vec<Effect> {
        let _ = (call, request);
        Vec::new()
    }
}

impl Response {
    /// The same answer, refusing what was asked for.
    pub fn into_error(self, code: ErrorCode) -> Self {
        let _ = code;
        self
    }
}
