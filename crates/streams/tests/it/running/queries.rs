//! Interactive queries: of a store in this process, and over HTTP from instance to instance.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use headwater_streams::partitioner::partition_for;
use headwater_streams::query::{Position, QueryError, StoreQuery};
use headwater_streams::windows::{millis, session, tumbling};
use headwater_streams::{App, Builder, Running, Topic};
use serde_json::Value;

use super::cluster::{Cluster, PATIENCE, eventually};
use super::word_count;

const WORDS: Topic<String, String> = Topic::string("words");
const RATES: Topic<String, u64> = Topic::json("rates");
const SINK: Topic<String, u64> = Topic::json("sink");
const VOCABULARY: [&str; 7] = ["bread", "figs", "honey", "milk", "oil", "salt", "wine"];
const PARTITIONS: i32 = 4;

fn topology(b: &Builder) {
    let (counted, rest) = b.stream(WORDS).tee();
    let (windowed, sessions) = rest.tee();
    counted.count("counts").to(SINK);
    windowed
        .window(tumbling(millis(1000)).grace(millis(60_000)))
        .count("per-second")
        .to_stream_with(|key, _| key.key.clone())
        .map(Option::unwrap_or_default)
        .to(SINK);
    sessions
        .window(session(millis(100)).grace(millis(60_000)))
        .count("visits")
        .to_stream_with(|key, _| key.key.clone())
        .map(Option::unwrap_or_default)
        .to(SINK);
    b.table_versioned(RATES, "rates", Duration::from_hours(1))
        .to_stream()
        .map(Option::unwrap_or_default)
        .to(SINK);
}

fn cluster() -> Cluster {
    Cluster::with(&[
        ("words", PARTITIONS),
        ("rates", PARTITIONS),
        ("sink", PARTITIONS),
    ])
}

fn partition(key: &str) -> i32 {
    partition_for(key.as_bytes(), PARTITIONS)
}

/// Writes each word once per round, where the sinks would have written it.
fn write(cluster: &Cluster, rounds: i64) {
    for round in 0..rounds {
        let records = VOCABULARY.map(|word| (partition(word), word, "x", 1000 + round * 500));
        cluster.write("words", records);
    }
}

/// The last record of each partition, as a producer is told.
fn last_written(cluster: &Cluster, topic: &str) -> Position {
    let mut position = Position::new();
    for partition in 0..PARTITIONS {
        let (_, end) = cluster.offsets(topic, partition);
        if end > 0 {
            position = position.with(topic, partition, end - 1);
        }
    }
    position
}

fn app(cluster: &Cluster, directory: &Path) -> App {
    cluster.app(directory).queries("127.0.0.1:0")
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// Where an instance answers.
fn address(running: &Running) -> String {
    eventually("it tells where it answers", || {
        let own = running.instances().into_iter();
        let mut own = own.filter(|info| info.process_id == running.process_id());
        Some(own.next()?.address)
    })
}

/// An answer over HTTP.
pub(super) struct Answer {
    pub(super) status: u16,
    location: Option<String>,
    pub(super) body: Value,
}

pub(super) fn ask(address: &str, path: &str) -> Answer {
    ask_as(address, address, path)
}

fn ask_as(host: &str, address: &str, path: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let location = head
        .lines()
        .find_map(|line| line.strip_prefix("location: "))
        .map(ToOwned::to_owned);
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        location,
        body: serde_json::from_str(body).unwrap(),
    }
}

/// Asks, and follows to the owner if there is one.
fn follow(address: &str, path: &str) -> Answer {
    let answer = ask(address, path);
    match &answer.location {
        None => answer,
        Some(location) => {
            assert_eq!(answer.status, 307);
            let rest = location.strip_prefix("http://").unwrap();
            let (owner, path) = rest.split_once('/').unwrap();
            ask(owner, &format!("/{path}"))
        }
    }
}

fn code(answer: &Answer) -> &str {
    assert!(
        answer.body["error"]["remedy"].as_str().unwrap().len() > 10,
        "{}",
        answer.body
    );
    answer.body["error"]["code"].as_str().unwrap()
}

#[test]
fn a_key_is_answered_by_its_owner_wherever_it_is_asked_for() {
    let cluster = cluster();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(&cluster, 3);
    let first = app(&cluster, one.path()).start(topology).unwrap();
    let second = app(&cluster, two.path()).start(topology).unwrap();
    let addresses = [address(&first), address(&second)];
    eventually("each has a part and knows of the other", || {
        let stores = [&first, &second].map(|running| running.store("counts").unwrap());
        let here = stores.each_ref().map(|store| store.partitions().len());
        let known = |store: &StoreQuery| (0..4).all(|at| store.owner(at).is_some());
        (here[0] > 0 && here[1] > 0 && here[0] + here[1] == 4 && stores.iter().all(known))
            .then_some(())
    });
    let position = last_written(&cluster, "words");
    let mut sent_on = 0;
    for word in VOCABULARY {
        for address in &addresses {
            let path = format!("/stores/counts/get?key={word}&position={position}");
            let answer = follow(address, &path);
            assert_eq!(answer.status, 200, "{word}: {}", answer.body);
            assert_eq!(answer.body["value"], 3, "{word}");
            assert_eq!(answer.body["key"], word);
            let reflected: Position = answer.body["position"].as_str().unwrap().parse().unwrap();
            let own = partition(word);
            assert_eq!(
                reflected.offset("words", own),
                position.offset("words", own)
            );
            sent_on += usize::from(ask(address, &path).status == 307);
        }
        let read = |running: &Running| {
            let view = running.store("counts").unwrap().key_value::<String, u64>();
            view.unwrap().get(&word.to_owned())
        };
        let (found, absent) = match (read(&first), read(&second)) {
            (Ok(found), Err(absent)) => (found, (absent, &addresses[0])),
            (Err(absent), Ok(found)) => (found, (absent, &addresses[1])),
            other => panic!("{word}: {other:?}"),
        };
        assert_eq!(found, Some((3, 2000)));
        match absent {
            (
                QueryError::NotHere {
                    owner,
                    partition: at,
                    ..
                },
                address,
            ) => {
                assert_eq!((owner.as_ref(), at), (Some(address), partition(word)));
            }
            (other, _) => panic!("{other}"),
        }
    }
    assert_eq!(
        sent_on,
        VOCABULARY.len(),
        "each by the one that does not have it"
    );
    cluster.stop(first);
    cluster.stop(second);
}

#[test]
fn when_an_owner_dies_who_takes_over_answers_for_it() {
    let cluster = cluster();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(&cluster, 2);
    let survivor = app(&cluster, one.path()).start(topology).unwrap();
    let dying = app(&cluster, two.path()).start(topology).unwrap();
    let address = address(&survivor);
    eventually("both have partitions", || {
        let parts = |running: &Running| running.store("counts").unwrap().partitions().len();
        (parts(&survivor) > 0 && parts(&dying) > 0).then_some(())
    });
    dying.abandon();
    write(&cluster, 1);
    let position = last_written(&cluster, "words");
    for word in VOCABULARY {
        // Sent to an owner that is dead, or told that nobody has it, until the group has noticed.
        eventually("the survivor answers", || {
            let path = format!("/stores/counts/get?key={word}&position={position}&wait=500");
            let answer = ask(&address, &path);
            let known = [200, 307, 503, 504].contains(&answer.status);
            assert!(known, "{} {}", answer.status, answer.body);
            (answer.status == 200).then(|| assert_eq!(answer.body["value"], 3, "{word}"))
        });
    }
    eventually("the dead one is forgotten", || {
        (survivor.instances().len() == 1).then_some(())
    });
    cluster.stop(survivor);
}

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

#[test]
fn ranges_come_in_order_of_keys_in_pages_that_a_cursor_joins() {
    let cluster = cluster();
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 1);
    let running = cluster.run(app(&cluster, directory.path()).start(topology).unwrap());
    let store = running.store("counts").unwrap();
    let store = wait(store.at_least(&last_written(&cluster, "words"), PATIENCE)).unwrap();
    let counts = store.key_value::<String, u64>().unwrap();
    let keys = |from: &str, to: &str| -> Vec<String> {
        let range = counts.range(from.to_owned()..to.to_owned()).unwrap();
        range.map(|entry| entry.unwrap().key).collect()
    };
    assert_eq!(keys("figs", "oil"), ["figs", "honey", "milk"]);
    assert!(keys("oil", "figs").is_empty());
    let all: Vec<_> = counts
        .all()
        .unwrap()
        .map(|entry| entry.unwrap().key)
        .collect();
    assert_eq!(all, VOCABULARY);

    let address = address(&running);
    let (mut paged, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let answer = ask(&address, &format!("/stores/counts/range?limit=3{cursor}"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let rows = answer.body["rows"].as_array().unwrap();
        assert!(rows.len() <= 3);
        paged.extend(
            rows.iter()
                .map(|row| row["key"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        match answer.body["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(
        (paged.as_slice(), pages),
        (&VOCABULARY.map(str::to_owned)[..], 3)
    );
    let answer = ask(&address, "/stores/counts/range?from=honey&to=oil");
    assert_eq!(
        answer.body["rows"].as_array().unwrap().len(),
        3,
        "both ends"
    );
    for asked in [
        "limit=0",
        "limit=1001",
        "limit=many",
        "cursor=a",
        "colour=red",
    ] {
        let answer = ask(&address, &format!("/stores/counts/range?{asked}"));
        assert_eq!(
            (answer.status, code(&answer)),
            (400, "bad_request"),
            "{asked}"
        );
    }
    cluster.stop(running);
}

#[test]
fn windows_sessions_and_past_values_are_read_by_key_and_time() {
    let cluster = cluster();
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 3);
    for (rate, at) in [("5", 1_000_000), ("6", 2_000_000), ("7", 3_000_000)] {
        cluster.write("rates", [(partition("eur"), "eur", rate, at)]);
    }
    let running = cluster.run(app(&cluster, directory.path()).start(topology).unwrap());
    let salt = "salt".to_owned();
    let words = last_written(&cluster, "words");
    let windows = running.store("per-second").unwrap();
    let windows = wait(windows.at_least(&words, PATIENCE)).unwrap();
    let windows = windows.window::<String, u64>().unwrap();
    let found = windows.fetch(&salt, 0..=5000, 10).unwrap().value;
    let found: Vec<_> = found.iter().map(|row| (row.start, row.value)).collect();
    assert_eq!(found, [(1000, 2), (2000, 1)]);
    assert_eq!(windows.get(&salt, 2000).unwrap(), Some((1, 2000)));
    assert_eq!(windows.get(&salt, 2001).unwrap(), None);
    let all = windows.fetch_all(2000..=3000, 100).unwrap().value;
    assert_eq!(all.len(), VOCABULARY.len());
    let sessions = running.store("visits").unwrap();
    let sessions = wait(sessions.at_least(&words, PATIENCE)).unwrap();
    let found = sessions.session::<String, u64>().unwrap();
    let found = found.fetch(&salt, 1200..=1800, 10).unwrap().value;
    assert_eq!((found.len(), found[0].start, found[0].end), (1, 1500, 1500));
    let rates = running.store("rates").unwrap();
    let rates = wait(rates.at_least(&last_written(&cluster, "rates"), PATIENCE)).unwrap();
    let rates = rates.versioned::<String, u64>().unwrap();
    let eur = "eur".to_owned();
    assert_eq!(rates.get(&eur).unwrap(), Some((7, 3_000_000)));
    for (time, expected) in [
        (999_999, None),
        (1_000_000, Some((5, 1_000_000))),
        (2_999_999, Some((6, 2_000_000))),
        (9_000_000, Some((7, 3_000_000))),
    ] {
        assert_eq!(rates.get_as_of(&eur, time).unwrap(), expected, "{time}");
    }

    let address = address(&running);
    let answer = ask(&address, "/stores/per-second/window?key=salt&limit=1");
    assert_eq!(answer.body["windows"][0]["value"], 2, "{}", answer.body);
    let cursor = answer.body["cursor"].as_str().unwrap().to_owned();
    let path = format!("/stores/per-second/window?key=salt&limit=1&cursor={cursor}");
    let answer = ask(&address, &path);
    assert_eq!(answer.body["windows"][0]["start"], 2000);
    assert!(answer.body["cursor"].is_null());
    let answer = ask(&address, "/stores/visits/window?key=salt&from=1200&to=1800");
    assert_eq!(answer.body["windows"][0]["end"], 1500, "{}", answer.body);
    let answer = ask(&address, "/stores/rates/get?key=eur&as_of=2500000");
    assert_eq!(answer.body["value"], 6, "{}", answer.body);
    cluster.stop(running);
}

#[test]
fn a_copy_is_read_only_by_who_takes_what_may_be_old() {
    let cluster = cluster();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(&cluster, 3);
    let start = |directory: &Path| {
        app(&cluster, directory)
            .standbys(1)
            .start(topology)
            .unwrap()
    };
    let running = [start(one.path()), start(two.path())];
    let addresses = [address(&running[0]), address(&running[1])];
    for word in VOCABULARY {
        for address in &addresses {
            let path = format!("/stores/counts/get?key={word}&stale=true");
            eventually("the store or its copy is here", || {
                let answer = ask(address, &path);
                (answer.status == 200 && answer.body["value"] == 3).then_some(())
            });
        }
        eventually(
            "one has it, and the other does not take its copy for it",
            || {
                let mut asked = addresses.each_ref().map(|address| {
                    let path = format!("/stores/counts/get?key={word}");
                    ask(address, &path).status
                });
                asked.sort_unstable();
                (asked == [200, 307]).then_some(())
            },
        );
    }
    for running in running {
        cluster.stop(running);
    }
}

#[test]
fn unknown_stores_and_stores_of_another_kind_are_told_with_what_there_is() {
    let cluster = cluster();
    let directory = tempfile::tempdir().unwrap();
    let running = cluster.run(app(&cluster, directory.path()).start(topology).unwrap());
    let unknown = running.store("elsewhere").unwrap_err().to_string();
    for name in ["counts", "per-second", "visits", "rates"] {
        assert!(unknown.contains(name), "{unknown}");
    }
    let wrong = running.store("counts").unwrap().window::<String, u64>();
    let Err(QueryError::WrongKind { kind, asked, .. }) = wrong else {
        panic!("a key-value store has no windows");
    };
    assert_eq!((kind, asked), ("key-value", "window"));
    let address = address(&running);
    for (path, status, expected) in [
        ("/stores/elsewhere/get?key=a", 404, "unknown_store"),
        ("/stores/counts/window?key=a", 400, "wrong_kind"),
        ("/stores/visits/get?key=a", 400, "wrong_kind"),
        ("/stores/counts/get", 400, "bad_request"),
        ("/stores/counts/get?key=a&partition=9", 400, "bad_request"),
        ("/stores/counts/get?key=a&position=b", 400, "bad_position"),
        (
            "/stores/counts/get?key=a&position=b:1:1",
            400,
            "unrelated_topic",
        ),
        ("/elsewhere", 404, "no_such_path"),
    ] {
        let answer = ask(&address, path);
        assert_eq!((answer.status, code(&answer)), (status, expected), "{path}");
    }
    let answer = ask_as("rebound.example:80", &address, "/stores");
    assert_eq!((answer.status, code(&answer)), (403, "foreign_host"));
    let answer = ask_as("localhost", &address, "/stores");
    let stores = answer.body["stores"].as_array().unwrap();
    let counts = stores
        .iter()
        .find(|store| store["name"] == "counts")
        .unwrap();
    assert_eq!(counts["kind"], "key-value");
    assert_eq!(counts["keys"], "string");
    assert_eq!(counts["here"].as_array().unwrap().len(), 4);
    cluster.stop(running);
}

#[test]
fn an_address_that_stands_for_all_needs_one_by_which_others_find_the_instance() {
    let cluster = cluster();
    let directory = tempfile::tempdir().unwrap();
    let app = cluster.app(directory.path()).queries("0.0.0.0:0");
    let refused = app.start(topology).unwrap_err().to_string();
    assert!(refused.contains("App::advertised"), "{refused}");
}

#[test]
fn without_an_address_nothing_is_told_and_no_topic_is_made() {
    let cluster = cluster();
    let directory = tempfile::tempdir().unwrap();
    let running = cluster.run(cluster.app(directory.path()).start(topology).unwrap());
    assert!(running.instances().is_empty());
    assert!(!cluster.partition_counts().contains_key("app-instances"));
    cluster.stop(running);
    let directory = tempfile::tempdir().unwrap();
    let app = cluster.app(directory.path()).advertised("shop-1:9000");
    let running = cluster.run(app.start(topology).unwrap());
    assert_eq!(address(&running), "shop-1:9000");
    cluster.stop(running);
    let told = cluster.read("app-instances");
    assert_eq!(told.last().unwrap().value, "null", "a stop is told");
    assert_eq!(
        cluster.topic_config("app-instances", "cleanup.policy"),
        "compact"
    );
}
