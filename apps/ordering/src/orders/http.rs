//! The orders API: `GET /products`, `POST /orders`, `GET /orders`, `GET /orders/{id}`.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use super::changes::Changes;
use super::problem::Problem;
use super::request::{CheckedOrder, OrderRequest};
use super::store::{self, Order, Placed};
use crate::catalogue;
use crate::database::Database;
use crate::order_state::OrderState;

const LARGEST_BODY: usize = 64 << 10;
/// How long a client may take to send a body.
const LONGEST_BODY: Duration = Duration::from_secs(20);
const LONGEST_KEY: usize = 255;
const DEFAULT_WAIT_MS: u64 = 10_000;
const LONGEST_WAIT_MS: u64 = 60_000;
const MOST_WAITERS: usize = 1024;
/// Orders being written at once, those of clients that have gone away since among them.
const MOST_PLACING: usize = 1024;
const DEFAULT_LIMIT: i64 = 50;
const LARGEST_LIMIT: i64 = 500;

/// What the handlers share.
#[derive(Clone)]
pub(super) struct Api {
    database: Database,
    outbox: Arc<Notify>,
    changes: Changes,
    waiters: Arc<Semaphore>,
    placing: Arc<Semaphore>,
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
            placing: Arc::new(Semaphore::new(MOST_PLACING)),
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

/// The routes for a process that serves nothing else: something answers everywhere, and only requests to this machine's
/// address are heard.
///
/// A web page elsewhere can have its own name resolve to this machine and then read what it likes; the name shows in
/// `Host`. An IP address cannot be rebound like that.
pub(crate) fn standalone(router: Router) -> Router {
    router
        .fallback(no_such_route)
        .layer(middleware::from_fn(check_host))
}

async fn check_host(request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    if is_address(host) {
        next.run(request).await
    } else {
        Problem::foreign_host(&host.chars().take(80).collect::<String>()).into_response()
    }
}

/// An IP address or localhost, with any port.
fn is_address(host: &str) -> bool {
    if let Some(bracketed) = host.strip_prefix('[') {
        return bracketed
            .split_once(']')
            .is_some_and(|(address, _)| address.parse::<Ipv6Addr>().is_ok());
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name.parse::<Ipv4Addr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}

async fn no_such_route(uri: Uri) -> Response {
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
    let body = tokio::time::timeout(LONGEST_BODY, axum::body::to_bytes(body, LARGEST_BODY))
        .await
        .map_err(|_| Problem::too_slow(LONGEST_BODY))?
        .map_err(|_| Problem::too_large(LARGEST_BODY))?;
    let checked = OrderRequest::parse(&body)?.check()?;
    let Ok(permit) = Arc::clone(&api.placing).try_acquire_owned() else {
        return Err(Problem::busy(format!(
            "{MOST_PLACING} orders are being written already."
        )));
    };
    // A task of its own: the server drops this handler when the client goes away, and an order must not be committed
    // without its relay being woken.
    let placing = tokio::spawn(async move {
        let _permit = permit;
        place(&api, &key, checked).await
    });
    match placing
        .await
        .map_err(|error| Problem::unfinished(&error))??
    {
        Placed::New(order) => Ok(located(StatusCode::ACCEPTED, &order)),
        Placed::Again(order) => Ok(located(StatusCode::OK, &order)),
        Placed::KeyReused => Err(Problem::key_reused()),
        Placed::Busy => Err(Problem::busy(
            "Too many orders wait for Kafka, which does not answer.",
        )),
    }
}

async fn place(api: &Api, key: &str, checked: CheckedOrder) -> sqlx::Result<Placed> {
    let mut transaction = api.database.write().await?;
    let placed = store::place(&mut transaction, key, checked).await?;
    transaction.commit().await?;
    if matches!(placed, Placed::New(_) | Placed::Again(_)) {
        api.outbox.notify_one();
    }
    Ok(placed)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use axum::body::Body;
    use axum::extract::State;
    use axum::http::{HeaderMap, HeaderValue, header};
    use tokio::sync::Notify;
    use tokio_util::sync::CancellationToken;

    use super::super::SCHEMA;
    use super::super::changes::Changes;
    use super::{Api, is_address, place_order};
    use crate::database::tests::temporary;

    #[test]
    fn addresses_and_localhost_are_heard_and_names_are_not() {
        for host in [
            "127.0.0.1",
            "10.0.0.7:8081",
            "[::1]:8081",
            "[::1]",
            "LocalHost:1",
        ] {
            assert!(is_address(host), "{host}");
        }
        for host in [
            "",
            "evil.example:8081",
            "127.0.0.1.evil.example",
            "localhost.evil",
            "[::1",
            "[evil]",
        ] {
            assert!(!is_address(host), "{host}");
        }
    }

    #[tokio::test]
    async fn an_order_whose_client_goes_away_is_taken_and_wakes_the_relay() {
        let (_directory, database) = temporary(&[SCHEMA]).await;
        let outbox = Arc::new(Notify::new());
        let api = Api::new(
            database.clone(),
            Arc::clone(&outbox),
            Changes::new(),
            CancellationToken::new(),
        );
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", HeaderValue::from_static("k"));
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        let body = r#"{"customer_id":"c-1","items":[{"product_id":"p001","quantity":1}]}"#;
        for round in ["new", "again"] {
            let occupied = database.write().await.unwrap();
            let request = place_order(State(api.clone()), headers.clone(), Body::from(body));
            let gone = tokio::time::timeout(Duration::from_millis(50), request).await;
            assert!(gone.is_err(), "{round}: the database was occupied");
            drop(occupied);
            tokio::time::timeout(Duration::from_mins(1), outbox.notified())
                .await
                .expect(round);
            let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox")
                .fetch_one(database.read())
                .await
                .unwrap();
            assert_eq!(waiting, 1, "{round}");
        }
    }
}
