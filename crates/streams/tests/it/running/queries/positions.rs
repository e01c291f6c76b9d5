//! What an answer reflects: what was committed, and the writes that the asker knows of.

use super::*;

#[test]
fn a_producer_reads_its_own_writes_by_the_position_of_their_delivery() {
    let cluster = cluster();
    let directory = tempfile::tempdir().unwrap();
    let app = app(&cluster, directory.path()).commit_interval(Duration::from_millis(300));
    let running = cluster.run(app.exactly_once().start(topology).unwrap());
    let store = running.store("counts").unwrap();
    for round in 1..4 {
        write(&cluster, 1);
        let position = last_written(&cluster, "words");
        let store = wait(store.at_least(&position, PATIENCE)).unwrap();
        let counts = store.key_value::<String, u64>().unwrap();
        for word in VOCABULARY {
            let answer = counts.ask(&word.to_owned()).unwrap();
            assert_eq!(answer.value.map(|(count, _)| count), Some(round), "{word}");
        }
        let whole = counts.all().unwrap();
        assert_eq!(*whole.position(), position);
    }
    // What is not written yet is not waited for in vain without a word.
    let salt = partition("salt");
    let (_, end) = cluster.offsets("words", salt);
    let future = Position::new().with("words", salt, end + 4);
    let behind = wait(store.at_least(&future, Duration::from_millis(50))).unwrap_err();
    match &behind {
        QueryError::Behind {
            partition,
            wanted,
            reached,
            ..
        } => {
            assert_eq!((&*partition.topic, partition.partition), ("words", salt));
            assert_eq!((*wanted, reached.is_some()), (end + 4, true));
        }
        other => panic!("{other}"),
    }
    let other = Position::new().with("elsewhere", 0, 1);
    let unrelated = wait(store.at_least(&other, PATIENCE)).unwrap_err();
    assert!(
        unrelated.to_string().contains("made from words"),
        "{unrelated}"
    );
    let path = format!("/stores/counts/get?key=salt&position={future}&wait=50");
    let answer = ask(&address(&running), &path);
    assert_eq!((answer.status, code(&answer)), (504, "behind"));
    cluster.stop(running);
}

#[test]
fn a_producer_reads_its_own_writes_behind_repartition_topics_too() {
    for exactly_once in [false, true] {
        let cluster = word_count::cluster(2);
        let directory = tempfile::tempdir().unwrap();
        let mut app = cluster.app(directory.path());
        if exactly_once {
            app = app.exactly_once();
        }
        let running = cluster.run(app.start(word_count::topology).unwrap());
        let store = running.store("counts").unwrap();
        for round in 1..4 {
            word_count::write(&cluster, 2, 70);
            let mut position = Position::new();
            for partition in 0..2 {
                let (_, end) = cluster.offsets("words", partition);
                position = position.with("words", partition, end - 1);
            }
            let store = wait(store.at_least(&position, PATIENCE)).unwrap();
            let counts = store.key_value::<String, u64>().unwrap();
            for word in VOCABULARY {
                let (count, _) = counts.get(&word.to_owned()).unwrap().unwrap();
                assert_eq!(count, round * 10, "{word}, exactly once: {exactly_once}");
            }
        }
        let future = Position::new().with("words", 0, 1_000_000);
        let behind = wait(store.at_least(&future, Duration::from_millis(50))).unwrap_err();
        assert!(
            matches!(
                behind,
                QueryError::Behind {
                    wanted: 1_000_000,
                    ..
                }
            ),
            "{behind}"
        );
        cluster.stop(running);
    }
}

#[test]
fn state_that_is_processed_and_not_committed_is_never_answered() {
    let cluster = cluster();
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 5);
    let app = app(&cluster, directory.path()).commit_interval(Duration::from_hours(1));
    let running = cluster.run(app.start(topology).unwrap());
    eventually("all is processed", || {
        (running.metrics().records() >= 35).then_some(())
    });
    let store = running.store("counts").unwrap();
    let counts = store.key_value::<String, u64>().unwrap();
    assert_eq!(counts.get(&"salt".to_owned()).unwrap(), None);
    assert_eq!(counts.all().unwrap().count(), 0);
    let position = last_written(&cluster, "words");
    wait(store.at_least(&position, Duration::from_millis(50))).unwrap_err();
    let address = address(&running);
    let answer = ask(&address, "/stores/counts/get?key=salt");
    assert_eq!((answer.status, code(&answer)), (404, "no_such_key"));
    let answer = ask(&address, "/stores/counts/range");
    assert_eq!(answer.body["rows"].as_array().unwrap().len(), 0);
    cluster.stop(running);
    match counts.get(&"salt".to_owned()) {
        Err(QueryError::NotRunning { .. }) => {}
        other => panic!("{other:?}"),
    }
}
