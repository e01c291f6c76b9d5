//! An order's way through all services.

use headwater_ordering::caught_mails;
use serde_json::Value;

use crate::shop::{BAD_CARD, GOOD_CARD, Site};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_end_delivered_or_rejected_with_mails_charges_and_facts() {
    let site = Site::new().await;
    let shop = site.open().await;
    let mut changes = shop.ordering.feed().changes();
    let good = shop.place("k-good", GOOD_CARD).await;
    let bad = shop.place("k-bad", BAD_CARD).await;
    let rejected = shop.wait(&bad, "rejected").await;
    assert_eq!(rejected["reason"], "card_declined");
    let delivered = shop.wait(&good, "delivered").await;
    assert!(delivered["driver"].is_string());
    for n in 0..20 {
        shop.place(&format!("k-{n}"), GOOD_CARD).await;
    }
    let report = site.settle(22).await;
    assert!(report.holds(), "{report:?}");
    assert_eq!(report.dead_letters, 0);

    let mails = caught_mails(site.path()).await.unwrap();
    let about = |subject: &str| {
        mails
            .iter()
            .filter(|mail| mail.subject.contains(subject))
            .count()
    };
    assert_eq!(
        (about("is confirmed"), about("could not be carried out")),
        (21, 1)
    );
    assert!(
        mails
            .iter()
            .all(|mail| mail.recipient == "c-1@customers.example")
    );

    assert_eq!(
        site.number(
            "transactions",
            "SELECT count(*) FROM payments WHERE status = 'charged'"
        )
        .await,
        21
    );
    // received 22, confirmed, processed, assigned and delivered 21 each, rejected 1.
    assert_eq!(
        site.number("analytics", "SELECT count(*) FROM facts").await,
        22 + 4 * 21 + 1
    );
    let places =
        "SELECT count(*) FROM (SELECT DISTINCT topic, partition, record_offset FROM facts)";
    assert_eq!(site.number("analytics", places).await, 107);

    let overview = shop.ordering.feed().overview().await.unwrap();
    assert_eq!(
        (overview.received_total, overview.delivered_total),
        (22, 21)
    );
    assert_eq!(overview.newest.len(), 20);
    assert!(
        overview.invariants.iter().all(|invariant| invariant.holds),
        "{:?}",
        overview.invariants
    );
    assert!(changes.try_recv().is_ok());
    check_timeline(
        &shop
            .ordering
            .feed()
            .timeline(&good)
            .await
            .unwrap()
            .unwrap()
            .events,
    );
    assert!(
        shop.ordering
            .feed()
            .timeline("nobody")
            .await
            .unwrap()
            .is_none()
    );
    shop.close().await;
    site.clean_up().await;
}

fn check_timeline(events: &[headwater_console::TimelineEvent]) {
    let types: Vec<&str> = events
        .iter()
        .map(|event| event.event_type.as_str())
        .collect();
    assert_eq!(types.len(), 5, "{types:?}");
    let services: Vec<&str> = events.iter().map(|event| event.service.as_str()).collect();
    assert_eq!(
        services,
        ["orders", "transactions", "emails", "drivers", "drivers"]
    );
    for pair in events.windows(2) {
        assert_eq!(
            pair[1].causation_id.as_deref(),
            Some(pair[0].event_id.as_str()),
            "each is caused by the one before"
        );
        assert_eq!(pair[1].correlation_id, pair[0].correlation_id);
        let trace = |event: &headwater_console::TimelineEvent| {
            event.traceparent.as_deref().unwrap()[..35].to_owned()
        };
        assert_eq!(trace(&pair[1]), trace(&pair[0]));
        assert_ne!(pair[1].traceparent, pair[0].traceparent, "a span per hop");
    }
    assert!(
        events[0].payload["items"]
            .as_array()
            .is_some_and(|items| items.len() == 2)
    );
    assert_eq!(
        events[0].payload.get("card"),
        None::<&Value>,
        "no card number leaves the API"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_that_were_stopped_go_on_where_they_were() {
    let site = Site::new().await;
    let shop = site.open().await;
    for n in 0..10 {
        shop.place(&format!("a-{n}"), GOOD_CARD).await;
    }
    shop.close().await;
    let shop = site.open().await;
    for n in 0..10 {
        shop.place(&format!("b-{n}"), GOOD_CARD).await;
        // The client that never got its answer repeats.
        shop.place(&format!("a-{n}"), GOOD_CARD).await;
    }
    let report = site.settle(20).await;
    assert!(report.holds(), "{report:?}");
    shop.close().await;
    site.clean_up().await;
}
