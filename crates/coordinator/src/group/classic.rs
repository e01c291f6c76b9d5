//! A classic consumer group: members elect a leader, and the leader assigns.
//!
//! Owns one group: its durable record, which only [`durable`] replaces on replay, and its soft
//! state, which the files below change, one per thing that can happen to a group. Never stores
//! offsets.

mod commit;
mod describe;
mod durable;
mod expiry;
mod heartbeat;
mod join;
mod leave;
mod member;
mod migrating;
mod protocols;
mod rebalance;
mod state;
mod static_member;
mod sync;

use std::collections::{BTreeMap, BTreeSet};

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::join_group::JoinGroupResponse;
use headwater_protocol::messages::sync_group::SyncGroupResponse;

use crate::record::GroupMetadata;
use crate::timers::Timer;
use crate::turn::{Check, Turn};

pub(crate) use describe::GROUP_TYPE;
pub(crate) use expiry::UnusedSince;
pub(crate) use join::Joined;
pub(crate) use leave::leave_response;
pub(crate) use member::rebalance_timeout_ms;
pub(crate) use migrating::{AfterDowngrade, MigratingMember};
pub(crate) use state::State;

use member::Member;
use rebalance::InitialDelay;

#[derive(Debug)]
pub(crate) struct ClassicGroup {
    id: String,

    /// Durable: the latest record of the group. Assignments are nowhere else. `None`: the group has
    /// only committed offsets, or is as new as this turn; joining writes a record first of all, so
    /// that a group with members has one.
    durable: Option<GroupMetadata>,

    // Soft from here on: lost with the process, made again from `durable` by `restore`.
    state: State,
    /// Since when it is in the state; unknown for groups restored from an old record.
    state_timestamp_ms: Option<i64>,
    generation_id: i32,
    protocol_type: Option<String>,
    protocol_name: Option<String>,
    leader_id: Option<String>,
    members: BTreeMap<String, Member>,
    /// Member ids by group instance id.
    static_members: BTreeMap<String, String>,
    /// Ids given out that have not come back with a join (KIP-394).
    pending_members: BTreeSet<String>,
    /// Members of this generation that have not synced.
    pending_sync: BTreeSet<String>,
    /// The first rebalance of an empty group, while it gathers members.
    initial_delay: Option<InitialDelay>,
    /// What the members subscribe to, when that can be told.
    subscribed_topics: Option<BTreeSet<String>>,
}

impl ClassicGroup {
    /// A group that nobody has joined.
    pub(crate) fn new(id: &str, now_ms: i64) -> Self {
        Self {
            id: id.to_owned(),
            durable: None,
            state: State::Empty,
            state_timestamp_ms: Some(now_ms),
            generation_id: 0,
            protocol_type: None,
            protocol_name: None,
            leader_id: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_members: BTreeSet::new(),
            pending_sync: BTreeSet::new(),
            initial_delay: None,
            subscribed_topics: None,
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// Neither in the log nor in anybody's mind.
    pub(crate) fn is_vacant(&self) -> bool {
        self.durable.is_none() && self.members.is_empty() && self.pending_members.is_empty()
    }

    fn transition(&mut self, state: State, now_ms: i64) {
        self.state = state;
        self.state_timestamp_ms = Some(now_ms);
    }

    fn is_leader(&self, member_id: &str) -> bool {
        self.leader_id.as_deref() == Some(member_id)
    }

    fn add_member(&mut self, member: Member, protocol_type: &str) {
        if self.protocol_type.is_none() || self.members.is_empty() {
            self.protocol_type = Some(protocol_type.to_owned());
        }
        self.leader_id.get_or_insert_with(|| member.id.clone());
        self.pending_members.remove(&member.id);
        if let Some(instance) = &member.group_instance_id {
            self.static_members
                .insert(instance.clone(), member.id.clone());
        }
        self.members.insert(member.id.clone(), member);
    }

    /// Forgets a member, pending or not; whatever it waits for is answered with the error.
    fn remove_member(&mut self, turn: &mut Turn<'_>, member_id: &str, code: ErrorCode) {
        if let Some(mut member) = self.members.remove(member_id) {
            answer_join_with_error(turn, &mut member, "", code);
            answer_sync_with_error(turn, &mut member, code);
            if let Some(instance) = &member.group_instance_id {
                self.static_members.remove(instance);
            }
        }
        if self.is_leader(member_id) {
            self.leader_id = self.members.keys().next().cloned();
        }
        self.pending_members.remove(member_id);
        self.pending_sync.remove(member_id);
        turn.timers.cancel(self.session_timer(member_id));
    }

    /// That the member exists, and that nobody else has taken its instance id over.
    fn check_member(&self, member_id: &str, group_instance_id: Option<&str>) -> Check {
        if let Some(instance) = group_instance_id {
            match self.static_members.get(instance) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(owner) if owner != member_id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) {
            Ok(())
        } else {
            Err(ErrorCode::UnknownMemberId)
        }
    }

    fn check_generation(&self, generation_id: i32) -> Check {
        if generation_id == self.generation_id {
            Ok(())
        } else {
            Err(ErrorCode::IllegalGeneration)
        }
    }

    /// As long as the slowest member may take.
    fn rebalance_timeout_ms(&self) -> i32 {
        self.members
            .values()
            .map(|member| member.rebalance_timeout_ms)
            .max()
            .unwrap_or(0)
    }

    /// Memory that members take, those included that only have an id.
    fn weight(&self) -> usize {
        let members: usize = self.members.values().map(Member::weight).sum();
        let pending = self.pending_members.iter();
        members + pending.map(|id| member::pending_weight(id)).sum::<usize>()
    }

    fn session_timer(&self, member_id: &str) -> Timer {
        Timer::Session {
            group_id: self.id.clone(),
            member_id: member_id.to_owned(),
        }
    }

    fn join_timer(&self) -> Timer {
        Timer::Join {
            group_id: self.id.clone(),
        }
    }

    fn sync_timer(&self) -> Timer {
        Timer::Sync {
            group_id: self.id.clone(),
        }
    }
}

/// Answers a parked join, if there is one. `member_id`: by which name, empty for none.
fn answer_join_with_error(
    turn: &mut Turn<'_>,
    member: &mut Member,
    member_id: &str,
    code: ErrorCode,
) {
    if let Some(token) = member.awaiting_join.take() {
        turn.reply(token, join_error(member_id, code));
    }
}

/// Answers a parked sync, if there is one.
fn answer_sync_with_error(turn: &mut Turn<'_>, member: &mut Member, code: ErrorCode) {
    if let Some(token) = member.awaiting_sync.take() {
        turn.reply(token, sync_error(code));
    }
}

pub(crate) fn join_error(member_id: &str, code: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse {
        error_code: code.into(),
        member_id: member_id.to_owned(),
        ..JoinGroupResponse::default()
    }
}

pub(crate) fn sync_error(code: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse {
        error_code: code.into(),
        ..SyncGroupResponse::default()
    }
}
