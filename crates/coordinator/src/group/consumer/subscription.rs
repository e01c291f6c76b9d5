//! What a group subscribes to: by name and by expression, resolved against the topics there are.

use std::collections::BTreeSet;

use headwater_protocol::{ErrorCode, Uuid};

use super::member::{ConsumerMember, topic_set};
use super::reconcile::Subscription;
use super::refusal::Refusal;
use super::topic_regex::{self, Look};
use super::{ConsumerGroup, ConsumerGroupRecord, Draft};
use crate::config::GroupConfig;
use crate::image::ClusterImage;
use crate::record::{ConsumerGroupMemberMetadata, ResolvedTopics};

/// What a member's turn sees besides its group.
pub(super) struct Surroundings<'a> {
    pub(super) image: &'a dyn ClusterImage,
    pub(super) config: &'a GroupConfig,
    pub(super) now_ms: i64,
}

/// What became of the expressions of a group in a turn.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Regexes {
    /// A topic came or went for one of them.
    changed: bool,
    /// All of them were held against the topics.
    looked: Option<Look>,
}

/// What is to be remembered of a turn that is not in the log.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Noticed {
    /// The hash was right for this image.
    pub(super) checked_version: Option<i64>,
    pub(super) looked: Option<Look>,
}

impl ConsumerGroup {
    /// Names of topics that the member wants, whether they exist or not.
    fn topic_names<'a>(&'a self, member: &'a ConsumerMember) -> impl Iterator<Item = &'a String> {
        let resolved = member.regex().and_then(|regex| self.regexes.get(regex));
        let by_regex = resolved.into_iter().flat_map(|resolved| &resolved.topics);
        let by_name = &member.metadata.subscribed_topic_names;
        by_name.iter().chain(by_regex)
    }

    /// Topics that the member wants and that exist.
    pub(super) fn topic_ids(
        &self,
        member: &ConsumerMember,
        image: &dyn ClusterImage,
    ) -> BTreeSet<Uuid> {
        self.topic_names(member)
            .filter_map(|name| Some(image.topic(name)?.id))
            .collect()
    }

    /// Whether committed offsets of the topic are in use by the members.
    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        let mut members = self.members.values();
        members.any(|member| self.topic_names(member).any(|name| name == topic))
    }

    fn is_subscribed_by(&self, regex: &str) -> bool {
        self.members
            .values()
            .any(|member| member.regex() == Some(regex))
    }

    /// Changes when a topic of the group comes, goes or grows. 0 without topics.
    pub(super) fn hash_topics(&self, image: &dyn ClusterImage) -> i64 {
        let members = self.members.values();
        let names: BTreeSet<&String> = members
            .flat_map(|member| self.topic_names(member))
            .collect();
        let mut hash = Hash::default();
        for name in names {
            if let Some(topic) = image.topic(name) {
                hash.update(name.as_bytes());
                hash.update(&topic.id.0);
                hash.update(&topic.partitions.to_be_bytes());
            }
        }
        hash.finish()
    }
}

impl Draft<'_> {
    /// Takes over what the member says, if that is news.
    pub(super) fn update_member(
        &mut self,
        member: &ConsumerMember,
        metadata: ConsumerGroupMemberMetadata,
        around: &Surroundings<'_>,
    ) -> Result<Subscription, Refusal> {
        let old = &member.metadata;
        if metadata == *old && self.group().member(&member.id).is_some() {
            return Ok(Subscription::Unchanged);
        }
        let regex_of = |metadata: &ConsumerGroupMemberMetadata| {
            let regex = metadata.subscribed_topic_regex.clone();
            regex.filter(|regex| !regex.is_empty())
        };
        let (old_regex, new_regex) = (regex_of(old), regex_of(&metadata));
        if let Some(regex) = &new_regex
            && !self.group().is_subscribed_by(regex)
        {
            topic_regex::check(regex)?;
        }
        let changed =
            old.subscribed_topic_names != metadata.subscribed_topic_names || old_regex != new_regex;
        self.write(ConsumerGroupRecord::Member {
            member_id: member.id.clone(),
            value: Some(metadata),
        });
        if self.group().weight() > around.config.max_group_bytes {
            return Err(Refusal::new(
                ErrorCode::GroupMaxSizeReached,
                format!(
                    "The members of group {} take too much memory.",
                    self.group().id
                ),
            ));
        }
        if let Some(regex) = old_regex.filter(|regex| Some(regex) != new_regex.as_ref()) {
            self.drop_unused_regex(&regex);
        }
        Ok(if changed {
            Subscription::Changed
        } else {
            Subscription::Unchanged
        })
    }

    /// The last member that subscribed by it has gone or changed its mind.
    pub(super) fn drop_unused_regex(&mut self, regex: &str) {
        if !self.group().is_subscribed_by(regex) && self.group().regexes.contains_key(regex) {
            self.write(ConsumerGroupRecord::RegularExpression {
                regex: regex.to_owned(),
                value: None,
            });
        }
    }

    /// Brings the group up to date with subscriptions and topics: its epoch grows if anything in
    /// them has changed.
    pub(super) fn refresh(
        &mut self,
        subscription: Subscription,
        regexes: Regexes,
        around: &Surroundings<'_>,
    ) -> Noticed {
        let mut noticed = Noticed {
            checked_version: None,
            looked: regexes.looked,
        };
        let group = self.group();
        let bump = group.epoch == 0 || subscription == Subscription::Changed || regexes.changed;
        if !bump && group.checked_version == Some(around.image.version()) {
            return noticed;
        }
        let hash = group.hash_topics(around.image);
        if bump || hash != group.metadata_hash {
            self.bump_epoch(hash);
        } else {
            noticed.checked_version = Some(around.image.version());
        }
        noticed
    }

    pub(super) fn bump_epoch(&mut self, hash: i64) {
        let epoch = self.group().epoch.saturating_add(1);
        self.write(ConsumerGroup::group_record(epoch, hash));
        if self.group().partition_metadata.is_some() {
            self.write(ConsumerGroupRecord::PartitionMetadata(None));
        }
    }

    /// Unknown expressions at once, all of them when it is time. Topics that whoever asks may not
    /// know of are not matched, so only a member that may subscribe by expression asks.
    pub(super) fn resolve_regexes(
        &mut self,
        around: &Surroundings<'_>,
        may_describe: &dyn Fn(&str) -> bool,
    ) -> Regexes {
        let group = self.group();
        let members = group.members.values();
        let subscribed: BTreeSet<String> = members
            .filter_map(|member| member.regex().map(str::to_owned))
            .collect();
        if subscribed.is_empty() {
            return Regexes::default();
        }
        let now = Look {
            version: around.image.version(),
            at_ms: around.now_ms,
        };
        let is_due = Look::is_due(group.looked, now, around.config.regex_refresh_interval_ms);
        let wanted = subscribed
            .iter()
            .filter(|regex| is_due || !group.regexes.contains_key(*regex))
            .map(String::as_str);
        let resolved = topic_regex::resolve(wanted, around.image, may_describe);
        let mut changed = false;
        for (regex, topics) in resolved {
            let topics: Vec<String> = topics.into_iter().collect();
            let known = self.group().regexes.get(&regex);
            if known.is_none_or(|known| topic_set(&known.topics) != topics) {
                changed = true;
                self.write(ConsumerGroupRecord::RegularExpression {
                    regex,
                    value: Some(ResolvedTopics {
                        topics,
                        version: now.version,
                        timestamp: around.now_ms,
                    }),
                });
            }
        }
        Regexes {
            changed,
            looked: is_due.then_some(now),
        }
    }
}

/// FNV-1a, 64 bits: it has to notice changes, not to withstand anybody.
struct Hash(u64);

const EMPTY_HASH: u64 = 0xcbf2_9ce4_8422_2325;

impl Default for Hash {
    fn default() -> Self {
        Self(EMPTY_HASH)
    }
}

impl Hash {
    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(self) -> i64 {
        if self.0 == EMPTY_HASH {
            return 0;
        }
        self.0.cast_signed()
    }
}
