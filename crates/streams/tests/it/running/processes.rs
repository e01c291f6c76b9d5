//! Instances in processes of their own, killed and frozen at any moment.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use headwater_streams::{App, Membership};
use headwater_testkit::{Process, Signal};

use super::cluster::{Cluster, eventually};
use super::word_count::{assert_exactly_once, cluster, expected, topology, wait_for, write};

/// Tells a child of this test program to be an instance: `bootstrap|directory|commit interval in ms`.
const INSTANCE: &str = "HEADWATER_STREAMS_INSTANCE";

/// Does nothing, unless it is the child of another test: then it runs an application until it is killed.
#[test]
fn an_instance_in_a_process_of_its_own() {
    let Ok(settings) = std::env::var(INSTANCE) else {
        return;
    };
    let settings: Vec<_> = settings.split('|').collect();
    let [bootstrap, directory, commit_ms] = settings[..] else {
        panic!("{settings:?}");
    };
    let running = App::new("app")
        .bootstrap(bootstrap)
        .state_dir(directory)
        .exactly_once()
        .membership(Membership::Static)
        .commit_interval(Duration::from_millis(commit_ms.parse().unwrap()))
        .set("consumer.session.timeout.ms", "6000")
        .set("producer.transaction.timeout.ms", "5000")
        .start(topology)
        .unwrap();
    println!("started");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(running.ended()).unwrap();
}

fn instance(cluster: &Cluster, directory: &Path, commit: Duration) -> Process {
    let settings = format!(
        "{}|{}|{}",
        cluster.bootstrap(),
        directory.display(),
        commit.as_millis()
    );
    let mut process = Process::start(
        Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "running::processes::an_instance_in_a_process_of_its_own",
            ])
            .args(["--nocapture", "--test-threads=1"])
            .env(INSTANCE, settings),
        &directory.join("log"),
    )
    .unwrap();
    while !process
        .next_line(Duration::from_mins(1))
        .unwrap()
        .ends_with("started")
    {}
    process
}

#[test]
fn kill_9_at_any_moment_leaves_results_as_if_nothing_had_happened() {
    let cluster = cluster(2);
    let directory = tempfile::tempdir().unwrap();
    let mut words = 0;
    for round in 0..6 {
        write(&cluster, 2, 700);
        words += 700;
        let mut killed = instance(&cluster, directory.path(), Duration::from_millis(20));
        let before = cluster.read("counts").len();
        // At the start, early, in the middle, and when all is done.
        let further = [0, 1, 70, 300, 600, 700][round];
        eventually("some results", || {
            let now = cluster.read("counts").len();
            (now >= (before + further).min(words)).then_some(())
        });
        killed.kill();
    }
    let _running = instance(&cluster, directory.path(), Duration::from_millis(20));
    wait_for(&cluster, words);
    assert_exactly_once(&cluster);
}

#[test]
fn a_zombie_that_wakes_up_after_its_successor_took_over_changes_nothing() {
    let cluster = cluster(1);
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let zombie = instance(&cluster, one.path(), Duration::from_secs(3));
    write(&cluster, 1, 700);
    // It is frozen with a transaction open, or with one just begun: either way its work is not its own any more.
    eventually("it writes", || {
        let (_, end) = cluster.offsets("app-by-word-repartition", 0);
        (end > 0).then_some(())
    });
    zombie.signal(Signal::STOP).unwrap();

    let _successor = instance(&cluster, two.path(), Duration::from_millis(50));
    wait_for(&cluster, 700);
    zombie.signal(Signal::CONT).unwrap();
    write(&cluster, 1, 700);
    wait_for(&cluster, 1400);
    // Long enough for the zombie's next commits.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(cluster.table("counts"), expected(1400));
    assert_exactly_once(&cluster);
}
