//! The page and its guard.

use std::collections::BTreeMap;

use headwater_console::{ConsoleParts, ConsoleSettings, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use crate::scripted::{NewItem, NewOrder};
use crate::served::{NOBODY, Served};

#[tokio::test]
async fn the_page_and_its_files_come_with_types_tags_and_a_policy() {
    let served = Served::start(NOBODY).await;
    for (path, kind) in [
        ("/", "text/html"),
        ("/shop?step=basket", "text/html"),
        ("/store/topics/any", "text/html"),
        ("/assets/page.js", "text/javascript"),
        ("/assets/page.css", "text/css"),
        ("/theme.js", "text/javascript"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let response = served.get(path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert!(header("content-type").starts_with(kind), "{path}");
        let policy = header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{path}"
        );
        assert_eq!(header("x-content-type-options"), "nosniff");
        let again = served
            .get(path)
            .header("if-none-match", header("etag"))
            .send()
            .await
            .unwrap();
        assert_eq!(again.status(), 304, "{path}");
    }
    assert_eq!(
        served.get("/wp-login.php").send().await.unwrap().status(),
        404
    );
    assert_eq!(served.json("/api/nothing").await.0, 404);
}

#[tokio::test]
async fn the_page_names_only_files_that_are_served() {
    let served = Served::start(NOBODY).await;
    let page = served.get("/").send().await.unwrap().text().await.unwrap();
    let named: Vec<&str> = page
        .split(['"'])
        .filter(|part| part.starts_with('/'))
        .collect();
    assert!(named.len() >= 4, "{named:?}");
    for path in named {
        assert_eq!(
            served.get(path).send().await.unwrap().status(),
            200,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_rebound_name_and_a_foreign_page_are_refused_everywhere() {
    let served = Served::start(NOBODY).await;
    for path in [
        "/",
        "/api/overview",
        "/api/events?topics=changes",
        "/products",
        "/assets/page.js",
    ] {
        let rebound = served
            .get(path)
            .header("host", "evil.example:8080")
            .send()
            .await
            .unwrap();
        assert_eq!(rebound.status(), 403, "{path}");
        let foreign = served
            .get(path)
            .header("origin", "http://evil.example")
            .send()
            .await
            .unwrap();
        assert_eq!(foreign.status(), 403, "{path}");
    }
    let order = served
        .client
        .post(format!("{}/orders", served.base))
        .header("idempotency-key", "k");
    let body = r#"{"customer_id":"c","items":[{"product_id":"p-1","quantity":1}]}"#;
    let json = order.header("content-type", "application/json").body(body);
    let foreign = json
        .try_clone()
        .unwrap()
        .header("origin", "http://evil.example")
        .send()
        .await
        .unwrap();
    assert_eq!(foreign.status(), 403);
    let own = json
        .try_clone()
        .unwrap()
        .header("origin", &served.base)
        .send()
        .await
        .unwrap();
    assert_eq!(own.status(), 202);
    assert_eq!(
        json.send().await.unwrap().status(),
        202,
        "a program sends no Origin"
    );
}

#[tokio::test]
async fn an_oversized_body_is_refused_with_and_without_a_stated_length() {
    let served = Served::start(NOBODY).await;
    let order = served
        .client
        .post(format!("{}/orders", served.base))
        .header("content-type", "application/json");
    let stated = order.body(vec![b' '; 300_000]).send().await.unwrap();
    assert_eq!(stated.status(), 413);

    let host = served.base.strip_prefix("http://").unwrap();
    let mut connection = tokio::net::TcpStream::connect(host).await.unwrap();
    let head = format!(
        "POST /orders HTTP/1.1\r\nHost: {host}\r\nIdempotency-Key: k\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let chunk = [b"3e8\r\n".as_slice(), &[b' '; 1_000], b"\r\n"].concat();
    for _ in 0..300 {
        // The server may have answered and closed before it was sent everything.
        if connection.write_all(&chunk).await.is_err() {
            break;
        }
    }
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn the_applications_routes_and_figures_are_served_beside_the_page() {
    let served = Served::start(NOBODY).await;
    assert!(served.json("/products").await.1.as_array().unwrap().len() > 5);
    let items = vec![NewItem {
        product_id: "p-0".into(),
        quantity: 2,
    }];
    let id = served
        .shop
        .place(&NewOrder {
            customer_id: "c-1".into(),
            items,
            card: None,
        })
        .unwrap();
    let (status, timeline) = served.json(&format!("/api/orders/{id}/timeline")).await;
    assert_eq!(
        (status, timeline["order"]["total_cents"].as_i64()),
        (200, Some(1_780))
    );
    let (status, overview) = served.json("/api/overview").await;
    assert_eq!(
        (status, overview["received_total"].as_u64()),
        (200, Some(1))
    );
    let (status, problem) = served.json("/api/orders/none/timeline").await;
    assert_eq!(status, 404);
    assert!(!problem["remedy"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn a_page_without_an_application_says_so() {
    let settings = ConsoleSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        kafka: BTreeMap::from([("bootstrap.servers".to_owned(), NOBODY.to_owned())]),
    };
    let shutdown = CancellationToken::new();
    let console = start(settings, ConsoleParts::default(), shutdown.clone())
        .await
        .unwrap();
    let base = format!("http://{}", console.local_addr);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for path in [
        "/api/overview",
        "/api/orders/1/timeline",
        "/api/events?topics=changes",
    ] {
        let response = client.get(format!("{base}{path}")).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        assert!(
            response.text().await.unwrap().contains("headwater demo"),
            "{path}"
        );
    }
    shutdown.cancel();
    console.join().await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_remedy() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let settings = ConsoleSettings {
        listen,
        kafka: BTreeMap::new(),
    };
    let error = start(settings, ConsoleParts::default(), CancellationToken::new())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&listen.to_string()) && error.contains("another port"),
        "{error}"
    );
}
