//! The JSON API under `/api`, and the health of the page itself.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::events;
use crate::feed::Timeline;
use crate::kafka::browse::{self, Browse, From, Page};
use crate::kafka::decode::DecodedRecord;
use crate::problem::Problem;
use crate::state::{Shared, blocking};

/// A single question waits no longer than this for its answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// Records per page at most.
const MAX_LIMIT: usize = 200;

pub(crate) fn router(shared: Shared) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/api/about", get(about))
        .route("/api/overview", get(overview))
        .route("/api/store", get(store))
        .route("/api/orders/{id}/timeline", get(timeline))
        .route("/api/topics/{topic}/records", get(records))
        .route(
            "/api/topics/{topic}/records/{partition}/{offset}",
            get(record),
        )
        .route("/api/events", get(events::events))
        .route("/api/{*rest}", get(nothing_here))
        .with_state(shared)
}

/// What this page is mounted on.
#[derive(Serialize)]
struct About {
    version: &'static str,
    bootstrap: String,
    has_feed: bool,
    has_insight: bool,
}

async fn about(State(shared): State<Shared>) -> Json<About> {
    Json(About {
        version: env!("CARGO_PKG_VERSION"),
        bootstrap: shared.kafka.bootstrap().to_owned(),
        has_feed: shared.feed.is_some(),
        has_insight: shared.has_insight,
    })
}

/// Ready when Kafka answers.
async fn ready(State(shared): State<Shared>) -> Result<&'static str, Problem> {
    match shared.store.get(ANSWER_LIMIT).await {
        Some(Ok(_)) => Ok("ok\n"),
        Some(Err(problem)) => Err(Problem {
            status: StatusCode::SERVICE_UNAVAILABLE.as_u16(),
            ..problem
        }),
        None => Err(slow()),
    }
}

async fn overview(State(shared): State<Shared>) -> Result<Response, Problem> {
    let overview = shared.overview.get(ANSWER_LIMIT).await.ok_or_else(slow)??;
    Ok(Json(&*overview).into_response())
}

async fn store(State(shared): State<Shared>) -> Result<Response, Problem> {
    let store = shared.store.get(ANSWER_LIMIT).await.ok_or_else(slow)??;
    Ok(Json(&*store).into_response())
}

async fn timeline(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Timeline>, Problem> {
    let found = shared.feed()?.timeline(&id).await?;
    found.map(Json).ok_or_else(|| {
        let remedy = "Check the id; an order appears here as soon as its first event is stored";
        Problem::new(
            StatusCode::NOT_FOUND,
            "There is no such order",
            format!("no order has the id {id:?}"),
            remedy,
        )
    })
}

/// Which records are wanted, as the query says it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordsQuery {
    partition: Option<i32>,
    /// `newest` (default), `oldest`, `offset:N`, `time:MS`, `before:CURSOR` or `after:CURSOR`.
    from: Option<String>,
    limit: Option<usize>,
    filter: Option<String>,
}

impl RecordsQuery {
    fn browse(self, topic: String) -> Result<Browse, Problem> {
        let place = self.from.as_deref().unwrap_or("newest");
        let (kind, argument) = place.split_once(':').unwrap_or((place, ""));
        let number = || argument.parse::<i64>().ok();
        let cursor = || argument.parse().ok();
        let from = match kind {
            "newest" => Some(From::Newest),
            "oldest" => Some(From::Oldest),
            "offset" => number().map(From::Offset),
            // Negative times mean something else to Kafka.
            "time" => number().filter(|ms| *ms >= 0).map(From::Time),
            "before" => cursor().map(From::Before),
            "after" => cursor().map(From::After),
            _ => None,
        };
        let from = from.ok_or_else(|| {
            let remedy =
                "Use newest, oldest, offset:N, time:MILLISECONDS, before:CURSOR or after:CURSOR";
            Problem::bad_request(format!("from={place:?} is no place to begin"), remedy)
        })?;
        let filter = self.filter.filter(|filter| !filter.is_empty());
        if filter.as_ref().is_some_and(|filter| filter.len() > 200) {
            return Err(Problem::bad_request(
                "the filter is longer than 200 bytes",
                "Use a shorter one",
            ));
        }
        let limit = self.limit.unwrap_or(50).clamp(1, MAX_LIMIT);
        Ok(Browse {
            topic,
            partition: self.partition,
            from,
            limit,
            filter,
        })
    }
}

async fn records(
    State(shared): State<Shared>,
    Path(topic): Path<String>,
    query: Result<Query<RecordsQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Page>, Problem> {
    let Query(query) = query.map_err(|rejection| {
        Problem::bad_request(
            rejection.body_text(),
            "Use partition, from, limit and filter",
        )
    })?;
    let browse = query.browse(topic)?;
    reading(shared, move |shared| browse::page(&shared.kafka, &browse))
        .await
        .map(Json)
}

async fn record(
    State(shared): State<Shared>,
    Path((topic, partition, offset)): Path<(String, i32, i64)>,
) -> Result<Json<DecodedRecord>, Problem> {
    reading(shared, move |shared| {
        browse::record(&shared.kafka, &topic, partition, offset)
    })
    .await
    .map(Json)
}

/// Reads records, a few at once and no more.
async fn reading<T: Send + 'static>(
    shared: Shared,
    work: impl FnOnce(&Shared) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let waiting = Arc::clone(&shared.reads).acquire_owned();
    let permit = tokio::time::timeout(ANSWER_LIMIT, waiting)
        .await
        .map_err(|_| Problem::busy("reads of records"))?;
    blocking(move || {
        let _held = permit;
        work(&shared)
    })
    .await
}

async fn nothing_here() -> Problem {
    let remedy = "The page's API: /api/about, overview, store, events, topics/TOPIC/records, orders/ID/timeline";
    Problem::new(
        StatusCode::NOT_FOUND,
        "Nothing here",
        "the API has no such address",
        remedy,
    )
}

fn slow() -> Problem {
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        "No answer in time",
        format!("nothing came within {} s", ANSWER_LIMIT.as_secs()),
        "Check that Kafka and the ordering system run, then reload",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn browse(from: &str) -> Result<Browse, Problem> {
        RecordsQuery {
            from: Some(from.to_owned()),
            limit: Some(9_999),
            ..RecordsQuery::default()
        }
        .browse("t".into())
    }

    #[test]
    fn places_to_begin_are_read_and_nonsense_is_refused_with_a_remedy() {
        assert_eq!(browse("offset:12").unwrap().from, From::Offset(12));
        assert_eq!(browse("time:0").unwrap().from, From::Time(0));
        assert!(
            matches!(browse("before:0:1,1:2").unwrap().from, From::Before(cursor) if cursor.0.len() == 2)
        );
        for wrong in ["offset:x", "time:-1", "sideways", "before:1"] {
            assert!(
                browse(wrong).unwrap_err().remedy.contains("newest"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn the_number_of_records_is_bounded() {
        assert_eq!(browse("newest").unwrap().limit, MAX_LIMIT);
    }
}
