//! Looks now and then whether the topics of a running application are still those that it started with. It changes
//! nothing: what is wrong with them ends the application, as Kafka Streams' `MissingSourceTopicException` does, and
//! new ones that a pattern matches are told once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::TopicPartition;
use super::admin::Admin;
use super::client::ClientRole;
use super::instance::Instance;
use crate::error::StreamsError;

/// How often is looked where the setting cannot be read.
const EVERY: Duration = Duration::from_secs(30);

/// The thread that looks.
pub(super) struct TopicWatch {
    /// Dropped, it ends the thread.
    _stop: Sender<()>,
    found: Receiver<Found>,
    expected: Arc<Expected>,
}

/// What was found.
pub(super) enum Found {
    /// The application cannot go on.
    Wrong(StreamsError),
    /// These match a pattern, and are not read.
    New(Vec<Arc<str>>),
}

impl TopicWatch {
    /// Looks as often as the consumer asks for metadata (`topic.metadata.refresh.interval.ms`).
    pub(super) fn start(instance: &Arc<Instance>) -> Result<Self, StreamsError> {
        let config = &instance.config;
        let every = config
            .clients
            .config(ClientRole::Group, &[])
            .get("topic.metadata.refresh.interval.ms")
            .and_then(|interval| interval.parse().ok())
            .map_or(EVERY, Duration::from_millis);
        let admin = Admin::new(&config.clients, config.replication_factor)?;
        let expected = Arc::new(Expected::of(instance));
        let compared = Arc::clone(&expected);
        // The thread may outlive the application by a call, and is not to hold its state directory.
        let instance = Arc::downgrade(instance);
        let (stop, stopped) = channel();
        let (tell, found) = sync_channel(1);
        std::thread::Builder::new()
            .name(format!("{}-topics", config.application))
            .spawn(move || {
                let patterns = Patterns::of(&instance);
                watch(&admin, &compared, patterns, every, &stopped, &tell);
            })
            .map_err(|error| StreamsError::Settings(format!("starting a thread: {error}")))?;
        Ok(Self {
            _stop: stop,
            found,
            expected,
        })
    }

    /// What is wrong if this partition was assigned, which its topic did not have.
    pub(super) fn beyond(&self, partition: &TopicPartition) -> StreamsError {
        let topic = &partition.topic;
        let was = self.expected.counts.get(topic).copied().unwrap_or(0);
        let least = format!("{} or more", partition.partition + 1);
        self.expected.changed(topic, was, &least)
    }

    /// What was found since this was asked last.
    pub(super) fn found(&self) -> Option<Found> {
        self.found.try_recv().ok()
    }
}

fn watch(
    admin: &Admin,
    expected: &Expected,
    mut patterns: Patterns<'_>,
    every: Duration,
    stopped: &Receiver<()>,
    tell: &SyncSender<Found>,
) {
    let mut missing = BTreeSet::new();
    while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
        match admin.present_topics() {
            Ok(present) => {
                if let Some(wrong) = expected.compare(&present, &mut missing) {
                    // The application ends with the first.
                    let _ = tell.send(Found::Wrong(wrong));
                    return;
                }
                let new = patterns.look(&present);
                if !new.is_empty() && tell.send(Found::New(new)).is_err() {
                    return;
                }
            }
            Err(error) => tracing::debug!(%error, "the topics are not looked at"),
        }
    }
}

/// Which topics match the topology's patterns.
struct Patterns<'a> {
    instance: &'a Weak<Instance>,
    /// The topics that there were at the last look.
    seen: BTreeSet<Arc<str>>,
    /// Those that are read, or were told.
    known: BTreeSet<Arc<str>>,
}

impl<'a> Patterns<'a> {
    fn of(instance: &'a Weak<Instance>) -> Self {
        Self {
            instance,
            seen: BTreeSet::new(),
            known: BTreeSet::new(),
        }
    }

    /// The topics that match, are not read, and were not told.
    fn look(&mut self, present: &BTreeMap<String, Option<i32>>) -> Vec<Arc<str>> {
        let Some(instance) = self.instance.upgrade() else {
            return Vec::new();
        };
        let topology = &instance.topology;
        // One that is just being made has no partitions yet.
        let ready = present.iter().filter(|(_, count)| count.is_some());
        let ready: BTreeSet<Arc<str>> = ready.map(|(topic, _)| topic.as_str().into()).collect();
        if !topology.has_patterns() || ready == self.seen {
            return Vec::new();
        }
        self.seen.clone_from(&ready);
        let read = topology
            .sub_topologies()
            .iter()
            .flat_map(|part| &part.sources);
        self.known.extend(read.cloned());
        let Ok(sources) = topology.sources_among(ready.into_iter()) else {
            // Nothing matches any more: that those are gone is told by their names.
            return Vec::new();
        };
        let new: Vec<_> = sources.difference(&self.known).cloned().collect();
        self.known.extend(new.iter().cloned());
        new
    }
}

/// The topics as they were when the application started.
struct Expected {
    application: Arc<str>,
    counts: BTreeMap<Arc<str>, i32>,
    /// Those of the application's own.
    internal: BTreeSet<Arc<str>>,
}

impl Expected {
    fn of(instance: &Instance) -> Self {
        let topology = &instance.topology;
        let own = topology.internal_topics().iter();
        let changelogs = topology
            .stores()
            .iter()
            .filter_map(|store| store.changelog_topic(topology.application()));
        Self {
            application: Arc::clone(topology.application()),
            counts: instance
                .topics
                .counts
                .iter()
                .map(|(topic, count)| (Arc::clone(topic), count))
                .collect(),
            internal: own
                .map(|topic| Arc::clone(&topic.name))
                .chain(changelogs.map(Arc::from))
                .collect(),
        }
    }

    /// What is wrong: a topic that was missing the last time too, or one with another number of partitions.
    fn compare(
        &self,
        present: &BTreeMap<String, Option<i32>>,
        missing: &mut BTreeSet<Arc<str>>,
    ) -> Option<StreamsError> {
        let before = std::mem::take(missing);
        for (topic, wanted) in &self.counts {
            match present.get(&**topic) {
                None if before.contains(topic) => return Some(self.gone(topic)),
                None => {
                    tracing::warn!(%topic, "a topic of the application is missing");
                    missing.insert(Arc::clone(topic));
                }
                Some(Some(count)) if count != wanted => {
                    return Some(self.changed(topic, *wanted, &count.to_string()));
                }
                Some(_) => {}
            }
        }
        None
    }

    fn gone(&self, topic: &Arc<str>) -> StreamsError {
        let application = &self.application;
        StreamsError::Topics(if self.internal.contains(topic) {
            format!(
                "the internal topic {topic} was deleted while the application ran: its state, or records on their \
                 way, went with it. Start the application again, which makes it anew and empty; or reset the \
                 application {application} (App::reset) and let it process its inputs anew"
            )
        } else {
            format!(
                "the input topic {topic} was deleted while the application ran. Create it again and start the \
                 application, or take it out of the topology"
            )
        })
    }

    fn changed(&self, topic: &Arc<str>, was: i32, is: &str) -> StreamsError {
        let application = &self.application;
        StreamsError::Topics(if self.internal.contains(topic) {
            format!(
                "the internal topic {topic} has {is} partitions, and the application {application} needs {was}: it \
                 was altered while the application ran. Reset the application (App::reset), which deletes its \
                 internal topics and state, and let it process its inputs anew"
            )
        } else {
            format!(
                "the number of partitions of the input topic {topic} was changed while the application ran, from \
                 {was} to {is}: keys are in other partitions from now on. Start the application again; where a \
                 store or a join follows the topic, reset it first (App::reset) and let it process its inputs anew"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected() -> Expected {
        Expected {
            application: "app".into(),
            counts: BTreeMap::from([("words".into(), 2), ("app-by-word-repartition".into(), 2)]),
            internal: BTreeSet::from(["app-by-word-repartition".into()]),
        }
    }

    fn present(topics: &[(&str, Option<i32>)]) -> BTreeMap<String, Option<i32>> {
        let owned = |(topic, count): &(&str, Option<i32>)| ((*topic).to_owned(), *count);
        topics.iter().map(owned).collect()
    }

    #[test]
    fn a_topic_is_gone_when_it_is_missing_twice_in_a_row() {
        let expected = expected();
        let mut missing = BTreeSet::new();
        let whole = present(&[("words", Some(2)), ("app-by-word-repartition", Some(2))]);
        let without = present(&[("app-by-word-repartition", Some(2))]);
        for look in [&whole, &without, &whole, &without] {
            assert!(expected.compare(look, &mut missing).is_none());
        }
        let wrong = expected.compare(&without, &mut missing).unwrap();
        assert!(
            wrong
                .to_string()
                .contains("the input topic words was deleted")
        );
    }

    #[test]
    fn another_number_of_partitions_is_told_with_what_to_do_and_one_that_is_not_known_is_no_other()
    {
        let expected = expected();
        let mut missing = BTreeSet::new();
        let compare = |words, own, missing: &mut BTreeSet<Arc<str>>| {
            let present = present(&[("words", words), ("app-by-word-repartition", own)]);
            let wrong = expected.compare(&present, missing);
            wrong.map(|wrong| wrong.to_string()).unwrap_or_default()
        };
        assert_eq!(compare(None, Some(2), &mut missing), "");
        let input = compare(Some(3), Some(2), &mut missing);
        assert!(
            input.contains("of the input topic words was changed"),
            "{input}"
        );
        let own = compare(Some(2), Some(5), &mut missing);
        assert!(own.contains("has 5 partitions"), "{own}");
        assert!(own.contains("App::reset"), "{own}");
    }
}
