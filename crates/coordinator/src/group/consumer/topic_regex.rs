//! Subscriptions by regular expression (RE2 syntax, matched against the whole name).
//!
//! Owns when a group looks at the topics again, and what an expression may cost.

use std::collections::{BTreeMap, BTreeSet};

use headwater_protocol::ErrorCode;
use regex::{Regex, RegexBuilder};

use super::refusal::Refusal;
use crate::image::ClusterImage;

/// Memory that a compiled expression may take.
const COMPILED_BYTES: usize = 1 << 20;
/// How deep an expression may be nested.
const NESTING: u32 = 100;
/// Between two looks at all the topics.
const MIN_INTERVAL_MS: i64 = 10_000;

/// When all expressions were last held against the topics. Soft: forgotten, it is done once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) version: i64,
    pub(super) at_ms: i64,
}

impl Look {
    /// Topics may have come or gone since, and it was not a moment ago; or it was long ago.
    pub(super) fn is_due(last: Option<Self>, now: Self, refresh_interval_ms: i64) -> bool {
        last.is_none_or(|last| {
            let age_ms = now.at_ms.saturating_sub(last.at_ms);
            (last.version != now.version && age_ms > MIN_INTERVAL_MS)
                || age_ms > refresh_interval_ms
        })
    }
}

/// That the expression can be used.
pub(super) fn check(regex: &str) -> Result<(), Refusal> {
    compile(regex).map(|_| ()).map_err(|error| {
        // Of several lines, the last says what is wrong.
        let reason = error.lines().last().unwrap_or_default();
        let reason = reason.strip_prefix("error: ").unwrap_or(reason);
        Refusal::new(
            ErrorCode::InvalidRegularExpression,
            format!("SubscribedTopicRegex `{regex}` is not a valid regular expression: {reason}."),
        )
    })
}

fn compile(regex: &str) -> Result<Regex, String> {
    let build = |pattern: &str| {
        RegexBuilder::new(pattern)
            .size_limit(COMPILED_BYTES)
            .dfa_size_limit(COMPILED_BYTES)
            .nest_limit(NESTING)
            .build()
            .map_err(|error| error.to_string())
    };
    // By itself first: what is put around it must not make it valid.
    build(regex)?;
    build(&format!(r"\A(?:{regex})\z"))
}

/// The topics that each expression matches, of those the member may see.
pub(super) fn resolve<'a>(
    regexes: impl Iterator<Item = &'a str>,
    image: &dyn ClusterImage,
    may_describe: &dyn Fn(&str) -> bool,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut resolved = BTreeMap::new();
    for regex in regexes {
        let mut topics = BTreeSet::new();
        // Of a log that a later version wrote, one may be unknown here: it matches nothing.
        if let Ok(compiled) = compile(regex) {
            let names = image.topic_names();
            let matching = names.filter(|name| compiled.is_match(name) && may_describe(name));
            topics.extend(matching.map(str::to_owned));
        }
        resolved.insert(regex.to_owned(), topics);
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_matches_whole_names() {
        let matches = |regex: &str, name: &str| compile(regex).unwrap().is_match(name);
        assert!(matches("order.*", "order_received"));
        assert!(!matches("order", "order_received"));
        assert!(!matches("received", "order_received"));
        assert!(matches("a|b", "b"));
        assert!(!matches("a|b", "ab"));
        assert!(matches(r"[[:alpha:]]+\d{2}", "topic42"));
    }

    #[test]
    fn an_expression_that_is_none_is_refused_by_name() {
        for regex in ["(", "a)(?:b", "[", "*", r"(?=a)", r"(a)\1"] {
            let refusal = check(regex).unwrap_err();
            assert_eq!(refusal.code, ErrorCode::InvalidRegularExpression);
            assert!(refusal.message.contains(regex), "{}", refusal.message);
        }
    }

    #[test]
    fn what_an_expression_may_cost_is_bounded() {
        assert!(check(r"(((\w{100}){100}){100})").is_err());
        assert!(check(&"(".repeat(1_000)).is_err());
    }

    #[test]
    fn topics_are_looked_at_again_when_they_changed_and_now_and_then() {
        let look = |version, at_ms| Look { version, at_ms };
        let is_due = |last, now| Look::is_due(last, now, 600_000);
        assert!(is_due(None, look(1, 0)));
        assert!(!is_due(Some(look(1, 0)), look(1, 60_000)));
        assert!(is_due(Some(look(1, 0)), look(1, 600_001)));
        assert!(is_due(Some(look(1, 0)), look(2, 10_001)));
        assert!(!is_due(Some(look(1, 0)), look(2, 10_000)));
    }
}
