//! Workers that do not come back from the program's closures.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use headwater_streams::{App, Builder, State, Topic};

use super::cluster::{Cluster, eventually};

const LINES: Topic<String, String> = Topic::string("lines");
const RESULTS: Topic<String, String> = Topic::string("results");

/// Holds up whoever maps the line `hang`, until it is opened.
#[derive(Default)]
struct Gate {
    reached: AtomicBool,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn pass(&self) {
        self.reached.store(true, Ordering::Release);
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_while(open, |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

fn topology(gate: &Arc<Gate>) -> impl Fn(&Builder) + Send + Sync + 'static {
    let gate = Arc::clone(gate);
    move |b: &Builder| {
        let gate = Arc::clone(&gate);
        b.stream(LINES)
            .map(move |line| {
                if line == "hang" {
                    gate.pass();
                }
                line
            })
            .to(RESULTS);
    }
}

fn app(cluster: &Cluster, directory: &tempfile::TempDir) -> App {
    cluster
        .app(directory.path())
        .exactly_once()
        .set("consumer.max.poll.interval.ms", "6000")
}

fn write(cluster: &Cluster, line: &str) {
    cluster.write("lines", [(0, "key", line, 1)]);
}

fn results(cluster: &Cluster) -> Vec<String> {
    let read = cluster.read("results").into_iter();
    read.map(|record| record.value).collect()
}

fn wait_for(cluster: &Cluster, wanted: &[&str]) {
    eventually("the results", || {
        (results(cluster).len() >= wanted.len()).then_some(())
    });
    assert_eq!(results(cluster), wanted);
}

#[test]
fn a_worker_that_hangs_leaves_its_tasks_to_others_and_comes_back_with_nothing_done_twice() {
    let cluster = Cluster::with(&[("lines", 1), ("results", 1)]);
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let gate = Arc::new(Gate::default());
    let hangs = cluster.run(app(&cluster, &one).start(topology(&gate)).unwrap());
    write(&cluster, "first");
    wait_for(&cluster, &["first"]);
    write(&cluster, "hang");
    eventually("it hangs", || {
        gate.reached.load(Ordering::Acquire).then_some(())
    });
    // Nobody else is there: it is noticed all the same.
    eventually("the group is left", || {
        (hangs.state() == State::Rebalancing).then_some(())
    });

    let open = Arc::new(Gate::default());
    open.open();
    let other = app(&cluster, &two).start(topology(&open)).unwrap();
    write(&cluster, "last");
    wait_for(&cluster, &["first", "hang", "last"]);

    gate.open();
    eventually("it is back", || {
        (hangs.state() == State::Running).then_some(())
    });
    cluster.stop(other);
    write(&cluster, "after");
    wait_for(&cluster, &["first", "hang", "last", "after"]);
    cluster.stop(hangs);
}

#[test]
fn a_rebalance_does_not_wait_for_ever_for_a_worker_that_hangs() {
    let cluster = Cluster::with(&[("lines", 1), ("results", 1)]);
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let gate = Arc::new(Gate::default());
    let hangs = cluster.run(app(&cluster, &one).start(topology(&gate)).unwrap());
    write(&cluster, "hang");
    eventually("it hangs", || {
        gate.reached.load(Ordering::Acquire).then_some(())
    });
    let open = Arc::new(Gate::default());
    open.open();
    let other = app(&cluster, &two).start(topology(&open)).unwrap();
    wait_for(&cluster, &["hang"]);
    gate.open();
    eventually("it is back", || {
        (hangs.state() == State::Running).then_some(())
    });
    cluster.stop(hangs);
    write(&cluster, "after");
    wait_for(&cluster, &["hang", "after"]);
    cluster.stop(other);
}
