//! Copies of stores, beyond what a rebalance shows of them.

use std::path::Path;

use headwater_streams::{Builder, Running, Topic};

use super::cluster::{Cluster, eventually};

const PRICES: Topic<String, u64> = Topic::json("prices");
const SEEN: Topic<String, u64> = Topic::json("seen");

/// A table whose input is its changelog.
fn topology(b: &Builder) {
    b.table(PRICES, "prices")
        .to_stream()
        .map(Option::unwrap_or_default)
        .to(SEEN);
}

fn start(cluster: &Cluster, directory: &Path) -> Running {
    let app = cluster.app(directory).standbys(1);
    cluster.run(app.start(topology).unwrap())
}

/// The price of a cup, as the copy of partition 0 has it.
fn copied(running: &Running) -> Option<String> {
    let found = running.standby("prices", 0)?.get(b"cup").unwrap()?;
    Some(String::from_utf8_lossy(&found.value).into_owned())
}

#[test]
fn a_standby_of_a_table_reads_the_tables_input_and_its_task_goes_on_from_there() {
    let cluster = Cluster::with(&[("seen", 1)]);
    cluster.make_with("prices", 1, &[("cleanup.policy", "compact")]);
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    cluster.write("prices", [(0, "cup", "30", 5)]);
    let (first, second) = (start(&cluster, one.path()), start(&cluster, two.path()));
    assert!(
        !cluster
            .partition_counts()
            .contains_key("app-prices-changelog"),
        "the input is the changelog"
    );
    let first_stands_by = eventually("one of them has the copy", || {
        match (copied(&first), copied(&second)) {
            (Some(price), None) if price == "30" => Some(true),
            (None, Some(price)) if price == "30" => Some(false),
            _ => None,
        }
    });
    let (runs, stands_by) = if first_stands_by {
        (second, first)
    } else {
        (first, second)
    };
    cluster.write("prices", [(0, "cup", "35", 6)]);
    eventually("the copy follows", || {
        (copied(&stands_by)? == "35").then_some(())
    });
    let restored = |running: &Running| -> u64 {
        let workers = running.metrics().workers;
        workers.iter().map(|worker| worker.restored_records).sum()
    };
    let before = restored(&stands_by);
    cluster.stop(runs);
    eventually("it is the store now", || {
        let store = stands_by.store("prices").unwrap();
        let view = store.key_value::<String, u64>().unwrap();
        let found = view.get(&"cup".to_owned()).ok()??;
        (found == (35, 6)).then_some(())
    });
    assert_eq!(restored(&stands_by), before, "nothing had to be restored");
    cluster.stop(stands_by);
}
