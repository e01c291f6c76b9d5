//! The orders API, as clients see it.

use headwater_ordering::{Service, run_service};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::shop::{GOOD_CARD, PATIENCE, Shop, Site, order};

async fn problem(response: reqwest::Response) -> (u16, String) {
    let status = response.status().as_u16();
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], status);
    for field in ["title", "detail", "remedy"] {
        assert!(
            body[field].as_str().is_some_and(|text| !text.is_empty()),
            "{field} in {body}"
        );
    }
    let kind = body["type"]
        .as_str()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned();
    (status, kind)
}

fn expected(status: u16, kind: &str) -> (u16, String) {
    (status, kind.to_owned())
}

/// A shop whose Kafka never answers: orders are taken all the same.
async fn without_kafka() -> (Site, Shop) {
    let site = Site::without_kafka();
    let shop = site.open().await;
    (site, shop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_taken_once_per_key_while_kafka_is_away() {
    let (site, shop) = without_kafka().await;
    let first = shop.post("k", &order(GOOD_CARD)).await;
    assert_eq!(first.status(), 202);
    let location = first.headers()["location"].to_str().unwrap().to_owned();
    let first: Value = first.json().await.unwrap();
    assert_eq!(
        location,
        format!("/orders/{}", first["id"].as_str().unwrap())
    );
    assert_eq!(
        (&first["state"], &first["total_cents"]),
        (
            &json!("received"),
            &json!(2 * 179 + first["items"][1]["price_cents"].as_i64().unwrap())
        )
    );
    let again = shop.post("k", &order(GOOD_CARD)).await;
    assert_eq!(again.status(), 200);
    assert_eq!(again.json::<Value>().await.unwrap()["id"], first["id"]);
    let other = shop
        .post(
            "k",
            &json!({"customer_id": "c-2", "items": [{"product_id": "p001", "quantity": 1}]}),
        )
        .await;
    assert_eq!(
        problem(other).await,
        expected(422, "idempotency-key-reused")
    );
    assert_eq!(shop.get(&location).await, first);
    assert_eq!(
        site.number(
            "orders",
            "SELECT count(*) FROM outbox WHERE sent_at_ms IS NULL"
        )
        .await,
        1
    );
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_at_the_same_time_makes_one_order() {
    let (site, shop) = without_kafka().await;
    let body = order(GOOD_CARD);
    let answers = futures::future::join_all((0..20).map(|_| shop.post("same", &body))).await;
    assert!(answers.iter().all(|answer| answer.status().is_success()));
    assert_eq!(
        answers
            .iter()
            .filter(|answer| answer.status() == 202)
            .count(),
        1
    );
    assert_eq!(
        site.number("orders", "SELECT count(*) FROM orders").await,
        1
    );
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_taken_is_refused_with_a_remedy() {
    let (_site, shop) = without_kafka().await;
    let client = reqwest::Client::new();
    let url = format!("{}/orders", shop.url);
    let json_body = |body: &str| {
        client
            .post(&url)
            .header("Idempotency-Key", "k")
            .header("Content-Type", "application/json")
            .body(body.to_owned())
            .send()
    };

    let keyless = client
        .post(&url)
        .json(&order(GOOD_CARD))
        .send()
        .await
        .unwrap();
    assert_eq!(
        problem(keyless).await,
        expected(400, "idempotency-key-missing")
    );
    let long_key = client
        .post(&url)
        .header("Idempotency-Key", "k".repeat(256))
        .json(&order(GOOD_CARD))
        .send()
        .await
        .unwrap();
    assert_eq!(
        problem(long_key).await,
        expected(400, "idempotency-key-missing")
    );
    let form = client
        .post(&url)
        .header("Idempotency-Key", "k")
        .body("a=b")
        .send()
        .await
        .unwrap();
    assert_eq!(problem(form).await, expected(415, "not-json"));
    let large = "x".repeat(100_000);
    assert_eq!(
        problem(json_body(&large).await.unwrap()).await,
        expected(413, "body-too-large")
    );
    for body in [
        "",
        "{",
        "[]",
        r#"{"customer_id": "c"}"#,
        r#"{"customer_id":"c","items":[],"extra":1}"#,
        r#"{"customer_id":"c","items":[{"product_id":"p001","quantity":-1}]}"#,
    ] {
        assert_eq!(
            problem(json_body(body).await.unwrap()).await,
            expected(400, "bad-request"),
            "{body}"
        );
    }
    for body in [
        json!({"customer_id": "c", "items": []}),
        json!({"customer_id": "", "items": [{"product_id": "p001", "quantity": 1}]}),
        json!({"customer_id": "a\r\nb@c", "items": [{"product_id": "p001", "quantity": 1}]}),
        json!({"customer_id": "c", "items": [{"product_id": "p999", "quantity": 1}]}),
        json!({"customer_id": "c", "items": [{"product_id": "p001", "quantity": 0}]}),
        json!({"customer_id": "c", "items": [{"product_id": "p001", "quantity": 100}]}),
        json!({"customer_id": "c", "items": [{"product_id": "p001", "quantity": 1}], "card": "12"}),
    ] {
        assert_eq!(
            problem(shop.post("k", &body).await).await,
            expected(422, "invalid-order"),
            "{body}"
        );
    }
    let delete = client.delete(&url).send().await.unwrap();
    assert_eq!(problem(delete).await, expected(405, "method-not-allowed"));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_listed_newest_first_and_waited_for() {
    let (_site, shop) = without_kafka().await;
    let client = reqwest::Client::new();
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(shop.place(&format!("k{n}"), GOOD_CARD).await);
    }
    ids.reverse();
    let listed = |orders: Value| -> Vec<String> {
        orders
            .as_array()
            .unwrap()
            .iter()
            .map(|order| order["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(listed(shop.get("/orders").await), ids);
    assert_eq!(listed(shop.get("/orders?limit=2").await), ids[..2]);
    assert_eq!(
        listed(shop.get("/orders?state=received&limit=500").await),
        ids
    );
    assert!(listed(shop.get("/orders?state=delivered").await).is_empty());
    for path in [
        "/orders?limit=0",
        "/orders?limit=x",
        "/orders?state=lost",
        &format!("/orders/{}?wait=lost", ids[0]),
    ] {
        let response = client
            .get(format!("{}{path}", shop.url))
            .send()
            .await
            .unwrap();
        assert_eq!(
            problem(response).await,
            expected(400, "bad-request"),
            "{path}"
        );
    }
    let missing = client
        .get(format!("{}/orders/none", shop.url))
        .send()
        .await
        .unwrap();
    assert_eq!(problem(missing).await, expected(404, "order-not-found"));
    // Already there, and not reached within the time: both answer with the order as it is.
    let reached = shop.get(&format!("/orders/{}?wait=received", ids[0])).await;
    let waited = shop
        .get(&format!("/orders/{}?wait=delivered&timeout_ms=20", ids[0]))
        .await;
    assert_eq!(
        (&reached["state"], &waited["state"]),
        (&json!("received"), &json!("received"))
    );
    assert_eq!(shop.get("/products").await.as_array().unwrap().len(), 200);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_alone_hears_no_foreign_host_and_waits_for_no_client_at_its_end() {
    let mut site = Site::without_kafka();
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    site.settings.http = Some(address);
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(run_service(
        Service::Orders,
        site.settings.clone(),
        shutdown.clone(),
    ));
    let opened = async {
        loop {
            if let Ok(stream) = TcpStream::connect(address).await {
                return stream;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let mut stalled = tokio::time::timeout(PATIENCE, opened).await.unwrap();
    stalled
        .write_all(
            b"POST /orders HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: k\r\n\
              Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
        )
        .await
        .unwrap();
    let client = reqwest::Client::new();
    let url = format!("http://{address}/orders");
    assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
    let rebound = client
        .get(&url)
        .header("Host", "evil.example:8081")
        .send()
        .await
        .unwrap();
    assert_eq!(problem(rebound).await, expected(403, "foreign-host"));
    let nowhere = client
        .get(format!("http://{address}/nowhere"))
        .send()
        .await
        .unwrap();
    assert_eq!(problem(nowhere).await, expected(404, "not-found"));
    shutdown.cancel();
    tokio::time::timeout(PATIENCE, running)
        .await
        .expect("a stalled request is not waited for")
        .unwrap()
        .unwrap();
    drop(stalled);
}
