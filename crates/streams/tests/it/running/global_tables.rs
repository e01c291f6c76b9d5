//! Global tables: whole in each instance, on disk if wanted, and queried.

use std::ops::Bound;

use headwater_streams::query::{Position, QueryError};
use headwater_streams::{App, Builder, Running, Topic};

use super::cluster::{Cluster, PATIENCE, eventually};

const SALES: Topic<String, u64> = Topic::json("sales");
const PRICES: Topic<String, u64> = Topic::json("items");
const SOLD: Topic<String, u64> = Topic::json("sold");

fn joined(b: &Builder, items: &headwater_streams::GlobalTable<String, u64>) {
    b.stream(SALES)
        .join_global(items, |key: Option<&String>, _: &u64| key.cloned())
        .map(|(count, price)| count * price)
        .to(SOLD);
}

fn in_memory(b: &Builder) {
    joined(b, &b.global_table(PRICES, "items"));
}

fn on_disk(b: &Builder) {
    joined(b, &b.global_table_on_disk(PRICES, "items"));
}

fn cluster() -> Cluster {
    let cluster = Cluster::with(&[("sales", 1), ("sold", 1)]);
    cluster.make_with("items", 3, &[("cleanup.policy", "compact,delete")]);
    // Each where Kafka's partitioner would not have put it, some of them.
    let rows = [(0, "cup", "30"), (1, "jug", "40"), (2, "pan", "50")];
    cluster.write(
        "items",
        rows.map(|(partition, key, value)| (partition, key, value, 5)),
    );
    cluster
}

fn start(cluster: &Cluster, directory: &std::path::Path, topology: fn(&Builder)) -> Running {
    let app: App = cluster.app(directory).queries("127.0.0.1:0");
    cluster.run(app.start(topology).unwrap())
}

fn is_queried(topology: fn(&Builder)) {
    let cluster = cluster();
    let directory = tempfile::tempdir().unwrap();
    let running = start(&cluster, directory.path(), topology);
    let store = running.store("items").unwrap();
    let view = store.key_value::<String, u64>().unwrap();
    for (key, value) in [("cup", 30), ("jug", 40), ("pan", 50)] {
        let found = view.get(&key.to_owned()).unwrap();
        assert_eq!(found, Some((value, 5)));
    }
    let keys: Vec<_> = view.all().unwrap().map(|row| row.unwrap().key).collect();
    assert_eq!(keys, ["cup", "jug", "pan"]);

    // A producer reads its own writes here too.
    cluster.write("items", [(1, "jug", "45", 6)]);
    let (_, end) = cluster.offsets("items", 1);
    let written = Position::new().with("items", 1, end - 1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let fresh = runtime
        .block_on(store.at_least(&written, PATIENCE))
        .unwrap();
    let fresh = fresh.key_value::<String, u64>().unwrap();
    let answer = fresh.ask(&"jug".to_owned()).unwrap();
    assert_eq!(answer.value, Some((45, 6)));

    cluster.write("sales", [(0, "jug", "2", 7)]);
    eventually("it is joined", || {
        let sold = cluster.read("sold");
        (sold.first()?.value == "90").then_some(())
    });
    let address = eventually("it tells where it answers", || {
        Some(running.instances().first()?.address.clone())
    });
    let answer = super::queries::ask(&address, "/stores/items/get?key=pan");
    assert_eq!(
        (answer.status, answer.body["value"].as_u64()),
        (200, Some(50))
    );
    let answer = super::queries::ask(&address, "/stores/items/range?from=d&to=k");
    assert_eq!(answer.body["rows"].as_array().unwrap().len(), 1);
    cluster.stop(running);
    assert!(matches!(
        view.get(&"cup".to_owned()),
        Err(QueryError::NotRunning { .. })
    ));
}

#[test]
fn a_global_table_in_memory_is_queried_by_key_range_and_position() {
    is_queried(in_memory);
}

#[test]
fn a_global_table_on_disk_is_queried_by_key_range_and_position() {
    is_queried(on_disk);
}

#[test]
fn a_global_table_on_disk_reads_only_what_is_new_when_it_starts_again() {
    let cluster = cluster();
    let directory = tempfile::tempdir().unwrap();
    let running = start(&cluster, directory.path(), on_disk);
    cluster.stop(running);
    // What it has already is gone from the topic: read again from there, the table would be without it.
    cluster.write("items", [(0, "pot", "60", 8)]);
    cluster.delete_records("items", 0, 1);
    let running = start(&cluster, directory.path(), on_disk);
    let view = running
        .store("items")
        .unwrap()
        .key_value::<String, u64>()
        .unwrap();
    let range = (Bound::Included("c".to_owned()), Bound::Unbounded);
    let keys: Vec<_> = view
        .range(range)
        .unwrap()
        .map(|row| row.unwrap().key)
        .collect();
    assert_eq!(keys, ["cup", "jug", "pan", "pot"]);
    cluster.stop(running);

    // What is older than the topic's first record and was not read may hide deletes: it begins anew.
    cluster.write("items", [(0, "lid", "70", 9), (0, "rim", "80", 9)]);
    cluster.delete_records("items", 0, 3);
    let running = start(&cluster, directory.path(), on_disk);
    let view = running
        .store("items")
        .unwrap()
        .key_value::<String, u64>()
        .unwrap();
    let keys: Vec<_> = view.all().unwrap().map(|row| row.unwrap().key).collect();
    assert_eq!(keys, ["jug", "pan", "rim"]);
    cluster.stop(running);
}
