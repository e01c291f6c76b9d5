//! The rebalance: asking everyone to join, and the next generation once they have.
//!
//! Owns the moves between states that a rebalance makes. A rebalance begins for whatever reason
//! with [`ClassicGroup::prepare_rebalance`] and ends its join phase in
//! [`ClassicGroup::complete_join`]; sync takes over.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::join_group::{JoinGroupResponse, JoinGroupResponseMember};

use super::{ClassicGroup, Member, State, answer_sync_with_error};
use crate::turn::Turn;

/// How long a rebalance that cannot complete waits at least before it looks again: clients may ask
/// for a rebalance timeout of 0.
const MINIMUM_WAIT_MS: i32 = 1_000;

/// How an empty group waits for more members before its first generation
/// (`group.initial.rebalance.delay.ms`): again and again while members keep coming, at most the
/// rebalance timeout in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InitialDelay {
    /// The stretch under way.
    pub(super) current_ms: i32,
    /// What may follow it.
    pub(super) remaining_ms: i32,
    pub(super) member_added: bool,
}

impl ClassicGroup {
    /// Membership or a subscription has changed.
    pub(super) fn rebalance_or_complete_join(&mut self, turn: &mut Turn<'_>) {
        if self.state == State::PreparingRebalance {
            self.complete_join_if_all_joined(turn);
        } else {
            self.prepare_rebalance(turn);
        }
    }

    pub(super) fn prepare_rebalance(&mut self, turn: &mut Turn<'_>) {
        for member in self.members.values_mut() {
            if member.awaiting_sync.is_some() {
                answer_sync_with_error(turn, member, ErrorCode::RebalanceInProgress);
                let session_ms = turn.after_ms(member.session_timeout_ms);
                let timer = crate::timers::Timer::Session {
                    group_id: self.id.clone(),
                    member_id: member.id.clone(),
                };
                turn.timers.schedule(timer, session_ms);
            }
        }
        turn.timers.cancel(self.sync_timer());
        let was_empty = self.state == State::Empty;
        self.transition(State::PreparingRebalance, turn.now_ms);
        if was_empty {
            let current_ms = turn.config.initial_rebalance_delay_ms;
            self.initial_delay = Some(InitialDelay {
                current_ms,
                remaining_ms: self
                    .rebalance_timeout_ms()
                    .saturating_sub(current_ms)
                    .max(0),
                member_added: false,
            });
            turn.timers
                .schedule(self.join_timer(), turn.after_ms(current_ms));
        } else {
            self.complete_join_or_wait(turn);
        }
    }

    fn complete_join_or_wait(&mut self, turn: &mut Turn<'_>) {
        if self.all_joined() {
            self.complete_join(turn);
        } else {
            let deadline_ms = turn.after_ms(self.rebalance_timeout_ms());
            turn.timers.schedule(self.join_timer(), deadline_ms);
        }
    }

    /// Not while the initial delay runs: it is there to wait for those nobody knows yet.
    pub(super) fn complete_join_if_all_joined(&mut self, turn: &mut Turn<'_>) {
        if self.state == State::PreparingRebalance
            && self.initial_delay.is_none()
            && self.all_joined()
        {
            self.complete_join(turn);
        }
    }

    /// Everyone known has joined, and nobody who was given an id is still to come.
    pub(super) fn all_joined(&self) -> bool {
        self.pending_members.is_empty()
            && self
                .members
                .values()
                .all(|member| member.awaiting_join.is_some())
    }

    /// The initial delay or the time to rejoin is over.
    pub(crate) fn on_join_timer(&mut self, turn: &mut Turn<'_>) {
        if self.state != State::PreparingRebalance {
            return;
        }
        match &mut self.initial_delay {
            Some(delay) if delay.member_added && delay.remaining_ms > 0 => {
                let next_ms = turn
                    .config
                    .initial_rebalance_delay_ms
                    .min(delay.remaining_ms);
                *delay = InitialDelay {
                    current_ms: next_ms,
                    remaining_ms: (delay.remaining_ms - delay.current_ms).max(0),
                    member_added: false,
                };
                turn.timers
                    .schedule(self.join_timer(), turn.after_ms(next_ms));
            }
            _ => self.complete_join(turn),
        }
    }

    /// Ends the join phase with whoever joined. Static members that did not stay until their
    /// session ends.
    pub(super) fn complete_join(&mut self, turn: &mut Turn<'_>) {
        turn.timers.cancel(self.join_timer());
        let absent: Vec<String> = self
            .members
            .values()
            .filter(|member| member.awaiting_join.is_none() && !member.is_static())
            .map(|member| member.id.clone())
            .collect();
        for member_id in absent {
            self.remove_member(turn, &member_id, ErrorCode::UnknownMemberId);
        }
        if !self.members.is_empty() && !self.elect_joined_leader() {
            // Only static members that did not join are left: wait for them, or for their sessions
            // to end.
            let wait_ms = self.rebalance_timeout_ms().max(MINIMUM_WAIT_MS);
            let deadline_ms = turn.after_ms(wait_ms);
            turn.timers.schedule(self.join_timer(), deadline_ms);
            return;
        }
        self.initial_delay = None;
        self.pending_sync.clear();
        self.generation_id = self.generation_id.wrapping_add(1).max(0);
        self.protocol_name = self.selected_protocol();
        self.update_subscribed_topics();
        if self.members.is_empty() {
            self.transition(State::Empty, turn.now_ms);
            self.write(turn, |_| bytes::Bytes::new());
        } else {
            self.transition(State::CompletingRebalance, turn.now_ms);
            self.start_generation(turn);
        }
    }

    /// Tells everyone who joined what they joined; the time to sync begins.
    fn start_generation(&mut self, turn: &mut Turn<'_>) {
        let member_ids: Vec<String> = self.members.keys().cloned().collect();
        for member_id in member_ids {
            let response = self.join_response(&member_id);
            let Some(member) = self.members.get_mut(&member_id) else {
                continue;
            };
            member.is_new = false;
            if let Some(token) = member.awaiting_join.take() {
                turn.reply(token, response);
            }
            self.reset_session(turn, &member_id);
            self.pending_sync.insert(member_id);
        }
        let deadline_ms = turn.after_ms(self.rebalance_timeout_ms());
        turn.timers.schedule(self.sync_timer(), deadline_ms);
    }

    /// The present generation, as the member is told of it: the leader gets the others' metadata.
    pub(super) fn join_response(&self, member_id: &str) -> JoinGroupResponse {
        JoinGroupResponse {
            generation_id: self.generation_id,
            protocol_type: self.protocol_type.clone(),
            protocol_name: Some(self.protocol_name.clone().unwrap_or_default()),
            leader: self.leader_id.clone().unwrap_or_default(),
            member_id: member_id.to_owned(),
            members: if self.is_leader(member_id) {
                self.members_for_leader()
            } else {
                Vec::new()
            },
            ..JoinGroupResponse::default()
        }
    }

    fn members_for_leader(&self) -> Vec<JoinGroupResponseMember> {
        let protocol = self.protocol_name.as_deref();
        let describe = |member: &Member| JoinGroupResponseMember {
            member_id: member.id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            metadata: member.metadata(protocol),
        };
        self.members.values().map(describe).collect()
    }

    /// Keeps the leader if it joined, takes another that did if not. Whether there is one.
    fn elect_joined_leader(&mut self) -> bool {
        let joined = |member: &&Member| member.awaiting_join.is_some();
        let leader = self.leader_id.as_ref().and_then(|id| self.members.get(id));
        if leader.as_ref().is_some_and(joined) {
            return true;
        }
        let successor = self
            .members
            .values()
            .find(joined)
            .map(|member| member.id.clone());
        let found = successor.is_some();
        self.leader_id = successor.or(self.leader_id.take());
        found
    }
}
