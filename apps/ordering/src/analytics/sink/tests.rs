use headwater_console::OrderChange;
use tokio::sync::broadcast;

use super::super::{SCHEMA, feed, prune};
use super::Sink;
use crate::contracts::{
    Context, Event, OrderConfirmed, OrderDelivered, OrderItem, OrderProcessed, OrderReceived,
};
use crate::database::Database;
use crate::database::tests::temporary;
use crate::inbox::tests::consumed;
use crate::kafka::{BatchHandler, ClusterSeen, Consumed};
use crate::service::Service;

fn sink() -> (Sink, broadcast::Receiver<OrderChange>) {
    let (sender, receiver) = broadcast::channel(64);
    (Sink::new(sender), receiver)
}

/// The events of one order from received to delivered, each at this offset of its topic.
fn story(order_id: &str, offset: i64) -> Vec<Consumed> {
    let items = vec![OrderItem {
        product_id: "p1".into(),
        name: "Tea".into(),
        quantity: 2,
        price_cents: 350,
    }];
    let (order_id, customer_id) = (order_id.to_owned(), "c".to_owned());
    let events = [
        Event::OrderReceived(OrderReceived {
            order_id: order_id.clone(),
            customer_id: customer_id.clone(),
            items: items.clone(),
            total_cents: 700,
            card_last4: None,
            created_at_ms: 0,
        }),
        Event::OrderConfirmed(OrderConfirmed {
            order_id: order_id.clone(),
            customer_id: customer_id.clone(),
            items,
            total_cents: 700,
            payment_id: "pay".into(),
        }),
        Event::OrderProcessed(OrderProcessed {
            order_id: order_id.clone(),
            customer_id: customer_id.clone(),
            message_id: "m".into(),
        }),
        Event::OrderDelivered(OrderDelivered {
            order_id: order_id.clone(),
            customer_id,
            driver: "Ada".into(),
            delivered_at_ms: 1,
        }),
    ];
    events
        .iter()
        .map(|event| consumed(event, &Context::start(Service::Orders, &order_id), offset))
        .collect()
}

async fn write(sink: &Sink, database: &Database, batch: &[Consumed]) {
    let mut tx = database.write().await.unwrap();
    let written = sink.apply(&mut tx, batch).await.unwrap();
    tx.commit().await.unwrap();
    sink.committed(written);
}

async fn scalar(database: &Database, sql: &'static str) -> i64 {
    sqlx::query_scalar::<_, Option<i64>>(sql)
        .fetch_one(database.read())
        .await
        .unwrap()
        .unwrap_or(0)
}

#[tokio::test]
async fn facts_and_sums_count_every_event_once() {
    let (_directory, database) = temporary(&[SCHEMA]).await;
    let (sink, mut changes) = sink();
    let batch = story("o-1", 0);
    write(&sink, &database, &batch).await;
    // Produced twice: the same events at later offsets.
    let again: Vec<Consumed> = batch
        .iter()
        .map(|record| Consumed {
            offset: record.offset + 1,
            ..record.clone()
        })
        .collect();
    write(&sink, &database, &again).await;
    assert_eq!(scalar(&database, "SELECT count(*) FROM facts").await, 4);
    assert_eq!(
        scalar(&database, "SELECT revenue_cents FROM items").await,
        700
    );
    assert_eq!(
        scalar(&database, "SELECT sum(revenue_cents) FROM minutes").await,
        700
    );
    assert_eq!(
        scalar(
            &database,
            "SELECT value FROM counters WHERE name = 'doubled_events'"
        )
        .await,
        4
    );
    assert_eq!(
        scalar(&database, "SELECT min(next_offset) FROM sources").await,
        2
    );
    let overview = feed::read_overview(
        &mut database.read().acquire().await.unwrap(),
        crate::contracts::now_ms(),
    )
    .await
    .unwrap();
    assert_eq!((overview.received_total, overview.delivered_total), (1, 1));
    assert_eq!(overview.revenue_per_minute.len(), 60);
    let states: Vec<_> = overview
        .orders_by_state
        .iter()
        .filter(|state| state.count > 0)
        .map(|state| &state.state)
        .collect();
    assert_eq!(states, ["delivered"]);
    assert!(
        overview.invariants.iter().all(|invariant| invariant.holds),
        "{:?}",
        overview.invariants
    );
    assert_eq!(overview.newest[0].items_count, 2);
    let seen: Vec<String> = std::iter::from_fn(|| changes.try_recv().ok())
        .map(|change| change.state)
        .collect();
    assert_eq!(seen, ["received", "confirmed", "processed", "delivered"]);
}

#[tokio::test]
async fn the_order_of_arrival_does_not_change_the_sums() {
    let (_directory, database) = temporary(&[SCHEMA]).await;
    let (sink, _changes) = sink();
    let mut batch = story("o-1", 0);
    batch.reverse();
    write(&sink, &database, &batch).await;
    let row: (String, i64, i64, i64) =
        sqlx::query_as("SELECT state, total_cents, charged_cents, received FROM order_view")
            .fetch_one(database.read())
            .await
            .unwrap();
    assert_eq!(row, ("delivered".to_owned(), 700, 700, 1));
    assert_eq!(
        scalar(&database, "SELECT sum(orders) FROM state_counts").await,
        1
    );
}

#[tokio::test]
async fn a_second_charge_is_noticed() {
    let (_directory, database) = temporary(&[SCHEMA]).await;
    let (sink, _changes) = sink();
    write(&sink, &database, &story("o-1", 0)).await;
    write(&sink, &database, &story("o-1", 1)[1..2]).await;
    let overview = feed::read_overview(
        &mut database.read().acquire().await.unwrap(),
        crate::contracts::now_ms(),
    )
    .await
    .unwrap();
    let broken: Vec<_> = overview
        .invariants
        .iter()
        .filter(|i| !i.holds)
        .map(|i| i.name.as_str())
        .collect();
    assert_eq!(broken, ["no order charged twice"]);
}

#[tokio::test]
async fn a_topic_made_anew_does_not_mix_with_the_old_one() {
    let (_directory, database) = temporary(&[SCHEMA]).await;
    let (sink, _changes) = sink();
    write(&sink, &database, &story("o-1", 5)).await;
    write(&sink, &database, &story("o-2", 0)).await;
    write(&sink, &database, &story("o-3", 5)).await;
    assert_eq!(scalar(&database, "SELECT count(*) FROM facts").await, 12);
    assert_eq!(
        scalar(&database, "SELECT max(incarnation) FROM facts").await,
        1
    );
    assert_eq!(
        scalar(
            &database,
            "SELECT value FROM counters WHERE name = 'recreated_partitions'"
        )
        .await,
        4
    );
}

#[tokio::test]
async fn records_that_come_again_after_a_rebalance_are_no_topic_made_anew() {
    let (_directory, database) = temporary(&[SCHEMA]).await;
    let (sink, _changes) = sink();
    let (first, second) = (story("o-1", 5), story("o-2", 6));
    // In one batch, as a rebalance while it is gathered leaves it, and in the next one.
    let gathered = [first.clone(), second.clone(), first.clone()].concat();
    write(&sink, &database, &gathered).await;
    write(&sink, &database, &[first, second].concat()).await;
    assert_eq!(scalar(&database, "SELECT count(*) FROM facts").await, 8);
    for (sql, expected) in [
        ("SELECT max(incarnation) FROM facts", 0),
        ("SELECT min(next_offset) FROM sources", 7),
        (
            "SELECT value FROM counters WHERE name = 'doubled_events'",
            12,
        ),
        (
            "SELECT sum(value) FROM counters WHERE name = 'recreated_partitions'",
            0,
        ),
    ] {
        assert_eq!(scalar(&database, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn reading_goes_on_from_the_database_and_begins_anew_on_another_cluster() {
    let (_directory, database) = temporary(&[SCHEMA]).await;
    let (first, _changes) = sink();
    write(&first, &database, &story("o-1", 5)).await;
    let (second, _changes) = sink();
    second
        .prepare(&database, ClusterSeen::SameAsBefore)
        .await
        .unwrap();
    let key = ("order_received".to_owned(), 0);
    assert_eq!(
        second.positions().unwrap().lock().unwrap().get(&key),
        Some(&6)
    );
    second
        .prepare(&database, ClusterSeen::Changed)
        .await
        .unwrap();
    assert_eq!(second.positions().unwrap().lock().unwrap().get(&key), None);
    write(&second, &database, &story("o-2", 5)).await;
    assert_eq!(scalar(&database, "SELECT count(*) FROM facts").await, 8);
}

#[tokio::test]
async fn old_facts_are_forgotten_and_sums_stay() {
    let (_directory, database) = temporary(&[SCHEMA]).await;
    let (sink, _changes) = sink();
    write(&sink, &database, &story("o-1", 0)).await;
    assert_eq!(prune(&database, 1000).await.unwrap(), 0);
    assert_eq!(prune(&database, i64::MAX).await.unwrap(), 5);
    assert_eq!(scalar(&database, "SELECT count(*) FROM facts").await, 0);
    assert_eq!(
        scalar(&database, "SELECT sum(revenue_cents) FROM items").await,
        700
    );
}

#[tokio::test]
async fn poison_is_kept_and_passed() {
    let (_directory, database) = temporary(&[SCHEMA]).await;
    let (sink, _changes) = sink();
    let mut batch = story("o-1", 0);
    batch[0].value = None;
    write(&sink, &database, &batch).await;
    assert_eq!(scalar(&database, "SELECT count(*) FROM facts").await, 3);
    assert_eq!(
        scalar(&database, "SELECT count(*) FROM dead_letters").await,
        1
    );
    assert_eq!(
        scalar(
            &database,
            "SELECT next_offset FROM sources WHERE topic = 'order_received'"
        )
        .await,
        1
    );
}
