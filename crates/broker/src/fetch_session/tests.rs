//! Sessions, request by request.

use bytes::Bytes;
use headwater_protocol::messages::fetch::{FetchTopic, ForgottenTopic};

use super::*;

const NAMED: i16 = 12;

fn request(
    session_id: i32,
    session_epoch: i32,
    partitions: &[i32],
    forgotten: &[i32],
) -> FetchRequest {
    let partition = |index: &i32| FetchPartition {
        partition: *index,
        ..FetchPartition::default()
    };
    let topics = match partitions {
        [] => Vec::new(),
        _ => vec![FetchTopic {
            topic: "t".to_owned(),
            partitions: partitions.iter().map(partition).collect(),
            ..FetchTopic::default()
        }],
    };
    FetchRequest {
        session_id,
        session_epoch,
        topics,
        forgotten_topics_data: vec![ForgottenTopic {
            topic: "t".to_owned(),
            partitions: forgotten.to_vec(),
            ..ForgottenTopic::default()
        }],
        ..FetchRequest::default()
    }
}

fn fetched(partition: i32, high_watermark: i64, records: &'static [u8]) -> Fetched {
    Fetched {
        topic: TopicKey::Name("t".into()),
        data: PartitionData {
            partition_index: partition,
            high_watermark,
            log_start_offset: 0,
            records: Some(Bytes::from_static(records)),
            ..PartitionData::default()
        },
    }
}

fn begun(sessions: &FetchSessions, partitions: &[i32]) -> i32 {
    let (wanted, session_use) = sessions
        .begin(request(0, 0, partitions, &[]), NAMED)
        .unwrap();
    let all = partitions
        .iter()
        .map(|partition| fetched(*partition, 0, b""))
        .collect();
    let (id, named) = sessions.finish(session_use, wanted, all).unwrap();
    assert_eq!(named.len(), partitions.len());
    id
}

fn indexes(fetched: &[Fetched]) -> Vec<i32> {
    fetched
        .iter()
        .map(|fetched| fetched.data.partition_index)
        .collect()
}

#[test]
fn an_incremental_reply_names_only_what_changed() {
    let sessions = FetchSessions::new(10);
    let id = begun(&sessions, &[0, 1, 2]);
    assert_ne!(id, NO_SESSION);
    let (wanted, session_use) = sessions.begin(request(id, 1, &[], &[]), NAMED).unwrap();
    assert_eq!(wanted.len(), 3);
    let news = vec![
        fetched(0, 0, b""),
        fetched(1, 5, b"records"),
        fetched(2, 1, b""),
    ];
    let (answered, named) = sessions.finish(session_use, wanted, news).unwrap();
    assert_eq!((answered, indexes(&named)), (id, vec![1, 2]));
}

#[test]
fn a_partition_that_had_records_is_served_last_next_time() {
    let sessions = FetchSessions::new(10);
    let id = begun(&sessions, &[0, 1, 2]);
    let (wanted, session_use) = sessions.begin(request(id, 1, &[], &[]), NAMED).unwrap();
    sessions
        .finish(session_use, wanted, vec![fetched(0, 5, b"records")])
        .unwrap();
    let (wanted, _) = sessions.begin(request(id, 2, &[], &[]), NAMED).unwrap();
    let order: Vec<i32> = wanted
        .iter()
        .map(|wanted| wanted.partition.partition)
        .collect();
    assert_eq!(order, [1, 2, 0]);
}

#[test]
fn forgotten_partitions_go_and_new_ones_are_named_once() {
    let sessions = FetchSessions::new(10);
    let id = begun(&sessions, &[0, 1]);
    let (wanted, session_use) = sessions.begin(request(id, 1, &[7], &[0]), NAMED).unwrap();
    let (_, named) = sessions
        .finish(
            session_use,
            wanted,
            vec![fetched(1, 0, b""), fetched(7, 0, b"")],
        )
        .unwrap();
    assert_eq!(indexes(&named), [7]);
}

#[test]
fn an_error_is_named_until_it_is_gone_and_once_more() {
    let sessions = FetchSessions::new(10);
    let id = begun(&sessions, &[0]);
    let mut broken = fetched(0, 0, b"");
    broken.data.error_code = ErrorCode::KafkaStorageError.into();
    for (epoch, answer, named) in [
        (1, broken, 1),
        (2, fetched(0, 0, b""), 1),
        (3, fetched(0, 0, b""), 0),
    ] {
        let (wanted, session_use) = sessions.begin(request(id, epoch, &[], &[]), NAMED).unwrap();
        let (_, got) = sessions.finish(session_use, wanted, vec![answer]).unwrap();
        assert_eq!(got.len(), named, "epoch {epoch}");
    }
}

#[test]
fn wrong_ids_epochs_and_ways_of_naming_are_refused() {
    let sessions = FetchSessions::new(10);
    let id = begun(&sessions, &[0]);
    let refused = |request, version| sessions.begin(request, version).unwrap_err();
    assert_eq!(
        refused(request(id ^ 1, 1, &[], &[]), NAMED),
        ErrorCode::FetchSessionIdNotFound
    );
    assert_eq!(
        refused(request(id, 5, &[], &[]), NAMED),
        ErrorCode::InvalidFetchSessionEpoch
    );
    assert_eq!(
        refused(request(id, 1, &[], &[]), 13),
        ErrorCode::FetchSessionTopicIdError
    );
}

#[test]
fn the_final_epoch_closes_the_session() {
    let sessions = FetchSessions::new(10);
    let id = begun(&sessions, &[0]);
    let (_, session_use) = sessions.begin(request(id, -1, &[0], &[]), NAMED).unwrap();
    assert_eq!(session_use, SessionUse::Full);
    assert_eq!(
        sessions.begin(request(id, 1, &[], &[]), NAMED).unwrap_err(),
        ErrorCode::FetchSessionIdNotFound
    );
}

#[test]
fn without_a_free_slot_a_consumer_is_served_without_a_session() {
    let sessions = FetchSessions::new(1);
    assert_ne!(begun(&sessions, &[0]), NO_SESSION);
    assert_eq!(begun(&sessions, &[0]), NO_SESSION);
}

impl FetchSessions {
    fn change(&self, id: i32, change: impl FnOnce(&mut Session, Instant)) {
        let long_ago = Instant::now().checked_sub(EVICTION).unwrap();
        change(self.lock().get_mut(&id).unwrap(), long_ago);
    }

    fn is_known(&self, id: i32) -> bool {
        self.lock().contains_key(&id)
    }
}

#[test]
fn the_session_unused_for_longest_makes_room() {
    let sessions = FetchSessions::new(2);
    let (idle, busy) = (begun(&sessions, &[0, 1]), begun(&sessions, &[0]));
    sessions.change(idle, |session, long_ago| session.used = long_ago);
    assert_ne!(begun(&sessions, &[0]), NO_SESSION);
    assert!(!sessions.is_known(idle) && sessions.is_known(busy));
}

#[test]
fn a_small_session_that_has_lived_long_makes_room_for_one_as_large() {
    let sessions = FetchSessions::new(2);
    let (small, large) = (begun(&sessions, &[0, 1]), begun(&sessions, &[0, 1, 2]));
    for id in [small, large] {
        sessions.change(id, |session, long_ago| session.created = long_ago);
    }
    assert_eq!(begun(&sessions, &[0]), NO_SESSION, "smaller than any");
    assert_ne!(begun(&sessions, &[0, 1]), NO_SESSION);
    assert!(!sessions.is_known(small) && sessions.is_known(large));
}
