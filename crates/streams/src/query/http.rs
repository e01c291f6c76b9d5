//! Queries over HTTP: `GET /stores`, `/stores/{name}/get`, `/stores/{name}/range` and `/stores/{name}/window`.
//!
//! An instance that does not have a key answers 307 with the address of the one that has. It does not ask that one
//! itself: an answer that passes through two processes takes memory and time of both, waits where the client cannot
//! see it, and makes every instance a client of all others; a client that follows has the owner's address for its
//! next question. A question that was sent on once is not sent on again.
//!
//! Who asks shows a token, where the application has one. Requests and answers are as they are on the wire: beyond a
//! network that is trusted, a proxy that speaks TLS belongs before it.
//!
//! Everything is bounded: how many questions are answered at once, how long one waits, how many rows and bytes an
//! answer has; where rows are left, it has a cursor.

mod answers;
mod bearer;
mod refusal;

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use tokio::sync::Semaphore;

use self::refusal::Refusal;
use super::{Position, StoreQuery};
use crate::error::StreamsError;
use crate::runtime::Instance;

/// Questions that are answered at once; others wait for their turn.
const AT_ONCE: usize = 32;
/// Questions that wait for their turn at most.
const WAITING: usize = 256;
/// How long a question waits for a position, in milliseconds, if it says nothing, and at the most.
const WAIT_MS: u64 = 5_000;
const LONGEST_WAIT_MS: u64 = 30_000;
/// How long answers may take when the application has stopped.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// A port that is taken, to be served when the application runs.
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Takes the port.
    pub(crate) fn bind(address: &str) -> Result<Self, StreamsError> {
        let failed = |error: std::io::Error| {
            StreamsError::Settings(format!(
                "queries cannot be answered at `{address}`: {error}. Give `queries` an address of this machine, as \
                 127.0.0.1:7070, with a port that is free, or 0"
            ))
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves, on a thread of its own, until the application has stopped.
    pub(crate) fn start(self, instance: &Arc<Instance>) -> Result<JoinHandle<()>, StreamsError> {
        let failed = |error: std::io::Error| {
            StreamsError::Settings(format!("answering queries cannot begin: {error}"))
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(AT_ONCE)
            .build()
            .map_err(failed)?;
        let instance = Arc::clone(instance);
        tracing::info!(address = %self.address, "answering queries");
        std::thread::Builder::new()
            .name(format!("{}-queries", instance.config.application))
            .spawn(move || {
                if let Err(error) = runtime.block_on(serve(self.listener, &instance)) {
                    tracing::error!(%error, "queries are not answered any more");
                }
                runtime.shutdown_timeout(LAST_ANSWERS);
            })
            .map_err(failed)
    }
}

async fn serve(listener: TcpListener, instance: &Arc<Instance>) -> Result<(), std::io::Error> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let is_loopback = listener.local_addr()?.ip().is_loopback();
    let (mut states, mut ended) = (instance.state.watch(), instance.state.watch());
    let service = Service {
        instance: Arc::clone(instance),
        permits: Arc::new(Semaphore::new(AT_ONCE)),
        waiting: Arc::new(Semaphore::new(AT_ONCE + WAITING)),
    };
    let token = instance.config.queries.token.clone();
    let router = router(service, is_loopback, token);
    let serving = axum::serve(listener, router).with_graceful_shutdown(async move {
        let _ = states.wait_for(|state| state.is_final()).await;
    });
    let too_long = async move {
        let _ = ended.wait_for(|state| state.is_final()).await;
        tokio::time::sleep(LAST_ANSWERS).await;
    };
    tokio::select! {
        served = serving => served,
        () = too_long => Ok(()),
    }
}

fn router(service: Service, is_loopback: bool, token: Option<Arc<str>>) -> Router {
    let mut routes = Router::new()
        .route("/stores", get(stores))
        .route("/stores/{name}/get", get(one))
        .route("/stores/{name}/range", get(range))
        .route("/stores/{name}/window", get(window))
        .fallback(async || Refusal::no_such_path())
        .with_state(service);
    if let Some(token) = token {
        let only_bearers = axum::middleware::from_fn_with_state(token, bearer::only_bearers);
        routes = routes.layer(only_bearers);
    }
    if is_loopback {
        return routes.layer(axum::middleware::from_fn(only_local));
    }
    routes
}

/// On the loopback address, answers only what was asked for by an address or as `localhost`: a page from elsewhere
/// could have its own name resolve to this machine, and read the stores from a browser on it.
async fn only_local(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    if is_local(host) {
        return next.run(request).await;
    }
    Refusal::foreign_host(host).into_response()
}

fn is_local(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name.eq_ignore_ascii_case("localhost")
        || host.parse::<SocketAddr>().is_ok()
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

#[derive(Clone)]
struct Service {
    instance: Arc<Instance>,
    permits: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// What a question may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    key: Option<String>,
    from: Option<String>,
    to: Option<String>,
    /// How many rows the answer may have.
    limit: Option<usize>,
    /// Where the last answer ended.
    cursor: Option<String>,
    /// The partition, in place of that of the key.
    partition: Option<i32>,
    /// What the answer must reflect.
    position: Option<String>,
    /// How long to wait for that, in milliseconds.
    wait: Option<u64>,
    /// The time that a versioned store is read as of.
    as_of: Option<i64>,
    /// Whether a copy that may be some moments old will do.
    #[serde(default)]
    stale: bool,
    /// Whether it was sent on from another instance.
    #[serde(default)]
    hop: bool,
}

/// The parameters, and the reading of them.
type Asked = Result<Query<Params>, QueryRejection>;

async fn stores(State(service): State<Service>) -> Response {
    let instance = Arc::clone(&service.instance);
    service
        .answer(move || Ok(answers::stores(&instance)))
        .await
        .into_response()
}

async fn one(
    State(service): State<Service>,
    Path(name): Path<String>,
    uri: Uri,
    asked: Asked,
) -> Response {
    service.read(&name, &uri, asked, answers::one).await
}

async fn range(
    State(service): State<Service>,
    Path(name): Path<String>,
    uri: Uri,
    asked: Asked,
) -> Response {
    service.read(&name, &uri, asked, answers::range).await
}

async fn window(
    State(service): State<Service>,
    Path(name): Path<String>,
    uri: Uri,
    asked: Asked,
) -> Response {
    service.read(&name, &uri, asked, answers::window).await
}

type Read = fn(&StoreQuery, &Params) -> Result<serde_json::Value, Refusal>;

impl Service {
    /// Waits for what the question asks for, and answers it.
    async fn read(&self, name: &str, uri: &Uri, asked: Asked, read: Read) -> Response {
        match self.try_read(name, asked, read).await {
            Ok(answer) => axum::Json(answer).into_response(),
            Err(refusal) => refusal.sent_on(uri).into_response(),
        }
    }

    async fn try_read(
        &self,
        name: &str,
        asked: Asked,
        read: Read,
    ) -> Result<serde_json::Value, Refusal> {
        let params = match asked {
            Ok(Query(params)) => params,
            Err(rejection) => return Err(Refusal::bad_request(&rejection.body_text())),
        };
        let Ok(_waits) = Arc::clone(&self.waiting).try_acquire_owned() else {
            return Err(Refusal::busy());
        };
        let mut store = StoreQuery::new(&self.instance, name)?;
        if params.stale {
            store = store.stale();
        }
        if let Some(token) = &params.position {
            let position: Position = token.parse()?;
            let wait = params.wait.unwrap_or(WAIT_MS).min(LONGEST_WAIT_MS);
            let at_least = store.at_least(&position, Duration::from_millis(wait));
            store = at_least.await?;
        }
        let hop = params.hop;
        let answered = self.blocking(move || read(&store, &params)).await;
        answered.map_err(|refusal| if hop { refusal.stays() } else { refusal })
    }

    async fn answer(
        &self,
        work: impl FnOnce() -> Result<serde_json::Value, Refusal> + Send + 'static,
    ) -> Result<axum::Json<serde_json::Value>, Refusal> {
        self.blocking(work).await.map(axum::Json)
    }

    /// Reads rows, which may have to come from disk, beside the connections.
    async fn blocking(
        &self,
        work: impl FnOnce() -> Result<serde_json::Value, Refusal> + Send + 'static,
    ) -> Result<serde_json::Value, Refusal> {
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
            return Err(Refusal::busy());
        };
        let answered = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        answered.await.unwrap_or_else(|_| Err(Refusal::internal()))
    }
}
