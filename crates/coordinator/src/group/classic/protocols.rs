//! Which protocol a group speaks, and what its members subscribe to by it.
//!
//! Owns the vote. Metadata is opaque but for the `consumer` type, whose topics decide which offsets
//! are still in use.

use std::collections::{BTreeMap, BTreeSet};

use headwater_protocol::messages::join_group::JoinGroupRequest;

use super::{ClassicGroup, State};
use crate::group::embedded::{self, CONSUMER};

impl ClassicGroup {
    /// Whether the group can take the member and still agree on a protocol.
    pub(super) fn supports_protocols_of(&self, request: &JoinGroupRequest) -> bool {
        if self.state == State::Empty {
            return !request.protocol_type.is_empty() && !request.protocols.is_empty();
        }
        self.protocol_type.as_ref() == Some(&request.protocol_type)
            && request
                .protocols
                .iter()
                .any(|protocol| self.all_support(&protocol.name))
    }

    fn all_support(&self, protocol: &str) -> bool {
        self.members
            .values()
            .all(|member| member.supports(protocol))
    }

    /// Each member votes for the first of its protocols that all support. At equal votes the
    /// leader's preference decides (Kafka leaves it open).
    pub(super) fn selected_protocol(&self) -> Option<String> {
        let leader = self
            .leader_id
            .as_ref()
            .and_then(|id| self.members.get(id))?;
        let candidates: Vec<&str> = leader
            .protocols
            .iter()
            .map(|protocol| protocol.name.as_str())
            .filter(|protocol| self.all_support(protocol))
            .collect();
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let mut names = member
                .protocols
                .iter()
                .map(|protocol| protocol.name.as_str());
            if let Some(choice) = names.find(|name| candidates.contains(name)) {
                *votes.entry(choice).or_default() += 1;
            }
        }
        let votes_of = |protocol: &str| votes.get(protocol).copied().unwrap_or(0);
        let winner = candidates.into_iter().reduce(|best, next| {
            if votes_of(next) > votes_of(best) {
                next
            } else {
                best
            }
        });
        winner.map(str::to_owned)
    }

    /// Whether committed offsets of the topic are in use by the members, as far as one can tell.
    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }

    pub(crate) fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    pub(super) fn knows_subscribed_topics(&self) -> bool {
        self.subscribed_topics.is_some()
    }

    /// The union over the members; `None` for groups of other types and for subscriptions that do
    /// not decode.
    pub(super) fn update_subscribed_topics(&mut self) {
        self.subscribed_topics = None;
        if !self.uses_consumer_protocol() {
            return;
        }
        let protocol = self.protocol_name.as_deref();
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            let said = embedded::read_subscription(&member.metadata(protocol));
            let Some(subscription) = said else {
                return;
            };
            topics.extend(subscription.topics);
        }
        self.subscribed_topics = Some(topics);
    }
}
