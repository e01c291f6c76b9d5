//! The state machine of one partition of `__consumer_offsets`.
//!
//! Owns the order of things: loading before requests, one turn per call, replay before the next.
//! The contract is in the crate's documentation; what groups do is [`crate::group`]'s.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_protocol::messages::consumer_group_describe::ConsumerGroupDescribeRequest;
use headwater_protocol::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;
use headwater_protocol::messages::delete_groups::DeleteGroupsRequest;
use headwater_protocol::messages::describe_groups::DescribeGroupsRequest;
use headwater_protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use headwater_protocol::messages::join_group::JoinGroupRequest;
use headwater_protocol::messages::leave_group::LeaveGroupRequest;
use headwater_protocol::messages::list_groups::ListGroupsRequest;
use headwater_protocol::messages::offset_commit::OffsetCommitRequest;
use headwater_protocol::messages::offset_delete::OffsetDeleteRequest;
use headwater_protocol::messages::offset_fetch::OffsetFetchRequest;
use headwater_protocol::messages::sync_group::SyncGroupRequest;
use headwater_protocol::messages::txn_offset_commit::TxnOffsetCommitRequest;
use headwater_protocol::{ErrorCode, Request, Uuid};

use crate::config::GroupConfig;
use crate::effect::{
    AppendFailure, Call, Client, CoordinatorRecord, DeletedTopic, Effect, Outcome,
    ProducerIdAndEpoch,
};
use crate::group::Groups;
use crate::image::{ClusterImage, NoCluster};
use crate::record::{
    ConsumerGroupRecord, GroupMetadata, GroupRecord, OffsetCommitKey, OffsetCommitValue,
    RecordError,
};
use crate::response::Response;
use crate::timers::{Timer, Timers};
use crate::turn::Turn;

/// Whether the partition has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Loading,
    Serving,
    Unloaded,
}

/// The groups and committed offsets of one partition of `__consumer_offsets`.
#[derive(Debug)]
pub struct GroupCoordinator {
    config: GroupConfig,
    phase: Phase,
    groups: Groups,
    timers: Timers,
    image: Arc<dyn ClusterImage>,
    /// The time of the latest call.
    now_ms: i64,
    /// Groups whose state was among the records of the latest append, until these are replayed.
    written_groups: Vec<String>,
}

/// What the log has told the coordinator: for comparisons, and for those who look after a store.
#[derive(Debug, Clone, PartialEq)]
pub struct DurableState {
    pub groups: BTreeMap<String, GroupMetadata>,
    /// Records that would make each consumer group anew.
    pub consumer_groups: BTreeMap<String, Vec<ConsumerGroupRecord>>,
    pub offsets: BTreeMap<OffsetCommitKey, OffsetCommitValue>,
    /// By producer id.
    pub pending_offsets: BTreeMap<i64, BTreeMap<OffsetCommitKey, OffsetCommitValue>>,
}

impl GroupCoordinator {
    /// An empty coordinator that is still loading.
    pub fn new(config: GroupConfig) -> Self {
        Self {
            config,
            phase: Phase::Loading,
            groups: Groups::default(),
            timers: Timers::default(),
            image: Arc::new(NoCluster),
            now_ms: 0,
            written_groups: Vec::new(),
        }
    }

    /// The topics and configs of groups as of now. Consumer groups notice what has changed with
    /// their members' next heartbeats.
    pub fn set_image(&mut self, image: Arc<dyn ClusterImage>) {
        self.image = image;
    }

    /// Applies one record of the partition: the only thing that changes durable state.
    /// Records of kinds that are not built yet are skipped.
    pub fn replay(&mut self, record: &CoordinatorRecord) -> Result<(), RecordError> {
        let record = GroupRecord::decode(record)?;
        self.groups.replay(record, self.now_ms);
        self.written_groups.clear();
        Ok(())
    }

    /// Applies one record of a batch that is part of a transaction: an offset that nobody sees until
    /// the transaction commits.
    pub fn replay_transactional(
        &mut self,
        producer: ProducerIdAndEpoch,
        record: &CoordinatorRecord,
    ) -> Result<(), RecordError> {
        let record = GroupRecord::decode(record)?;
        self.groups
            .replay_transactional(producer.producer_id, record, self.now_ms);
        self.written_groups.clear();
        Ok(())
    }

    /// The producer's transaction has ended in this partition, by a marker in the log.
    pub fn replay_end_marker(&mut self, producer: ProducerIdAndEpoch, outcome: Outcome) {
        self.groups
            .replay_end_marker(producer.producer_id, outcome, self.now_ms);
    }

    /// All records of the partition have been replayed: sessions start, requests are served.
    pub fn loaded(&mut self, now_ms: i64) -> Vec<Effect> {
        self.phase = Phase::Serving;
        self.turn(now_ms, |groups, turn| {
            groups.restore_all(turn);
            let interval_ms = turn.config.offsets_retention_check_interval_ms.max(1);
            let deadline_ms = turn.now_ms.saturating_add(interval_ms);
            turn.timers.schedule(Timer::ExpireOffsets, deadline_ms);
        })
    }

    /// Answers whatever waits with `NotCoordinator`, and every later request likewise.
    pub fn unload(&mut self) -> Vec<Effect> {
        self.phase = Phase::Unloaded;
        let effects = self.turn(self.now_ms, |groups, turn| {
            groups.abandon_all(turn, ErrorCode::NotCoordinator);
        });
        self.groups = Groups::default();
        self.timers = Timers::default();
        effects
    }

    /// When [`Self::fire_timer`] is to be called next, if ever.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        match self.phase {
            Phase::Serving => self.timers.next_deadline_ms(),
            // Nothing is decided before all has been read.
            Phase::Loading | Phase::Unloaded => None,
        }
    }

    /// Fires the earliest timer that is due by now, if one is.
    pub fn fire_timer(&mut self, now_ms: i64) -> Vec<Effect> {
        if self.phase != Phase::Serving {
            return Vec::new();
        }
        match self.timers.pop_due(now_ms) {
            Some(timer) => self.turn(now_ms, |groups, turn| groups.on_timer(turn, timer)),
            None => Vec::new(),
        }
    }

    /// The log refused the records of the latest [`Effect::Append`], and none of them was replayed.
    /// `rest`: the effects of the same call that came after it; more tombstones are dropped.
    ///
    /// Groups whose change was in the records go back to their durable state: whoever waits in
    /// them is answered with an error, and members the log does not know have to join again.
    pub fn append_failed(
        &mut self,
        now_ms: i64,
        failure: AppendFailure,
        rest: Vec<Effect>,
    ) -> Vec<Effect> {
        let code = match failure {
            AppendFailure::Storage => ErrorCode::NotCoordinator,
            AppendFailure::TooLarge => ErrorCode::UnknownServerError,
            AppendFailure::Producer(code) => code,
        };
        let rest = rest.into_iter();
        let refused = rest.filter_map(|effect| refuse(effect, failure, code));
        let mut effects: Vec<Effect> = refused.collect();
        let written = std::mem::take(&mut self.written_groups);
        effects.extend(self.turn(now_ms, |groups, turn| {
            for group_id in &written {
                groups.revert(turn, group_id, code);
            }
        }));
        effects
    }

    /// The topics are gone: what was committed for them goes too, or when it has been read.
    pub fn topics_deleted(&mut self, now_ms: i64, topics: &[DeletedTopic]) -> Vec<Effect> {
        match self.phase {
            Phase::Serving => self.turn(now_ms, |groups, turn| {
                for topic in topics {
                    groups.delete_topic_offsets(turn, topic);
                }
            }),
            Phase::Loading => {
                for topic in topics.iter().cloned() {
                    self.timers.schedule(Timer::TopicDeleted { topic }, now_ms);
                }
                Vec::new()
            }
            Phase::Unloaded => Vec::new(),
        }
    }

    /// Answered at once, or when the rebalance that it is part of has gathered the members.
    pub fn join_group(
        &mut self,
        call: Call,
        client: Client<'_>,
        request: &JoinGroupRequest,
    ) -> Vec<Effect> {
        self.request(call, request, |groups, turn| {
            groups.join(turn, call, client, request);
        })
    }

    /// Answered at once, or when the leader has synced.
    pub fn sync_group(&mut self, call: Call, request: &SyncGroupRequest) -> Vec<Effect> {
        self.request(call, request, |groups, turn| {
            groups.sync(turn, call, request);
        })
    }

    /// While loading, members are believed.
    pub fn heartbeat(&mut self, call: Call, request: &HeartbeatRequest) -> Vec<Effect> {
        if self.phase == Phase::Loading {
            return vec![Effect::Reply {
                token: call.token,
                response: HeartbeatResponse::default().into(),
            }];
        }
        self.request(call, request, |groups, turn| {
            groups.heartbeat(turn, call, request);
        })
    }

    pub fn leave_group(&mut self, call: Call, request: &LeaveGroupRequest) -> Vec<Effect> {
        self.request(call, request, |groups, turn| {
            groups.leave(turn, call, request);
        })
    }

    /// Topics are known by name at every version; their ids are stored when they are given.
    pub fn offset_commit(&mut self, call: Call, request: &OffsetCommitRequest) -> Vec<Effect> {
        self.request(call, request, |groups, turn| {
            groups.commit_offsets(turn, call, request);
        })
    }

    /// Topics are known by name at every version; with an id, only what was committed to that topic
    /// is found. All topics of a group (`None`) are answered with the id that was committed with,
    /// zero where none was: a name may come more than once.
    pub fn offset_fetch(&mut self, call: Call, request: &OffsetFetchRequest) -> Vec<Effect> {
        self.request(call, request, |groups, turn| {
            groups.fetch_offsets(turn, call, request);
        })
    }

    /// The offsets are seen when the producer's transaction commits. That it has one open, of which
    /// this partition is part, is the caller's to know. `topic_ids`: of the topics named, which the
    /// request itself cannot carry.
    pub fn txn_offset_commit(
        &mut self,
        call: Call,
        topic_ids: &BTreeMap<String, Uuid>,
        request: &TxnOffsetCommitRequest,
    ) -> Vec<Effect> {
        self.request(call, request, |groups, turn| {
            groups.commit_transactional_offsets(turn, call, topic_ids, request);
        })
    }

    /// Topics and partitions that do not exist are the caller's to refuse.
    pub fn offset_delete(&mut self, call: Call, request: &OffsetDeleteRequest) -> Vec<Effect> {
        self.request(call, request, |groups, turn| {
            groups.delete_offsets(turn, call, request);
        })
    }

    /// Of members that speak the consumer protocol (KIP-848). `may_describe`: whether whoever asks
    /// may know of a topic, which is not matched by a regular expression if not.
    pub fn consumer_group_heartbeat(
        &mut self,
        call: Call,
        client: Client<'_>,
        request: &ConsumerGroupHeartbeatRequest,
        may_describe: &dyn Fn(&str) -> bool,
    ) -> Vec<Effect> {
        self.request(call, request, |groups, turn| {
            groups.consumer_group_heartbeat(turn, call, client, request, may_describe);
        })
    }

    pub fn consumer_group_describe(
        &mut self,
        call: Call,
        request: &ConsumerGroupDescribeRequest,
    ) -> Vec<Effect> {
        self.request(call, request, |groups, turn| {
            groups.describe_consumer_groups(turn, call, request);
        })
    }

    pub fn describe_groups(&mut self, call: Call, request: &DescribeGroupsRequest) -> Vec<Effect> {
        self.request(call, request, |groups, turn| {
            groups.describe(turn, call, request);
        })
    }

    /// The groups of this partition.
    pub fn list_groups(&mut self, call: Call, request: &ListGroupsRequest) -> Vec<Effect> {
        self.request(call, request, |groups, turn| {
            groups.list(turn, call, request);
        })
    }

    pub fn delete_groups(&mut self, call: Call, request: &DeleteGroupsRequest) -> Vec<Effect> {
        self.request(call, request, |groups, turn| {
            groups.delete(turn, call, request);
        })
    }

    /// A copy of all that the log has told.
    pub fn durable_state(&self) -> DurableState {
        DurableState {
            groups: self.groups.durable_groups(),
            consumer_groups: self.groups.durable_consumer_groups(),
            offsets: self.groups.committed_offsets().all(),
            pending_offsets: self.groups.pending_offsets().all(),
        }
    }

    /// A turn for a request, unless this is not the time for any.
    fn request<R: Request>(
        &mut self,
        call: Call,
        request: &R,
        act: impl FnOnce(&mut Groups, &mut Turn<'_>),
    ) -> Vec<Effect>
    where
        Response: From<R::Response>,
    {
        let code = match self.phase {
            Phase::Serving => return self.turn(call.now_ms, act),
            Phase::Loading => ErrorCode::CoordinatorLoadInProgress,
            Phase::Unloaded => ErrorCode::NotCoordinator,
        };
        vec![Effect::Reply {
            token: call.token,
            response: request.error_response(code, call.version).into(),
        }]
    }

    fn turn(&mut self, now_ms: i64, act: impl FnOnce(&mut Groups, &mut Turn<'_>)) -> Vec<Effect> {
        self.now_ms = now_ms;
        let image = Arc::clone(&self.image);
        let mut turn = Turn::new(now_ms, &self.config, &mut self.timers, image);
        act(&mut self.groups, &mut turn);
        let (effects, written_groups) = turn.finish();
        self.written_groups = written_groups;
        effects
    }
}

/// What becomes of an effect when the append before it was refused.
fn refuse(effect: Effect, failure: AppendFailure, code: ErrorCode) -> Option<Effect> {
    let Effect::Reply { token, response } = effect else {
        return None;
    };
    let code = match (&response, failure) {
        (Response::OffsetCommit(_), AppendFailure::TooLarge) => ErrorCode::InvalidCommitOffsetSize,
        _ => code,
    };
    Some(Effect::Reply {
        token,
        response: response.into_error(code),
    })
}
