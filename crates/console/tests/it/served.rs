//! A page served for one test: on a free port, with a scripted shop, stopped with the test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use headwater_console::{ConsoleParts, ConsoleSettings, StoreInsight, start};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::sync::DropGuard;

use crate::scripted::Scripted;

/// Nothing passes by being faster and nothing should ever take this long.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Nothing listens on this port: discard, which no machine has served for decades.
pub(crate) const NOBODY: &str = "127.0.0.1:9";

pub(crate) struct Served {
    pub(crate) base: String,
    pub(crate) shop: Scripted,
    pub(crate) client: reqwest::Client,
    _stop: DropGuard,
}

impl Served {
    pub(crate) async fn start(bootstrap: &str) -> Self {
        Self::with_insight(bootstrap, None).await
    }

    pub(crate) async fn with_insight(
        bootstrap: &str,
        insight: Option<Arc<dyn StoreInsight>>,
    ) -> Self {
        let shop = Scripted::new(Duration::from_millis(20), None);
        let settings = ConsoleSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            kafka: BTreeMap::from([("bootstrap.servers".to_owned(), bootstrap.to_owned())]),
        };
        let parts = ConsoleParts {
            feed: Some(Arc::new(shop.clone())),
            insight,
            app: shop.router(),
        };
        let shutdown = CancellationToken::new();
        let console = start(settings, parts, shutdown.clone()).await.unwrap();
        let base = format!("http://{}", console.local_addr);
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .unwrap();
        Self {
            base,
            shop,
            client,
            _stop: shutdown.drop_guard(),
        }
    }

    pub(crate) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.base))
    }

    /// Status and JSON of an answer.
    pub(crate) async fn json(&self, path: &str) -> (u16, Value) {
        let response = self.get(path).send().await.unwrap();
        let status = response.status().as_u16();
        (
            status,
            serde_json::from_slice(&response.bytes().await.unwrap()).unwrap(),
        )
    }

    pub(crate) async fn events(&self, topics: &str) -> Events {
        let response = self
            .get(&format!("/api/events?topics={topics}"))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        Events {
            response,
            buffer: String::new(),
        }
    }
}

/// An event stream, read event by event.
pub(crate) struct Events {
    response: reqwest::Response,
    buffer: String,
}

impl Events {
    /// The next event's name and data; comments are passed over.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let field = |name: &str| {
                    block
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .map(str::trim)
                };
                let found = field("event:").zip(field("data:"));
                let found = found
                    .map(|(name, data)| (name.to_owned(), serde_json::from_str(data).unwrap()));
                let rest = rest.to_owned();
                self.buffer = rest;
                if found.is_some() {
                    return found;
                }
                continue;
            }
            let chunk = self.response.chunk().await.ok()??;
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The data of the next event called `name` that `wanted` accepts.
    pub(crate) async fn until(&mut self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                let (seen, data) = self.next().await.expect("the stream goes on");
                if seen == name && wanted(&data) {
                    return data;
                }
            }
        };
        tokio::time::timeout(PATIENCE, found)
            .await
            .unwrap_or_else(|_| panic!("no such {name} event came"))
    }
}
