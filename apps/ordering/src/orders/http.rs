//! The orders API: `GET /products`, `POST /orders`, `GET /orders`, `GET /orders/{id}`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use super::changes::Changes;
use super::problem::Problem;
use super::request::OrderRequest;
use super::store::{self, Order, Placed};
use crate::catalogue;
use crate::database::Database;
use crate::order_state::OrderState;

const LARGEST_BODY: usize = 64 << 10;
const LONGEST_KEY: usize = 255;
const DEFAULT_WAIT_MS: u64 = 10_000;
const LONGEST_WAIT_MS: u64 = 60_000;
const MOST_WAITERS: usize = 1024;
const DEFAULT_LIMIT: i64 = 50;
const LARGEST_LIMIT: i64 = 500;

/// What the handlers share.
#[derive(Clone)]
pub(super) struct Api {
    database: Database,
    outbox: Arc<Notify>,
    changes: Changes,
    waiters: Arc<Semaphore>,
    shutdown: CancellationToken,
}

impl Api {
    pub(super) fn new(
        database: Database,
        outbox: Arc<Notify>,
        changes: Changes,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            database,
            outbox,
            changes,
            waiters: Arc::new(Semaphore::new(MOST_WAITERS)),
            shutdown,
        }
    }
}

/// The routes. Without a fallback, so that they can be mounted beside others.
pub(super) fn router(api: Api) -> Router {
    Router::new()
        .route("/products", get(products).fallback(method_not_allowed))
        .route(
            "/orders",
            get(newest_orders)
                .post(place_order)
                .fallback(method_not_allowed),
        )
        .route("/orders/{id}", get(one_order).fallback(method_not_allowed))
        .with_state(api)
}

/// What answers where no route does, for a process that serves nothing else.
pub(crate) async fn no_such_route(uri: Uri) -> Response {
    Problem::no_such_route(uri.path()).into_response()
}

async fn method_not_allowed() -> Problem {
    Problem::method_not_allowed()
}

async fn products() -> Json<&'static [catalogue::Product]> {
    Json(catalogue::products())
}

async fn place_order(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let key = idempotency_key(&headers)?;
    if !is_json(&headers) {
        return Err(Problem::not_json());
    }
    let body = axum::body::to_bytes(body, LARGEST_BODY)
        .await
        .map_err(|_| Problem::too_large(LARGEST_BODY))?;
    let checked = OrderRequest::parse(&body)?.check()?;
    let mut transaction = api.database.write().await?;
    let placed = store::place(&mut transaction, &key, checked).await?;
    transaction.commit().await?;
    match placed {
        Placed::New(order) => {
            api.outbox.notify_one();
            Ok(located(StatusCode::ACCEPTED, &order))
        }
        Placed::Again(order) => Ok(located(StatusCode::OK, &order)),
        Placed::KeyReused => Err(Problem::key_reused()),
        Placed::Busy => Err(Problem::busy(
            "Too many orders wait for Kafka, which does not answer.",
        )),
    }
}

fn located(status: StatusCode, order: &Order) -> Response {
    let location = format!("/orders/{}", order.id);
    (status, [(header::LOCATION, location)], Json(order)).into_response()
}

fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    headers
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok())
        .filter(|key| {
            (1..=LONGEST_KEY).contains(&key.len())
                && key.bytes().all(|byte| byte.is_ascii_graphic())
        })
        .map(str::to_owned)
        .ok_or_else(Problem::key_missing)
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

#[derive(Debug, Deserialize)]
struct WaitQuery {
    wait: Option<String>,
    timeout_ms: Option<u64>,
}

/// With `wait`, answers once the order has reached that state or a final one, or as it is at the timeout.
async fn one_order(
    State(api): State<Api>,
    Path(id): Path<String>,
    query: Result<Query<WaitQuery>, QueryRejection>,
) -> Result<Json<Order>, Problem> {
    let query = read_query(query)?;
    let Some(wait) = query.wait else {
        return find(&api, &id).await.map(Json);
    };
    let wanted = parse_state(&wait)?;
    let timeout = Duration::from_millis(
        query
            .timeout_ms
            .unwrap_or(DEFAULT_WAIT_MS)
            .min(LONGEST_WAIT_MS),
    );
    // Listening begins before looking, so that no change falls between.
    let mut waiter = api.changes.waiter();
    let mut order = find(&api, &id).await?;
    if order.state.has_reached(wanted) {
        return Ok(Json(order));
    }
    let Ok(_permit) = api.waiters.try_acquire() else {
        return Err(Problem::busy(format!(
            "{MOST_WAITERS} requests wait for orders already."
        )));
    };
    let deadline = tokio::time::Instant::now() + timeout;
    while !order.state.has_reached(wanted) {
        let late = tokio::select! {
            () = waiter.reached(&id, wanted) => false,
            () = tokio::time::sleep_until(deadline) => true,
            () = api.shutdown.cancelled() => true,
        };
        order = find(&api, &id).await?;
        if late {
            break;
        }
    }
    Ok(Json(order))
}

async fn find(api: &Api, id: &str) -> Result<Order, Problem> {
    let mut connection = api.database.read().acquire().await?;
    store::find(&mut connection, id)
        .await?
        .ok_or_else(|| Problem::not_found(&id.chars().take(80).collect::<String>()))
}

#[derive(Debug, Deserialize)]
struct ListQuery {
    limit: Option<i64>,
    state: Option<String>,
}

async fn newest_orders(
    State(api): State<Api>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Vec<Order>>, Problem> {
    let query = read_query(query)?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=LARGEST_LIMIT).contains(&limit) {
        return Err(Problem::bad_request(
            format!("limit is {limit}."),
            format!("Ask for 1 to {LARGEST_LIMIT} orders."),
        ));
    }
    let state = query.state.as_deref().map(parse_state).transpose()?;
    let mut connection = api.database.read().acquire().await?;
    Ok(Json(store::newest(&mut connection, state, limit).await?))
}

fn parse_state(name: &str) -> Result<OrderState, Problem> {
    name.parse().map_err(|_| {
        Problem::bad_request(
            format!(
                "{:?} is no state.",
                name.chars().take(80).collect::<String>()
            ),
            "Use received, confirmed, rejected, processed, assigned or delivered.",
        )
    })
}

fn read_query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query.map(|Query(query)| query).map_err(|rejection| {
        Problem::bad_request(
            rejection.body_text(),
            "GET /orders takes limit and state, GET /orders/{id} takes wait and timeout_ms.",
        )
    })
}
