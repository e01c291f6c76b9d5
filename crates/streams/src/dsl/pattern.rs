//! Streams of all topics whose names match a pattern.

use std::panic::Location;
use std::sync::Arc;

use regex::Regex;

use crate::dsl::stream::{Keyed, stream_of};
use crate::key::Key;
use crate::topic::Topic;
use crate::topology::Builder;

impl Builder {
    /// The records of all topics whose whole names match a regular expression; they are read as `like` says, whose
    /// name the source has in descriptions.
    ///
    /// Which topics there are is looked up when an application starts, and then as often as the consumer asks for
    /// metadata (`topic.metadata.refresh.interval.ms`, 30 s): where one comes to match,
    /// [`App::run`](crate::App::run) stops in order and starts again with it; an application that was
    /// [started](crate::App::start) by the program tells it in the log, and reads it when it is started again. Topics whose names begin with `__`, and the application's own, never match.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "as `stream` takes its topic")]
    pub fn stream_pattern<K: Key, V: Send + 'static>(
        &self,
        pattern: &str,
        like: Topic<K, V>,
    ) -> Keyed<'_, K, V> {
        let location = Location::caller();
        let topics = match Regex::new(&format!("^(?:{pattern})$")) {
            Ok(regex) => self.matching(&regex, pattern, location),
            Err(error) => {
                self.error(location, format!("the pattern {pattern}: {error}"));
                Vec::new()
            }
        };
        stream_of(self, Some(like.name()), topics, &like, location)
    }

    fn matching(
        &self,
        regex: &Regex,
        pattern: &str,
        location: &'static Location<'static>,
    ) -> Vec<Arc<str>> {
        let Some(existing) = self.existing_topics() else {
            // Only described: no cluster was asked.
            return vec![format!("<{pattern}>").into()];
        };
        let own = format!("{}-", self.application());
        let internal = |topic: &str| {
            topic.starts_with("__")
                || topic.starts_with(&own)
                    && (topic.ends_with("-repartition") || topic.ends_with("-changelog"))
        };
        let mut topics: Vec<_> = existing
            .iter()
            .filter(|topic| regex.is_match(topic) && !internal(topic))
            .cloned()
            .collect();
        topics.sort();
        if topics.is_empty() {
            self.error(
                location,
                format!("no topic that exists matches the pattern {pattern}"),
            );
        }
        topics
    }
}
