//! A broker of a few lines: appends, replays, releases replies, lets time pass.

mod offsets;

use std::collections::BTreeMap;

use bytes::Bytes;
use headwater_coordinator::{
    AppendFailure, Call, Client, CoordinatorRecord, Effect, GroupConfig, GroupCoordinator,
    GroupMetadata, Outcome, ProducerIdAndEpoch, Response, Token,
};
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};
use headwater_protocol::messages::describe_groups::{DescribeGroupsRequest, DescribedGroup};
use headwater_protocol::messages::heartbeat::HeartbeatRequest;
use headwater_protocol::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse,
};
use headwater_protocol::messages::leave_group::{
    LeaveGroupRequest, LeaveGroupResponse, MemberIdentity,
};
use headwater_protocol::messages::list_groups::{ListGroupsRequest, ListedGroup};
use headwater_protocol::messages::sync_group::{
    SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse,
};

pub(crate) use offsets::{commit, commit_by, producer, transactional_commit};

pub(crate) const GROUP: &str = "orders";
pub(crate) const TOPIC: &str = "order_received";
pub(crate) const SESSION_MS: i32 = 10_000;
pub(crate) const REBALANCE_MS: i32 = 60_000;
/// Members that join at the same moment extend the initial delay once.
pub(crate) const INITIAL_DELAY_MS: i64 = 6_000;

/// The coordinator with the log and the clients around it.
pub(crate) struct Bench {
    pub(crate) coordinator: GroupCoordinator,
    pub(crate) now_ms: i64,
    pub(crate) log: Vec<Logged>,
    /// Set: the log refuses.
    pub(crate) failure: Option<AppendFailure>,
    /// Batches of a call that it takes before.
    pub(crate) taken_before_failure: usize,
    /// Records of each append so far, refused ones included.
    pub(crate) batches: Vec<usize>,
    config: GroupConfig,
    tokens: u64,
    asked: Vec<Token>,
    replies: BTreeMap<Token, Response>,
}

/// What the log of the partition holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Logged {
    Record(CoordinatorRecord),
    Transactional(ProducerIdAndEpoch, CoordinatorRecord),
    EndMarker(ProducerIdAndEpoch, Outcome),
}

impl Logged {
    pub(crate) fn replay(&self, coordinator: &mut GroupCoordinator) {
        match self {
            Self::Record(record) => coordinator.replay(record).unwrap(),
            Self::Transactional(producer, record) => {
                coordinator.replay_transactional(*producer, record).unwrap();
            }
            Self::EndMarker(producer, outcome) => {
                coordinator.replay_end_marker(*producer, *outcome);
            }
        }
    }

    /// The record, of whichever kind of batch it is.
    pub(crate) fn record(&self) -> Option<&CoordinatorRecord> {
        match self {
            Self::Record(record) | Self::Transactional(_, record) => Some(record),
            Self::EndMarker(..) => None,
        }
    }
}

/// What a client joins with. Public fields, so that tests say only what differs.
#[derive(Debug, Clone)]
pub(crate) struct Join {
    pub(crate) group: &'static str,
    pub(crate) member_id: String,
    pub(crate) instance: Option<&'static str>,
    pub(crate) protocol_type: &'static str,
    pub(crate) protocols: Vec<(&'static str, Bytes)>,
    pub(crate) session_ms: i32,
    pub(crate) rebalance_ms: i32,
    pub(crate) version: i16,
}

impl Default for Join {
    fn default() -> Self {
        Self {
            group: GROUP,
            member_id: String::new(),
            instance: None,
            protocol_type: "consumer",
            protocols: vec![("range", subscription(&[TOPIC]))],
            session_ms: SESSION_MS,
            rebalance_ms: REBALANCE_MS,
            version: 9,
        }
    }
}

impl Join {
    pub(crate) fn of(member_id: &str) -> Self {
        Self {
            member_id: member_id.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn static_member(instance: &'static str) -> Self {
        Self {
            instance: Some(instance),
            ..Self::default()
        }
    }

    pub(crate) fn with_protocols(self, protocols: &[&'static str]) -> Self {
        let metadata = subscription(&[TOPIC]);
        Self {
            protocols: protocols
                .iter()
                .map(|name| (*name, metadata.clone()))
                .collect(),
            ..self
        }
    }

    pub(crate) fn with_metadata(self, metadata: Bytes) -> Self {
        Self {
            protocols: vec![("range", metadata)],
            ..self
        }
    }

    fn request(&self) -> JoinGroupRequest {
        JoinGroupRequest {
            group_id: self.group.to_owned(),
            session_timeout_ms: self.session_ms,
            rebalance_timeout_ms: self.rebalance_ms,
            member_id: self.member_id.clone(),
            group_instance_id: self.instance.map(str::to_owned),
            protocol_type: self.protocol_type.to_owned(),
            protocols: self
                .protocols
                .iter()
                .map(|(name, metadata)| JoinGroupRequestProtocol {
                    name: (*name).to_owned(),
                    metadata: metadata.clone(),
                })
                .collect(),
            reason: None,
        }
    }
}

/// A consumer's subscription, version 0: the version, the topics, no user data.
pub(crate) fn subscription(topics: &[&str]) -> Bytes {
    let mut bytes = vec![0, 0];
    bytes.extend(i32::try_from(topics.len()).unwrap().to_be_bytes());
    for topic in topics {
        bytes.extend(i16::try_from(topic.len()).unwrap().to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes.extend([0xff; 4]);
    bytes.into()
}

/// An error as messages carry it.
pub(crate) fn code(error: ErrorCode) -> i16 {
    error.into()
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(GroupConfig::default())
    }

    pub(crate) fn with(config: GroupConfig) -> Self {
        let mut bench = Self {
            coordinator: GroupCoordinator::new(config.clone()),
            now_ms: 1_000_000,
            log: Vec::new(),
            failure: None,
            taken_before_failure: 0,
            batches: Vec::new(),
            config,
            tokens: 0,
            asked: Vec::new(),
            replies: BTreeMap::new(),
        };
        bench.load();
        bench
    }

    /// What is in memory is lost; the log is read again. Requests in flight stay unanswered.
    pub(crate) fn restart(&mut self) {
        self.restart_with(|_| {});
    }

    /// The same, and something happens while the log is read.
    pub(crate) fn restart_with(&mut self, happens: impl FnOnce(&mut Self)) {
        self.coordinator = GroupCoordinator::new(self.config.clone());
        self.asked.clear();
        happens(self);
        self.load();
    }

    fn load(&mut self) {
        for logged in &self.log {
            logged.replay(&mut self.coordinator);
        }
        let effects = self.coordinator.loaded(self.now_ms);
        self.carry_out(effects);
    }

    /// Lets time pass, timers firing when they are due.
    pub(crate) fn advance(&mut self, ms: i64) {
        let until_ms = self.now_ms + ms;
        while let Some(deadline_ms) = self.next_deadline_until(until_ms) {
            self.now_ms = self.now_ms.max(deadline_ms);
            let effects = self.coordinator.fire_timer(self.now_ms);
            self.carry_out(effects);
        }
        self.now_ms = until_ms;
    }

    fn next_deadline_until(&self, until_ms: i64) -> Option<i64> {
        self.coordinator
            .next_deadline_ms()
            .filter(|deadline_ms| *deadline_ms <= until_ms)
    }

    /// The contract of the crate's documentation, to the letter.
    pub(crate) fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut effects = effects.into_iter().enumerate();
        let mut others = 0;
        while let Some((index, effect)) = effects.next() {
            others += usize::from(!matches!(effect, Effect::Append { .. }));
            match effect {
                Effect::Append { records, producer } => {
                    assert_eq!(others, 0, "appends are the first effects");
                    let is_tombstone = |record: &CoordinatorRecord| record.value.is_none();
                    assert!(index == 0 || records.iter().all(is_tombstone));
                    assert!(!records.is_empty());
                    self.batches.push(records.len());
                    if let Some(failure) = self.failure
                        && index >= self.taken_before_failure
                    {
                        let rest = effects.map(|(_, effect)| effect).collect();
                        let failed = self.coordinator.append_failed(self.now_ms, failure, rest);
                        let replies_only = failed
                            .iter()
                            .all(|effect| matches!(effect, Effect::Reply { .. }));
                        assert!(replies_only, "a failed append does not append");
                        return self.carry_out(failed);
                    }
                    for record in records {
                        let logged = match producer {
                            Some(producer) => Logged::Transactional(producer, record),
                            None => Logged::Record(record),
                        };
                        logged.replay(&mut self.coordinator);
                        self.log.push(logged);
                    }
                }
                Effect::WriteMarkers(_) => panic!("groups do not end transactions"),
                Effect::Reply { token, response } => {
                    assert!(self.asked.contains(&token), "nobody asked with {token:?}");
                    let earlier = self.replies.insert(token, response);
                    assert_eq!(earlier, None, "{token:?} answered twice");
                }
            }
        }
    }

    pub(crate) fn call(&mut self, version: i16) -> Call {
        self.tokens += 1;
        let token = Token(self.tokens);
        self.asked.push(token);
        Call {
            now_ms: self.now_ms,
            version,
            token,
        }
    }

    pub(crate) fn reply(&self, token: Token) -> Option<&Response> {
        self.replies.get(&token)
    }

    pub(crate) fn unanswered(&self) -> Vec<Token> {
        let open = self
            .asked
            .iter()
            .filter(|token| !self.replies.contains_key(token));
        open.copied().collect()
    }

    // Joins.

    pub(crate) fn join(&mut self, join: &Join) -> Token {
        let call = self.call(join.version);
        let uuid = format!("00000000-0000-4000-8000-{:012}", self.tokens);
        let client = Client {
            client_id: "client",
            client_host: "/127.0.0.1",
            new_member_uuid: &uuid,
        };
        let effects = self.coordinator.join_group(call, client, &join.request());
        self.carry_out(effects);
        call.token
    }

    /// Both steps of a dynamic member's join: its id, and the parked second step.
    pub(crate) fn join_with_new_id(&mut self, join: &Join) -> (String, Token) {
        let first = self.join(join);
        let given = self.joined(first);
        assert_eq!(given.error_code, code(ErrorCode::MemberIdRequired));
        let second = self.join(&Join {
            member_id: given.member_id.clone(),
            ..join.clone()
        });
        (given.member_id, second)
    }

    /// The answer to a join, which there has to be.
    pub(crate) fn joined(&self, token: Token) -> JoinGroupResponse {
        match self.reply(token) {
            Some(Response::JoinGroup(response)) => response.clone(),
            other => panic!("not an answer to a join: {other:?}"),
        }
    }

    /// All answers to joins so far, in the order of the requests.
    pub(crate) fn join_answers(&self) -> impl Iterator<Item = &JoinGroupResponse> {
        self.replies.values().filter_map(|response| match response {
            Response::JoinGroup(answer) => Some(answer),
            _ => None,
        })
    }

    pub(crate) fn join_error(&mut self, join: &Join) -> i16 {
        let token = self.join(join);
        self.joined(token).error_code
    }

    /// Dynamic members that share a stable group at its first generation. The first one leads.
    pub(crate) fn stable_group(&mut self, members: usize) -> Vec<String> {
        self.stable_group_with(&vec![Join::default(); members])
    }

    /// The same, for whatever members.
    pub(crate) fn stable_group_with(&mut self, joins: &[Join]) -> Vec<String> {
        let tokens: Vec<Token> = joins
            .iter()
            .map(|join| match join.instance {
                Some(_) => self.join(join),
                None => self.join_with_new_id(join).1,
            })
            .collect();
        self.advance(INITIAL_DELAY_MS);
        let answers: Vec<JoinGroupResponse> =
            tokens.into_iter().map(|token| self.joined(token)).collect();
        let generation = answers[0].generation_id;
        let member_ids: Vec<String> = answers.into_iter().map(|answer| answer.member_id).collect();
        self.sync_all(generation, &member_ids);
        member_ids
    }

    // Syncs.

    pub(crate) fn sync(
        &mut self,
        generation: i32,
        member_id: &str,
        assignments: &[(&str, &str)],
    ) -> Token {
        let request = sync_request(generation, member_id, assignments);
        self.sync_with(&request)
    }

    pub(crate) fn sync_with(&mut self, request: &SyncGroupRequest) -> Token {
        let call = self.call(5);
        let effects = self.coordinator.sync_group(call, request);
        self.carry_out(effects);
        call.token
    }

    /// The answer to a sync, which there has to be.
    pub(crate) fn synced(&self, token: Token) -> SyncGroupResponse {
        match self.reply(token) {
            Some(Response::SyncGroup(response)) => response.clone(),
            other => panic!("not an answer to a sync: {other:?}"),
        }
    }

    /// Everybody syncs, followers first; each gets "for " and its id.
    pub(crate) fn sync_all(&mut self, generation: i32, member_ids: &[String]) {
        let plans: Vec<(String, String)> = member_ids
            .iter()
            .map(|id| (id.clone(), format!("for {id}")))
            .collect();
        let plan: Vec<(&str, &str)> = plans
            .iter()
            .map(|(id, assignment)| (id.as_str(), assignment.as_str()))
            .collect();
        let tokens: Vec<Token> = member_ids
            .iter()
            .map(|id| self.sync(generation, id, &plan))
            .collect();
        for (token, (_, assignment)) in tokens.into_iter().zip(&plans) {
            assert_eq!(self.synced(token).assignment, assignment.as_bytes());
        }
        assert_eq!(self.describe(GROUP).group_state, "Stable");
    }

    // The rest: answers are immediate.

    fn answer(&mut self, call: Call, effects: Vec<Effect>) -> Response {
        self.carry_out(effects);
        self.reply(call.token)
            .cloned()
            .expect("an immediate answer")
    }

    pub(crate) fn heartbeat(&mut self, generation: i32, member_id: &str) -> i16 {
        self.heartbeat_as(generation, member_id, None)
    }

    pub(crate) fn heartbeat_as(
        &mut self,
        generation: i32,
        member_id: &str,
        instance: Option<&str>,
    ) -> i16 {
        self.heartbeat_in(GROUP, generation, member_id, instance)
    }

    pub(crate) fn heartbeat_in(
        &mut self,
        group: &str,
        generation: i32,
        member_id: &str,
        instance: Option<&str>,
    ) -> i16 {
        let request = HeartbeatRequest {
            group_id: group.to_owned(),
            generation_id: generation,
            member_id: member_id.to_owned(),
            group_instance_id: instance.map(str::to_owned),
        };
        let call = self.call(4);
        let effects = self.coordinator.heartbeat(call, &request);
        match self.answer(call, effects) {
            Response::Heartbeat(response) => response.error_code,
            other => panic!("not a heartbeat: {other:?}"),
        }
    }

    /// Pass time while these members heartbeat often enough.
    pub(crate) fn advance_with_heartbeats(&mut self, ms: i64, generation: i32, alive: &[&str]) {
        let step_ms = i64::from(SESSION_MS) / 2;
        for _ in 0..ms / step_ms {
            self.advance(step_ms);
            for member_id in alive {
                self.heartbeat(generation, member_id);
            }
        }
    }

    /// Members by id and group instance id.
    pub(crate) fn leave(&mut self, members: &[(&str, Option<&str>)]) -> LeaveGroupResponse {
        let request = LeaveGroupRequest {
            group_id: GROUP.to_owned(),
            members: members
                .iter()
                .map(|(member_id, instance)| MemberIdentity {
                    member_id: (*member_id).to_owned(),
                    group_instance_id: instance.map(str::to_owned),
                    reason: None,
                })
                .collect(),
            ..LeaveGroupRequest::default()
        };
        self.leave_with(5, &request)
    }

    pub(crate) fn leave_with(
        &mut self,
        version: i16,
        request: &LeaveGroupRequest,
    ) -> LeaveGroupResponse {
        let call = self.call(version);
        let effects = self.coordinator.leave_group(call, request);
        match self.answer(call, effects) {
            Response::LeaveGroup(response) => response,
            other => panic!("not an answer to a leave: {other:?}"),
        }
    }

    pub(crate) fn describe(&mut self, group: &str) -> DescribedGroup {
        self.describe_at(6, group)
    }

    pub(crate) fn describe_at(&mut self, version: i16, group: &str) -> DescribedGroup {
        let request = DescribeGroupsRequest {
            groups: vec![group.to_owned()],
            ..DescribeGroupsRequest::default()
        };
        let call = self.call(version);
        let effects = self.coordinator.describe_groups(call, &request);
        match self.answer(call, effects) {
            Response::DescribeGroups(mut response) => response.groups.remove(0),
            other => panic!("not a description: {other:?}"),
        }
    }

    pub(crate) fn state(&mut self) -> String {
        self.describe(GROUP).group_state
    }

    pub(crate) fn list(&mut self, states: &[&str], types: &[&str]) -> Vec<ListedGroup> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let request = ListGroupsRequest {
            states_filter: owned(states),
            types_filter: owned(types),
        };
        let call = self.call(5);
        let effects = self.coordinator.list_groups(call, &request);
        match self.answer(call, effects) {
            Response::ListGroups(response) => response.groups,
            other => panic!("not a list: {other:?}"),
        }
    }

    pub(crate) fn delete(&mut self, groups: &[&str]) -> Vec<i16> {
        let request = DeleteGroupsRequest {
            groups_names: groups.iter().map(|group| (*group).to_owned()).collect(),
        };
        let call = self.call(2);
        let effects = self.coordinator.delete_groups(call, &request);
        match self.answer(call, effects) {
            Response::DeleteGroups(DeleteGroupsResponse { results, .. }) => results
                .into_iter()
                .map(|result| result.error_code)
                .collect(),
            other => panic!("not an answer to a deletion: {other:?}"),
        }
    }

    /// The group as the log has it.
    pub(crate) fn durable_group(&self) -> GroupMetadata {
        self.coordinator.durable_state().groups[GROUP].clone()
    }
}

pub(crate) fn sync_request(
    generation: i32,
    member_id: &str,
    assignments: &[(&str, &str)],
) -> SyncGroupRequest {
    SyncGroupRequest {
        group_id: GROUP.to_owned(),
        generation_id: generation,
        member_id: member_id.to_owned(),
        assignments: assignments
            .iter()
            .map(|(member_id, assignment)| SyncGroupRequestAssignment {
                member_id: (*member_id).to_owned(),
                assignment: Bytes::copy_from_slice(assignment.as_bytes()),
            })
            .collect(),
        ..SyncGroupRequest::default()
    }
}
