//! A whole ordering system in a temporary directory, with topics and groups of its own.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::{Duration, Instant};

use headwater_broker::Broker;
use headwater_ordering::load::LoadReport;
use headwater_ordering::{OrderingSettings, Smtp, TopicSettings, verify};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, SqlSafeStr};
use tokio_util::sync::CancellationToken;

/// Long enough for a slow machine with other things to do; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// A Kafka to run on.
pub(crate) struct Kafka {
    pub(crate) bootstrap: String,
    /// Lives as long as the test.
    _broker: Option<Broker>,
}

impl Kafka {
    pub(crate) async fn start() -> Self {
        if let Ok(bootstrap) = std::env::var("HEADWATER_TEST_BOOTSTRAP") {
            return Self {
                bootstrap,
                _broker: None,
            };
        }
        let broker = Broker::ephemeral().await.expect("a broker in this process");
        Self {
            bootstrap: broker.bootstrap(),
            _broker: Some(broker),
        }
    }
}

/// What outlives a kill of the services: the Kafka, the directory, the settings.
pub(crate) struct Site {
    pub(crate) kafka: Kafka,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) settings: OrderingSettings,
    client: reqwest::Client,
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::on(Kafka::start().await)
    }

    /// On a store that the test itself starts and ends.
    pub(crate) fn on_store_at(bootstrap: String) -> Self {
        Self::on(Kafka {
            bootstrap,
            _broker: None,
        })
    }

    /// With a Kafka that never answers.
    pub(crate) fn without_kafka() -> Self {
        Self::on(Kafka {
            bootstrap: "127.0.0.1:1".to_owned(),
            _broker: None,
        })
    }

    fn on(kafka: Kafka) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let prefix = format!("t-{}-", uuid::Uuid::new_v4().simple());
        let properties =
            BTreeMap::from([("bootstrap.servers".to_owned(), kafka.bootstrap.clone())]);
        let mut settings = OrderingSettings::new(properties, directory.path());
        settings.topic_prefix.clone_from(&prefix);
        settings.group_prefix = prefix;
        settings.topics = TopicSettings {
            partitions: 3,
            ..TopicSettings::default()
        };
        settings.drivers.delivery = Duration::from_millis(50)..=Duration::from_millis(300);
        Self {
            kafka,
            directory,
            settings,
            client: reqwest::Client::new(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn with_smtp(mut self, url: &str) -> Self {
        self.settings.smtp = Smtp::Url(url.to_owned());
        self
    }

    /// Starts all services and serves their API.
    pub(crate) async fn open(&self) -> Shop {
        let shutdown = CancellationToken::new();
        let ordering = headwater_ordering::Ordering::start(self.settings.clone(), shutdown.clone())
            .await
            .expect("the ordering system starts");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = ordering.router();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Shop {
            url,
            client: self.client.clone(),
            ordering,
            shutdown,
            server,
        }
    }

    /// Reads numbers from a service's database.
    pub(crate) async fn numbers(&self, service: &str, sql: impl SqlSafeStr) -> Vec<i64> {
        self.try_numbers(service, sql).await.unwrap()
    }

    async fn try_numbers(
        &self,
        service: &str,
        sql: impl SqlSafeStr,
    ) -> Result<Vec<i64>, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(self.path().join(format!("{service}.db")))
            .busy_timeout(Duration::from_secs(20));
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let numbers = sqlx::query_scalar(sql).fetch_all(&mut connection).await;
        connection.close().await?;
        numbers
    }

    pub(crate) async fn number(&self, service: &str, sql: impl SqlSafeStr) -> i64 {
        self.numbers(service, sql).await[0]
    }

    /// Waits until a service's database says at least this number; before the service has made it, it says nothing.
    pub(crate) async fn until(&self, service: &str, sql: &'static str, least: i64) {
        let started = Instant::now();
        loop {
            let numbers = self.try_numbers(service, sql).await;
            if numbers.as_ref().is_ok_and(|numbers| numbers[0] >= least) {
                return;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{service}: {numbers:?} is not {least}: {sql}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until every order is in a final state and every event is a fact, and gives the verdict.
    pub(crate) async fn settle(&self, orders: u64) -> verify::Report {
        self.settle_within(orders..=orders).await
    }

    /// The same for the orders of a load: those it got no answer for before it stopped may have been taken.
    pub(crate) async fn settle_load(&self, load: &LoadReport) -> verify::Report {
        self.settle_within(load.accepted..=load.accepted + load.unanswered)
            .await
    }

    async fn settle_within(&self, orders: RangeInclusive<u64>) -> verify::Report {
        let started = Instant::now();
        loop {
            let report = verify::check(self.path()).await.unwrap();
            let facts = self
                .number(
                    "analytics",
                    "SELECT count(*) FROM facts WHERE topic LIKE '%order_delivered' OR topic LIKE '%order_rejected'",
                )
                .await;
            if orders.contains(&report.final_orders)
                && report.not_final == 0
                && facts as u64 == report.final_orders
            {
                return report;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "not settled: {facts} endings as facts, {report:?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Deletes the topics of this site where the Kafka outlives the test.
    pub(crate) async fn clean_up(self) {
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", &self.kafka.bootstrap)
            .create()
            .unwrap();
        let names: Vec<String> = headwater_ordering::contracts::Topic::ALL
            .iter()
            .map(|topic| format!("{}{}", self.settings.topic_prefix, topic.name()))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let _ = admin.delete_topics(&names, &AdminOptions::new()).await;
    }
}

/// All services, running.
pub(crate) struct Shop {
    pub(crate) url: String,
    client: reqwest::Client,
    pub(crate) ordering: headwater_ordering::Ordering,
    shutdown: CancellationToken,
    server: tokio::task::JoinHandle<()>,
}

impl Shop {
    pub(crate) async fn post(&self, key: &str, body: &Value) -> reqwest::Response {
        self.client
            .post(format!("{}/orders", self.url))
            .header("Idempotency-Key", key)
            .json(body)
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn place(&self, key: &str, card: &str) -> String {
        let response = self.post(key, &order(card)).await;
        assert!(
            response.status().is_success(),
            "{}",
            response.text().await.unwrap()
        );
        let order: Value = response.json().await.unwrap();
        order["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.client
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    /// Waits for a state, as a customer would.
    pub(crate) async fn wait(&self, id: &str, state: &str) -> Value {
        let started = Instant::now();
        loop {
            let order = self
                .get(&format!("/orders/{id}?wait={state}&timeout_ms=5000"))
                .await;
            if order["state"] == state {
                return order;
            }
            assert!(started.elapsed() < PATIENCE, "never {state}: {order}");
        }
    }

    /// Stops everything in good order.
    pub(crate) async fn close(self) {
        self.shutdown.cancel();
        self.ordering.join().await.expect("a clean stop");
        self.server.abort();
    }

    /// Ends everything where it stands.
    pub(crate) async fn kill(self) {
        self.server.abort();
        drop(self.ordering);
        // What hangs on the runtime ends at its next await.
        tokio::task::yield_now().await;
    }
}

pub(crate) fn order(card: &str) -> Value {
    json!({
        "customer_id": "c-1",
        "items": [{"product_id": "p001", "quantity": 2}, {"product_id": "p120", "quantity": 1}],
        "card": card,
    })
}

pub(crate) const GOOD_CARD: &str = "4242 4242 4242 4242";
pub(crate) const BAD_CARD: &str = "4000000000000002";
