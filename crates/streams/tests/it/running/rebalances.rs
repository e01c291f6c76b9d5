//! Instances that come and go.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use headwater_streams::runtime::TaskId;
use headwater_streams::{App, Builder, Materialized, Membership, Running, State};

use super::cluster::{Cluster, eventually};
use super::word_count::{
    COUNTS, WORDS, assert_exactly_once, cluster, expected, topology, wait_for, write,
};

/// Two instances, begun by `start` in a directory each, share eight tasks; the second takes over what the first leaves.
fn share_and_take_over(cluster: &Cluster, start: impl Fn(&Path) -> Running) {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(cluster, 4, 700);
    let first = start(one.path());
    wait_for(cluster, 700);
    let second = start(two.path());
    let tasks = |running: &Running| -> usize {
        let workers = running.metrics().workers;
        workers.iter().map(|worker| worker.running).sum()
    };
    eventually("both have half of the tasks", || {
        (tasks(&first) == 4 && tasks(&second) == 4).then_some(())
    });
    write(cluster, 4, 700);
    wait_for(cluster, 1400);
    cluster.stop(first);
    eventually("the second has all of them", || {
        (tasks(&second) == 8).then_some(())
    });
    write(cluster, 4, 700);
    wait_for(cluster, 2100);
    cluster.stop(second);
    assert_exactly_once(cluster);
}

#[test]
fn two_instances_share_the_tasks_and_one_takes_over_what_the_other_leaves() {
    let cluster = cluster(4);
    share_and_take_over(&cluster, |directory| {
        let app = cluster.app(directory).exactly_once();
        app.start(topology).unwrap()
    });
}

#[test]
fn an_instance_that_returns_gets_its_tasks_back_and_the_other_never_stops() {
    let cluster = cluster(4);
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let app = |directory: &std::path::Path| {
        let app = cluster
            .app(directory)
            .membership(Membership::Static)
            .exactly_once();
        app.set("consumer.session.timeout.ms", "30000")
    };
    let stays = cluster.run(app(one.path()).start(topology).unwrap());
    let returns = cluster.run(app(two.path()).start(topology).unwrap());
    let tasks = |running: &Running| -> Vec<_> {
        let workers = running.metrics().workers;
        workers
            .iter()
            .flat_map(|worker| worker.tasks.keys().copied())
            .collect()
    };
    write(&cluster, 4, 700);
    wait_for(&cluster, 700);
    let (kept, had) = eventually("each knows its tasks", || {
        let (kept, had) = (tasks(&stays), tasks(&returns));
        (kept.len() == 4 && had.len() == 4).then_some((kept, had))
    });
    let mut states = stays.states();
    states.borrow_and_update();
    returns.abandon();
    let returned = cluster.run(app(two.path()).start(topology).unwrap());
    write(&cluster, 4, 700);
    wait_for(&cluster, 1400);
    let has = eventually("it knows its tasks", || {
        let has = tasks(&returned);
        (has.len() == 4).then_some(has)
    });
    assert_eq!(has, had);
    assert_eq!(tasks(&stays), kept);
    assert!(!states.has_changed().unwrap(), "no rebalance");
    assert_eq!(stays.state(), State::Running);
    cluster.stop(returned);
    cluster.stop(stays);
    assert_exactly_once(&cluster);
}

#[test]
fn what_an_instance_left_uncommitted_when_it_died_is_done_by_its_successor() {
    let cluster = cluster(2);
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(&cluster, 2, 700);
    let dies = cluster
        .app(one.path())
        .exactly_once()
        .commit_interval(std::time::Duration::from_hours(1))
        .set("producer.transaction.timeout.ms", "5000")
        .start(topology)
        .unwrap();
    eventually("it has processed all", || {
        (dies.metrics().records() >= 700).then_some(())
    });
    dies.abandon();
    assert!(cluster.read("counts").is_empty(), "and committed nothing");
    let successor = cluster
        .app(two.path())
        .exactly_once()
        .start(topology)
        .unwrap();
    wait_for(&cluster, 700);
    assert_eq!(cluster.table("counts"), expected(700));
    cluster.stop(successor);
    assert_exactly_once(&cluster);
}

#[test]
fn a_standby_follows_the_store_and_takes_over_with_nothing_to_restore() {
    let cluster = cluster(1);
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(&cluster, 1, 700);
    let start = |directory: &std::path::Path| {
        let app = cluster.app(directory).exactly_once().standbys(1);
        cluster.run(app.start(topology).unwrap())
    };
    let (first, second) = (start(one.path()), start(two.path()));
    wait_for(&cluster, 700);
    let salt = |running: &Running| {
        let found = running.standby("counts", 0)?.get(b"salt").unwrap()?;
        Some(String::from_utf8_lossy(&found.value).into_owned())
    };
    let first_stands_by = eventually("one of them has the copy", || {
        let copies = (salt(&first), salt(&second));
        match copies {
            (Some(count), None) if count == "100" => Some(true),
            (None, Some(count)) if count == "100" => Some(false),
            _ => None,
        }
    });
    let (runs, stands_by) = if first_stands_by {
        (second, first)
    } else {
        (first, second)
    };
    write(&cluster, 1, 700);
    eventually("the copy follows", || {
        (salt(&stands_by)? == "200").then_some(())
    });

    wait_for(&cluster, 1400);
    let restored = |running: &Running| -> u64 {
        let workers = running.metrics().workers;
        workers.iter().map(|worker| worker.restored_records).sum()
    };
    let before = restored(&stands_by);
    cluster.stop(runs);
    write(&cluster, 1, 700);
    wait_for(&cluster, 2100);
    let missing = restored(&stands_by) - before;
    assert!(
        missing <= 7,
        "at most what the last commit wrote: {missing}"
    );
    assert!(
        stands_by.standby("counts", 0).is_none(),
        "it is the store now"
    );
    cluster.stop(stands_by);
    assert_exactly_once(&cluster);
}

#[test]
fn a_group_of_kip_848_shares_the_tasks_too() {
    let cluster = cluster(4);
    share_and_take_over(&cluster, |directory| {
        let app = cluster.app_without_session(directory).exactly_once();
        app.set("group.protocol", "consumer")
            .start(topology)
            .unwrap()
    });
}

/// Counts in memory: what is not kept open has to be restored from the beginning.
fn in_memory(b: &Builder) {
    let counts = Materialized::named("counts").in_memory();
    b.stream(WORDS).count(counts).to(COUNTS);
}

/// A second instance comes and goes: the first restores those of its tasks that were away, and no others.
fn come_and_go(configure: impl Fn(&Cluster, &Path) -> App) {
    let cluster = cluster(4);
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let app = configure(&cluster, one.path());
    let app = app.on_restore(move |progress| telling.lock().unwrap().push(progress.clone()));
    // All is committed before anybody comes or goes: no commit of a rebalance can fail and begin anew.
    let count_to = |count: i64| {
        for round in [count - 1, count] {
            let keys = [(0, "salt"), (1, "oil"), (2, "figs"), (3, "milk")];
            cluster.write("words", keys.map(|(p, key)| (p, key, "", 1000 + round)));
        }
        eventually("all of them are counted, and that committed", || {
            let counts = cluster.table("counts");
            let all = counts.values().filter(|value| **value == count.to_string());
            (all.count() == 4).then_some(())
        });
    };
    let first = cluster.run(app.start(in_memory).unwrap());
    count_to(2);
    let second = configure(&cluster, two.path()).start(in_memory).unwrap();
    let tasks = |running: &Running| -> BTreeSet<TaskId> {
        let workers = running.metrics().workers;
        let tasks = workers
            .iter()
            .flat_map(|worker| worker.tasks.keys().copied());
        tasks.collect()
    };
    let stayed = eventually("both have half of the tasks", || {
        let (stayed, moved) = (tasks(&first), tasks(&second));
        (stayed.len() == 2 && moved.len() == 2 && stayed.is_disjoint(&moved)).then_some(stayed)
    });
    count_to(4);
    let workers = first.metrics().workers;
    let records: u64 = workers.iter().map(|worker| worker.restored_records).sum();
    assert_eq!(records, 0, "what the first has it has kept");
    cluster.stop(second);
    eventually("the first has all of them", || {
        (tasks(&first).len() == 4).then_some(())
    });
    count_to(6);
    let told = told.lock().unwrap();
    let restored = told.iter().filter(|step| step.restored > 0);
    let restored: BTreeSet<_> = restored.map(|step| step.task).collect();
    assert_eq!(
        restored,
        tasks(&first).difference(&stayed).copied().collect(),
        "those that came back, and no others"
    );
    drop(told);
    cluster.stop(first);
    assert_exactly_once(&cluster);
}

#[test]
fn tasks_that_stay_keep_their_stores_open_while_another_instance_comes_and_goes() {
    come_and_go(|cluster, directory| cluster.app(directory).exactly_once());
}

#[test]
fn tasks_that_stay_keep_their_stores_open_in_a_group_of_kip_848_too() {
    come_and_go(|cluster, directory| {
        let app = cluster.app_without_session(directory).exactly_once();
        app.set("group.protocol", "consumer")
    });
}
