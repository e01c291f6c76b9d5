//! What tools ask: describing and listing, and answers before and after a coordinator serves.

use headwater_coordinator::{
    Call, Effect, Outcome, Response, Token, TransactionConfig, TransactionCoordinator,
};
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::describe_transactions::{
    DescribeTransactionsRequest, TransactionState as Described,
};
use headwater_protocol::messages::init_producer_id::InitProducerIdRequest;
use headwater_protocol::messages::list_transactions::ListTransactionsRequest;

use super::harness::{Bench, FIRST_ID, ID, TIMEOUT_MS, TOPIC, code, init_request};

fn describe(bench: &mut Bench, transactional_id: &str) -> Described {
    let request = DescribeTransactionsRequest {
        transactional_ids: vec![transactional_id.to_owned()],
    };
    let response = bench.ask(0, |coordinator, call| {
        coordinator.describe_transactions(call, &request)
    });
    let Response::DescribeTransactions(mut response) = response else {
        panic!("another answer: {response:?}");
    };
    response.transaction_states.pop().unwrap()
}

fn list(bench: &mut Bench, request: &ListTransactionsRequest) -> Vec<String> {
    let response = bench.ask(2, |coordinator, call| {
        coordinator.list_transactions(call, request, &|_| true)
    });
    let Response::ListTransactions(response) = response else {
        panic!("another answer: {response:?}");
    };
    assert_eq!(response.error_code, 0);
    let listed = response.transaction_states.into_iter();
    listed
        .map(|state| format!("{} {}", state.transactional_id, state.transaction_state))
        .collect()
}

#[test]
fn a_transaction_is_described_with_its_partitions_while_they_are_part_of_it() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    let idle = describe(&mut bench, ID);
    assert_eq!((idle.error_code, idle.transaction_start_time_ms), (0, -1));
    assert_eq!(idle.transaction_state, "Empty");
    bench.write(producer, 0).unwrap();
    bench.write(producer, 2).unwrap();
    let ongoing = describe(&mut bench, ID);
    assert_eq!(ongoing.transaction_state, "Ongoing");
    assert_eq!(ongoing.transaction_timeout_ms, TIMEOUT_MS);
    assert_eq!(ongoing.transaction_start_time_ms, bench.now_ms);
    let who = (ongoing.producer_id, ongoing.producer_epoch);
    assert_eq!(who, (FIRST_ID, 0));
    assert_eq!(ongoing.topics.len(), 1);
    assert_eq!(ongoing.topics[0].topic, TOPIC);
    assert_eq!(ongoing.topics[0].partitions, [0, 2]);
    bench.ended(producer, Outcome::Abort);
    let complete = describe(&mut bench, ID);
    assert_eq!(complete.transaction_state, "CompleteAbort");
    assert!(complete.topics.is_empty());
}

#[test]
fn an_id_that_is_not_known_or_empty_is_told_so() {
    let mut bench = Bench::new();
    let unknown = describe(&mut bench, "nobody");
    assert_eq!(unknown.error_code, code(ErrorCode::TransactionalIdNotFound));
    assert_eq!(unknown.transactional_id, "nobody");
    let empty = describe(&mut bench, "");
    assert_eq!(empty.error_code, code(ErrorCode::InvalidRequest));
}

#[test]
fn a_list_is_filtered_by_state_producer_id_and_duration() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    let other = InitProducerIdRequest {
        transactional_id: Some("other".to_owned()),
        ..init_request(None)
    };
    bench.init_with(5, &other);
    bench.write(producer, 0).unwrap();
    bench.advance(5_000);
    let all = ListTransactionsRequest {
        duration_filter: -1,
        ..ListTransactionsRequest::default()
    };
    let both = ["other Empty", "payments Ongoing"];
    assert_eq!(list(&mut bench, &all), both);
    let by_state = ListTransactionsRequest {
        state_filters: vec!["Ongoing".to_owned(), "NoSuchState".to_owned()],
        ..all.clone()
    };
    assert_eq!(list(&mut bench, &by_state), both[1..]);
    let by_unknown_state = ListTransactionsRequest {
        state_filters: vec!["NoSuchState".to_owned()],
        ..all.clone()
    };
    assert!(list(&mut bench, &by_unknown_state).is_empty());
    let by_producer = ListTransactionsRequest {
        producer_id_filters: vec![FIRST_ID + 1],
        ..all.clone()
    };
    assert_eq!(list(&mut bench, &by_producer), both[..1]);
    for (duration, expected) in [(4_999, true), (5_000, false)] {
        let by_duration = ListTransactionsRequest {
            duration_filter: duration,
            producer_id_filters: vec![FIRST_ID],
            ..all.clone()
        };
        assert_eq!(!list(&mut bench, &by_duration).is_empty(), expected);
    }
    let response = bench.ask(2, |coordinator, call| {
        coordinator.list_transactions(call, &all, &|id| id.starts_with("oth"))
    });
    let Response::ListTransactions(response) = response else {
        panic!("another answer: {response:?}");
    };
    assert_eq!(response.transaction_states.len(), 1);
}

fn init_at(coordinator: &mut TransactionCoordinator) -> i16 {
    let call = Call {
        now_ms: 0,
        version: 5,
        token: Token(1),
    };
    let mut new_producer_id = || Ok(1);
    let effects = coordinator.init_producer_id(call, &init_request(None), &mut new_producer_id);
    match effects.last() {
        Some(Effect::Reply {
            response: Response::InitProducerId(response),
            ..
        }) => response.error_code,
        other => panic!("no answer: {other:?}"),
    }
}

#[test]
fn before_it_has_loaded_and_after_it_is_unloaded_a_coordinator_says_so() {
    let mut coordinator = TransactionCoordinator::new(TransactionConfig::default(), 2);
    let loading = code(ErrorCode::CoordinatorLoadInProgress);
    assert_eq!(init_at(&mut coordinator), loading);
    coordinator.loaded(0);
    assert_eq!(init_at(&mut coordinator), 0);
    coordinator.unload();
    assert_eq!(init_at(&mut coordinator), code(ErrorCode::NotCoordinator));
    assert_eq!(coordinator.next_deadline_ms(), None);
}

#[test]
fn a_list_made_while_a_coordinator_loads_says_so() {
    let mut coordinator = TransactionCoordinator::new(TransactionConfig::default(), 2);
    let call = Call {
        now_ms: 0,
        version: 2,
        token: Token(1),
    };
    let request = ListTransactionsRequest::default();
    let effects = coordinator.list_transactions(call, &request, &|_| true);
    let [
        Effect::Reply {
            response: Response::ListTransactions(response),
            ..
        },
    ] = &effects[..]
    else {
        panic!("one answer: {effects:?}");
    };
    let loading = code(ErrorCode::CoordinatorLoadInProgress);
    assert_eq!(response.error_code, loading);
}
