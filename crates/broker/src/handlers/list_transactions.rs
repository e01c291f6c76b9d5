//! `ListTransactions` 0-2: the transactional ids of every coordinator.
//!
//! Filters by state and producer id; from version 1 on by how long a transaction runs, from 2 on by a
//! regular expression that the whole transactional id must match. While a coordinator loads, the
//! whole answer says so, so that no tool takes a part for all.

use headwater_coordinator::TransactionState;
use headwater_protocol::messages::list_transactions::{
    ListTransactionsRequest, ListTransactionsResponse,
};
use headwater_protocol::{ErrorCode, Request};
use regex::{Regex, RegexBuilder};

use crate::context::{ConnectionInfo, Context};
use crate::reply::Reply;

/// A compiled pattern takes no more memory than this.
const PATTERN_BYTES: usize = 1 << 20;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: ListTransactionsRequest,
) -> Reply<ListTransactionsResponse> {
    let pattern = match pattern(request.transactional_id_pattern.as_deref()) {
        Ok(pattern) => pattern,
        Err(code) => return Reply::Now(request.error_response(code, version)),
    };
    let matches = |transactional_id: &str| {
        pattern
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(transactional_id))
    };
    let answers = context
        .transactions
        .ask_all(version, &request, |coordinator, call, request| {
            coordinator.list_transactions(call, request, &matches)
        });
    Reply::later(async move {
        let mut answers = answers.await;
        let loading = i16::from(ErrorCode::CoordinatorLoadInProgress);
        if let Some(at) = answers
            .iter()
            .position(|answer| answer.error_code == loading)
        {
            return answers.swap_remove(at);
        }
        let mut unknown = request.state_filters;
        unknown.retain(|name| TransactionState::from_name(name).is_none());
        ListTransactionsResponse {
            unknown_state_filters: unknown,
            transaction_states: answers
                .into_iter()
                .flat_map(|answer| answer.transaction_states)
                .collect(),
            ..ListTransactionsResponse::default()
        }
    })
}

/// The pattern that whole ids must match; null and empty let everything pass.
fn pattern(pattern: Option<&str>) -> Result<Option<Regex>, ErrorCode> {
    let Some(pattern) = pattern.filter(|pattern| !pattern.is_empty()) else {
        return Ok(None);
    };
    // By itself first, so that it cannot close the group it is put into.
    let built = build(pattern).and_then(|_| build(&format!(r"\A(?:{pattern})\z")));
    built
        .map(Some)
        .map_err(|_| ErrorCode::InvalidRegularExpression)
}

fn build(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_ids() {
        let matched = pattern(Some("orders-[0-9]+")).unwrap().unwrap();
        assert!(matched.is_match("orders-17"));
        assert!(!matched.is_match("orders-17-b"));
        assert!(!matched.is_match("my-orders-17"));
        let either = pattern(Some("a|b")).unwrap().unwrap();
        assert!(either.is_match("b") && !either.is_match("ab"));
    }

    #[test]
    fn a_pattern_that_is_none_is_refused_and_no_pattern_lets_everything_pass() {
        for refused in ["(", "a)|(b", "[", "a{1000}{1000}{1000}"] {
            let refused = pattern(Some(refused));
            assert_eq!(refused.err(), Some(ErrorCode::InvalidRegularExpression));
        }
        assert!(pattern(Some("")).unwrap().is_none());
        assert!(pattern(None).unwrap().is_none());
    }
}
