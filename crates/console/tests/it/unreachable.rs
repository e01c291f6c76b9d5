//! A Kafka that is not there: clear errors, and nothing hangs.

use crate::served::{NOBODY, Served};

#[tokio::test]
async fn every_question_to_kafka_is_answered_with_cause_and_remedy() {
    let served = Served::start(NOBODY).await;
    for path in [
        "/api/store",
        "/readyz",
        "/api/topics/any/records",
        "/api/topics/any/records/0/0",
    ] {
        let (status, problem) = served.json(path).await;
        assert!(matches!(status, 502..=504), "{path}: {status}");
        assert!(
            problem["detail"].as_str().unwrap().contains(NOBODY),
            "{path}: {problem}"
        );
        assert!(
            problem["remedy"]
                .as_str()
                .unwrap()
                .contains("headwater broker"),
            "{path}: {problem}"
        );
    }
    assert_eq!(served.get("/livez").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_stream_goes_on_and_says_what_is_missing() {
    let served = Served::start(NOBODY).await;
    let mut events = served.events("overview,store,tail:any").await;
    let store = events
        .until("notice", |notice| notice["part"] == "store")
        .await;
    assert!(
        store["problem"]["remedy"]
            .as_str()
            .unwrap()
            .contains("headwater broker")
    );
    events
        .until("overview", |overview| overview["invariants"].is_array())
        .await;
    let mut events = served.events("tail:any").await;
    events
        .until("notice", |notice| {
            notice["part"] == "tail" && notice["problem"]["detail"].is_string()
        })
        .await;
}
