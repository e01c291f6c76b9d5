//! The one event stream of a tab.

use crate::scripted::{NewItem, NewOrder};
use crate::served::{NOBODY, Served};

fn one_order(card: Option<&str>) -> NewOrder {
    let items = vec![NewItem {
        product_id: "p-3".into(),
        quantity: 1,
    }];
    NewOrder {
        customer_id: "c-7".into(),
        items,
        card: card.map(str::to_owned),
    }
}

#[tokio::test]
async fn figures_and_changes_share_one_stream() {
    let served = Served::start(NOBODY).await;
    let mut events = served.events("overview,changes").await;
    assert_eq!(events.next().await.unwrap().0, "hello");
    events
        .until("overview", |overview| overview["received_total"] == 0)
        .await;
    let id = served.shop.place(&one_order(None)).unwrap();
    events
        .until("changes", |changes| {
            changes
                .as_array()
                .unwrap()
                .iter()
                .any(|change| change["order_id"] == id && change["state"] == "delivered")
        })
        .await;
    events
        .until("overview", |overview| overview["delivered_total"] == 1)
        .await;
}

#[tokio::test]
async fn an_order_is_shown_from_before_it_exists_until_it_is_delivered() {
    let served = Served::start(NOBODY).await;
    let mut events = served.events("order:not-there").await;
    events.until("order", serde_json::Value::is_null).await;

    let id = served.shop.place(&one_order(None)).unwrap();
    let mut events = served.events(&format!("order:{id}")).await;
    let last = events
        .until("order", |timeline| {
            timeline["order"]["state"] == "delivered"
        })
        .await;
    assert_eq!(last["events"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_declined_order_ends_with_its_reason() {
    let served = Served::start(NOBODY).await;
    let id = served
        .shop
        .place(&one_order(Some("4000000000000002")))
        .unwrap();
    let mut events = served.events(&format!("order:{id}")).await;
    let last = events
        .until("order", |timeline| timeline["order"]["state"] == "rejected")
        .await;
    assert!(
        last["order"]["reason"]
            .as_str()
            .unwrap()
            .contains("declined")
    );
}

#[tokio::test]
async fn a_stream_that_cannot_be_opened_says_why() {
    let served = Served::start(NOBODY).await;
    let many = ["changes"; 9].join(",");
    for topics in ["", "everything", "tail:", many.as_str()] {
        let (status, problem) = served.json(&format!("/api/events?topics={topics}")).await;
        assert_eq!(status, 400, "{topics}");
        assert!(!problem["remedy"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn open_streams_and_tails_are_bounded_and_free_again_once_closed() {
    let served = Served::start(NOBODY).await;
    let mut open = Vec::new();
    let refused = loop {
        let response = served
            .get("/api/events?topics=changes")
            .send()
            .await
            .unwrap();
        if response.status() != 200 {
            break response.status();
        }
        open.push(response);
        assert!(open.len() < 1_000, "the number of streams is bounded");
    };
    assert_eq!(refused, 503);
    drop(open);
    // The server learns of a closed connection when it next writes or reads.
    loop {
        if served
            .get("/api/events?topics=changes")
            .send()
            .await
            .unwrap()
            .status()
            == 200
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
