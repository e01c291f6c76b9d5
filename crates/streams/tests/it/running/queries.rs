//! Interactive queries: of a store in this process, and over HTTP from instance to instance.

mod positions;
mod stores;

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
