//! What an application refuses to start with, and how it says so.

use std::path::Path;
use std::{fs, io};

use headwater_streams::{App, Builder};

use super::cluster::Cluster;
use super::word_count;

fn refused(app: App, topology: impl Fn(&Builder) + Send + Sync + 'static) -> String {
    app.start(topology).unwrap_err().to_string()
}

#[test]
fn a_missing_input_is_told_by_name() {
    let cluster = Cluster::with(&[]);
    let directory = tempfile::tempdir().unwrap();
    let told = refused(cluster.app(directory.path()), word_count::topology);
    assert!(told.contains("do not exist: words"), "{told}");
}

#[test]
fn an_inputs_changed_partition_count_is_a_clear_failure() {
    let cluster = word_count::cluster(1);
    let directory = tempfile::tempdir().unwrap();
    let running = cluster
        .app(directory.path())
        .start(word_count::topology)
        .unwrap();
    cluster.stop(running);
    cluster.delete("words");
    cluster.make("words", 3);
    let told = refused(cluster.app(directory.path()), word_count::topology);
    assert!(told.contains("has 1 partitions"), "{told}");
    assert!(
        told.contains("the number of partitions of an input was changed"),
        "{told}"
    );
    assert!(told.contains("reset the application"), "{told}");
}

#[test]
fn a_state_directory_in_use_is_refused() {
    let cluster = word_count::cluster(1);
    let directory = tempfile::tempdir().unwrap();
    let running = cluster
        .app(directory.path())
        .start(word_count::topology)
        .unwrap();
    let told = refused(cluster.app(directory.path()), word_count::topology);
    assert!(told.contains("in use by another instance"), "{told}");
    cluster.stop(running);
    let again = cluster
        .app(directory.path())
        .start(word_count::topology)
        .unwrap();
    cluster.stop(again);
}

/// Of the format before this one there is a directory that this one has not; later ones say which they are.
#[test]
fn state_of_another_version_is_refused_with_its_directory_and_what_to_do() {
    let cluster = word_count::cluster(1);
    let directory = tempfile::tempdir().unwrap();
    let stores = directory.path().join("app").join("stores");
    let left_by_others: [fn(&Path) -> io::Result<()>; 2] = [
        |stores| fs::create_dir(stores.join("keyspaces")),
        |stores| fs::write(stores.join("FORMAT"), "99\n"),
    ];
    for (leave, format) in left_by_others.iter().zip(["\"1\"", "\"99\""]) {
        fs::create_dir_all(&stores).unwrap();
        leave(&stores).unwrap();
        let told = refused(cluster.app(directory.path()), word_count::topology);
        assert!(told.contains(&stores.display().to_string()), "{told}");
        let reason = format!("written in format {format} by another version");
        assert!(told.contains(&reason), "{told}");
        let remedy = "delete the directory: it is restored from the changelog topics";
        assert!(told.contains(remedy), "{told}");
        fs::remove_dir_all(&stores).unwrap();
        let app = cluster.app(directory.path());
        cluster.stop(cluster.run(app.start(word_count::topology).unwrap()));
        fs::remove_dir_all(&stores).unwrap();
    }
}

#[test]
fn settings_that_cannot_work_are_told_before_anything_is_done() {
    let directory = tempfile::tempdir().unwrap();
    let app = App::new("app")
        .state_dir(directory.path())
        .set("enable.auto.commit", "true")
        .set("num.stream.threads", "few");
    let told = refused(app, word_count::topology);
    assert!(
        told.contains("`enable.auto.commit` is set by the runtime"),
        "{told}"
    );
    assert!(told.contains("`num.stream.threads` is a number"), "{told}");
    let unknown = App::new("app")
        .state_dir(directory.path())
        .set("no.such.setting", "1");
    let told = refused(unknown, word_count::topology);
    assert!(told.contains("no.such.setting"), "{told}");
    assert!(!directory.path().join("app").exists());
}

#[test]
fn an_internal_topic_with_the_wrong_cleanup_policy_is_refused() {
    let cluster = word_count::cluster(1);
    let directory = tempfile::tempdir().unwrap();
    cluster.make("app-counts-changelog", 1);
    let told = refused(cluster.app(directory.path()), word_count::topology);
    assert!(
        told.contains("app-counts-changelog has cleanup.policy=delete"),
        "{told}"
    );
}

#[test]
fn internal_topics_are_named_after_the_application_and_the_programs_names() {
    let cluster = word_count::cluster(2);
    let directory = tempfile::tempdir().unwrap();
    let running = cluster
        .app(directory.path())
        .start(word_count::topology)
        .unwrap();
    let counts = cluster.partition_counts();
    assert_eq!(counts.get("app-by-word-repartition"), Some(&2));
    assert_eq!(counts.get("app-counts-changelog"), Some(&2));
    cluster.stop(running);
}
