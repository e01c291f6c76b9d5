//! The times of members: sessions, revocations, and the joins and syncs of classic members.
//!
//! Timers are soft, and are set before the records of their turn are replayed: whatever fires looks
//! at the group as it is then.

use std::collections::BTreeSet;

use super::ConsumerGroup;
use super::member::{ConsumerMember, CurrentAssignment, LEFT_FOR_A_WHILE, MemberState};
use crate::group::Groups;
use crate::timers::Timer;
use crate::turn::Turn;

/// Settings of a group where it has its own, of the broker where not.
pub(super) mod effective {
    use crate::image::{HEARTBEAT_INTERVAL, SESSION_TIMEOUT};
    use crate::turn::Turn;

    pub(in super::super) fn session_timeout_ms(turn: &Turn<'_>, group_id: &str) -> i32 {
        let config = turn.config;
        group_config(turn, group_id, SESSION_TIMEOUT)
            .unwrap_or(config.consumer_session_timeout_ms)
            .max(config.consumer_min_session_timeout_ms)
            .min(config.consumer_max_session_timeout_ms)
    }

    pub(in super::super) fn heartbeat_interval_ms(turn: &Turn<'_>, group_id: &str) -> i32 {
        let config = turn.config;
        group_config(turn, group_id, HEARTBEAT_INTERVAL)
            .unwrap_or(config.consumer_heartbeat_interval_ms)
            .max(config.consumer_min_heartbeat_interval_ms)
            .min(config.consumer_max_heartbeat_interval_ms)
    }

    fn group_config(turn: &Turn<'_>, group_id: &str, name: &str) -> Option<i32> {
        turn.image.group_config(group_id, name)?.trim().parse().ok()
    }
}

fn timer(make: impl Fn(String, String) -> Timer, group_id: &str, member_id: &str) -> Timer {
    make(group_id.to_owned(), member_id.to_owned())
}

fn session(group_id: String, member_id: String) -> Timer {
    Timer::Session {
        group_id,
        member_id,
    }
}

fn revocation(group_id: String, member_id: String) -> Timer {
    Timer::Revocation {
        group_id,
        member_id,
    }
}

fn classic_join(group_id: String, member_id: String) -> Timer {
    Timer::ClassicMemberJoin {
        group_id,
        member_id,
    }
}

fn classic_sync(group_id: String, member_id: String) -> Timer {
    Timer::ClassicMemberSync {
        group_id,
        member_id,
    }
}

impl Turn<'_> {
    pub(super) fn schedule_session(&mut self, group_id: &str, member_id: &str, session_ms: i32) {
        let deadline_ms = self.after_ms(session_ms);
        self.timers
            .schedule(timer(session, group_id, member_id), deadline_ms);
    }

    /// The member has its rebalance timeout to give up what it has to, from each time on that it is
    /// told so.
    pub(super) fn follow_revocation(
        &mut self,
        group_id: &str,
        member_id: &str,
        before: &ConsumerMember,
        after: &CurrentAssignment,
        timeout_ms: i32,
    ) {
        let timer = timer(revocation, group_id, member_id);
        if after.state != MemberState::UnrevokedPartitions {
            self.timers.cancel(timer);
        } else if before.current != *after || before.id != member_id {
            let deadline_ms = self.after_ms(timeout_ms);
            self.timers.schedule(timer, deadline_ms);
        }
    }

    /// The classic member has to join again. A time that runs already goes on.
    pub(super) fn expect_classic_join(&mut self, group_id: &str, member_id: &str, timeout_ms: i32) {
        let timer = timer(classic_join, group_id, member_id);
        if !self.timers.is_scheduled(&timer) {
            let deadline_ms = self.after_ms(timeout_ms);
            self.timers.schedule(timer, deadline_ms);
        }
    }

    pub(super) fn classic_join_came(&mut self, group_id: &str, member_id: &str) {
        self.timers.cancel(timer(classic_join, group_id, member_id));
    }

    pub(super) fn expect_classic_sync(&mut self, group_id: &str, member_id: &str, timeout_ms: i32) {
        let deadline_ms = self.after_ms(timeout_ms);
        self.timers
            .schedule(timer(classic_sync, group_id, member_id), deadline_ms);
    }

    pub(super) fn classic_sync_came(&mut self, group_id: &str, member_id: &str) {
        self.timers.cancel(timer(classic_sync, group_id, member_id));
    }

    /// The member is gone.
    pub(super) fn cancel_timers_of(&mut self, group_id: &str, member_id: &str) {
        for make in [session, revocation, classic_join, classic_sync] {
            self.timers.cancel(timer(make, group_id, member_id));
        }
    }
}

impl ConsumerGroup {
    /// After loading, and when the log refused a turn: sessions and revocations begin now.
    pub(crate) fn restore(&mut self, turn: &mut Turn<'_>) {
        self.checked_version = None;
        self.looked = None;
        let session_ms = effective::session_timeout_ms(turn, &self.id);
        for member in self.members.values() {
            turn.cancel_timers_of(&self.id, &member.id);
            let classic = member.classic().map(|classic| classic.session_timeout_ms);
            turn.schedule_session(&self.id, &member.id, classic.unwrap_or(session_ms));
            if member.current.state == MemberState::UnrevokedPartitions
                && !member.uses_classic_protocol()
            {
                let deadline_ms = turn.after_ms(member.metadata.rebalance_timeout_ms);
                let timer = timer(revocation, &self.id, &member.id);
                turn.timers.schedule(timer, deadline_ms);
            }
        }
    }
}

impl Groups {
    /// Nothing was heard of the member, or it did not join or sync in time: it is taken for gone.
    pub(crate) fn on_consumer_member_timer(
        &mut self,
        turn: &mut Turn<'_>,
        group_id: &str,
        member_id: &str,
    ) {
        let group = self.consumer.get(group_id);
        if group.is_some_and(|group| group.member(member_id).is_some()) {
            self.fence_members(turn, group_id, &BTreeSet::from([member_id.to_owned()]));
        }
    }

    /// The member did not give up in time what it had to.
    pub(crate) fn on_revocation_timer(
        &mut self,
        turn: &mut Turn<'_>,
        group_id: &str,
        member_id: &str,
    ) {
        let group = self.consumer.get(group_id);
        let revokes = |member: &ConsumerMember| {
            member.current.state == MemberState::UnrevokedPartitions
                && member.current.epoch != LEFT_FOR_A_WHILE
                && !member.uses_classic_protocol()
        };
        if group
            .and_then(|group| group.member(member_id))
            .is_some_and(revokes)
        {
            self.fence_members(turn, group_id, &BTreeSet::from([member_id.to_owned()]));
        }
    }
}
