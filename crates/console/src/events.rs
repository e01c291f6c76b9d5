//! The one event stream of a tab: `GET /api/events?topics=overview,store,changes,order:ID,tail:TOPIC`.
//!
//! Everything a tab shows live comes through it, because a browser allows few connections per server. Each part is
//! bounded: figures are replaced by newer ones, changes and tailed records are skipped with a notice.

use std::convert::Infallible;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::{ReceiverStream, WatchStream};

use crate::feed::{Feed, OrderChange};
use crate::kafka::tail;
use crate::problem::Problem;
use crate::state::{Shared, blocking};
use crate::watched::Watched;

/// Parts of one stream at most.
const MAX_PARTS: usize = 8;
/// Changes in one event at most.
const MAX_CHANGES: usize = 200;
/// Events waiting for a slow tab, per part.
const WAITING: usize = 4;
/// Time between events of changes.
const PERIOD: Duration = Duration::from_millis(200);
/// An order that waits longer than this for a change is looked up again: a lagging receiver may have skipped it.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

#[derive(Debug, Deserialize)]
pub(crate) struct EventsQuery {
    #[serde(default)]
    topics: String,
}

/// A part of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Overview,
    Store,
    Changes,
    Order(String),
    Tail(String),
}

impl FromStr for Part {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let unknown = || {
            let remedy =
                "Use overview, store, changes, order:ID and tail:TOPIC, with commas between";
            Problem::bad_request(format!("{text:?} is no part of the event stream"), remedy)
        };
        match text.split_once(':') {
            None => match text {
                "overview" => Ok(Self::Overview),
                "store" => Ok(Self::Store),
                "changes" => Ok(Self::Changes),
                _ => Err(unknown()),
            },
            Some(("order", id)) if (1..=128).contains(&id.len()) => Ok(Self::Order(id.to_owned())),
            Some(("tail", topic)) if (1..=249).contains(&topic.len()) => {
                Ok(Self::Tail(topic.to_owned()))
            }
            Some(_) => Err(unknown()),
        }
    }
}

/// Opens the stream.
pub(crate) async fn events(
    State(shared): State<Shared>,
    Query(query): Query<EventsQuery>,
) -> Response {
    match open(&shared, &query.topics) {
        Ok(stream) => {
            let alive = KeepAlive::new()
                .interval(Duration::from_secs(10))
                .text("alive");
            Sse::new(stream.map(Ok::<_, Infallible>))
                .keep_alive(alive)
                .into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

fn open(shared: &Shared, topics: &str) -> Result<BoxStream<'static, Event>, Problem> {
    let parts = topics.split(',').filter(|part| !part.is_empty());
    let parts: Vec<Part> = parts
        .take(MAX_PARTS + 1)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    if parts.is_empty() || parts.len() > MAX_PARTS {
        let detail = format!("an event stream has one to {MAX_PARTS} parts");
        return Err(Problem::bad_request(
            detail,
            "Name them: ?topics=overview,changes",
        ));
    }
    let permit = Arc::clone(&shared.streams)
        .try_acquire_owned()
        .map_err(|_| Problem::busy("open tabs"))?;
    let hello = stream::iter([event(
        "hello",
        &Hello {
            version: env!("CARGO_PKG_VERSION"),
        },
    )])
    .boxed();
    let mut streams = vec![hello];
    for part in parts {
        streams.push(match part {
            Part::Overview => figures("overview", &shared.overview),
            Part::Store => figures("store", &shared.store),
            Part::Changes => changes(shared.feed()?.changes()),
            Part::Order(id) => order(Arc::clone(shared.feed()?), id),
            Part::Tail(topic) => follow(shared, topic)?,
        });
    }
    let merged = stream::select_all(streams).map(move |event| {
        // Held as long as the stream is.
        let _held = &permit;
        event
    });
    Ok(merged
        .take_until(shared.shutdown.clone().cancelled_owned())
        .boxed())
}

#[derive(Serialize)]
struct Hello {
    version: &'static str,
}

/// Something the reader should know about a part of the stream.
#[derive(Serialize)]
struct Notice<'a> {
    part: &'a str,
    skipped: u64,
    problem: Option<&'a Problem>,
}

fn event(name: &str, data: &impl Serialize) -> Event {
    // Our own types always serialise; an empty event is ignored by the page.
    Event::default()
        .event(name)
        .data(serde_json::to_string(data).unwrap_or_default())
}

fn notice(part: &str, problem: &Problem) -> Event {
    event(
        "notice",
        &Notice {
            part,
            skipped: 0,
            problem: Some(problem),
        },
    )
}

fn skipped(part: &str, skipped: u64) -> Event {
    event(
        "notice",
        &Notice {
            part,
            skipped,
            problem: None,
        },
    )
}

/// The refreshed value, each time it is refreshed; a slow tab gets the newest only.
fn figures<T: Serialize + Send + Sync + 'static>(
    name: &'static str,
    watched: &Watched<T>,
) -> BoxStream<'static, Event> {
    WatchStream::new(watched.subscribe())
        .filter_map(move |refreshed| {
            let made = refreshed.map(|refreshed| match refreshed.value {
                Ok(value) => event(name, &*value),
                Err(problem) => notice(name, &problem),
            });
            futures::future::ready(made)
        })
        .boxed()
}

/// Changes in small batches.
fn changes(mut receiver: broadcast::Receiver<OrderChange>) -> BoxStream<'static, Event> {
    let (sender, events) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        loop {
            let mut batch = Vec::new();
            let mut lost = 0;
            tokio::select! {
                () = sender.closed() => return,
                received = receiver.recv() => match received {
                    Ok(change) => batch.push(change),
                    Err(RecvError::Lagged(count)) => lost += count,
                    Err(RecvError::Closed) => return,
                },
            }
            while batch.len() < MAX_CHANGES {
                match receiver.try_recv() {
                    Ok(change) => batch.push(change),
                    Err(TryRecvError::Lagged(count)) => lost += count,
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
            // A slow tab makes this wait, and the bounded broadcast skip.
            if lost > 0 && sender.send(skipped("changes", lost)).await.is_err() {
                return;
            }
            if !batch.is_empty() && sender.send(event("changes", &batch)).await.is_err() {
                return;
            }
            tokio::time::sleep(PERIOD).await;
        }
    });
    ReceiverStream::new(events).boxed()
}

/// One order's timeline, now and after each of its changes.
fn order(feed: Arc<dyn Feed>, id: String) -> BoxStream<'static, Event> {
    let (sender, events) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let mut changes = feed.changes();
        let mut last = None;
        loop {
            let seen = feed.timeline(&id).await;
            if last.as_ref() != Some(&seen) {
                let made = match &seen {
                    Ok(timeline) => event("order", timeline),
                    Err(error) => notice("order", &Problem::from(error.clone())),
                };
                if sender.send(made).await.is_err() {
                    return;
                }
                last = Some(seen);
            }
            let look_again = tokio::time::sleep(LOOK_AGAIN);
            tokio::pin!(look_again);
            loop {
                tokio::select! {
                    () = sender.closed() => return,
                    () = &mut look_again => break,
                    received = changes.recv() => match received {
                        Ok(change) if change.order_id != id => {}
                        Err(RecvError::Closed) => {
                            look_again.as_mut().await;
                            break;
                        }
                        Ok(_) | Err(RecvError::Lagged(_)) => break,
                    },
                }
            }
        }
    });
    ReceiverStream::new(events).boxed()
}

/// New records of a topic.
fn follow(shared: &Shared, topic: String) -> Result<BoxStream<'static, Event>, Problem> {
    let permit = Arc::clone(&shared.tails)
        .try_acquire_owned()
        .map_err(|_| Problem::busy("live tails"))?;
    let (sender, batches) = mpsc::channel(WAITING);
    let (failures, failed) = mpsc::channel(1);
    let (kafka, shutdown) = (shared.kafka.clone(), shared.shutdown.clone());
    tokio::spawn(async move {
        let _held = permit;
        if let Err(problem) =
            blocking(move || tail::follow(&kafka, &topic, &sender, &shutdown)).await
        {
            let _ended_first = failures.send(notice("tail", &problem)).await;
        }
    });
    let batches = ReceiverStream::new(batches).map(|batch| event("tail", &batch));
    Ok(stream::select(batches, ReceiverStream::new(failed)).boxed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_from_the_query() {
        assert_eq!("overview".parse::<Part>(), Ok(Part::Overview));
        assert_eq!("order:abc".parse::<Part>(), Ok(Part::Order("abc".into())));
        assert_eq!(
            "tail:a.b-c_d".parse::<Part>(),
            Ok(Part::Tail("a.b-c_d".into()))
        );
        for wrong in ["all", "tail:", "order", "tail", "x:y"] {
            assert!(wrong.parse::<Part>().is_err(), "{wrong}");
        }
    }
}
