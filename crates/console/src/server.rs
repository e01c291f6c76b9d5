//! The page's HTTP server: binds, mounts and stops.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{Method, StatusCode};
use axum::middleware;
use axum::response::IntoResponse;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::ConsoleError;
use crate::problem::Problem;
use crate::settings::{ConsoleParts, ConsoleSettings};
use crate::state::Shared;
use crate::{api, assets, guard};

/// The running page.
#[derive(Debug)]
pub struct Console {
    /// Where it is served.
    pub local_addr: SocketAddr,
    server: JoinHandle<Result<(), std::io::Error>>,
}

/// Serves the page until `shutdown`. Kafka need not be reachable: the page says so itself.
pub async fn start(
    settings: ConsoleSettings,
    parts: ConsoleParts,
    shutdown: CancellationToken,
) -> Result<Console, ConsoleError> {
    let listen = settings.listen;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|source| ConsoleError::Bind { listen, source })?;
    let local_addr = listener
        .local_addr()
        .map_err(|source| ConsoleError::Bind { listen, source })?;
    let shared = Shared::new(&settings, &parts, &shutdown);
    let router = router(shared, parts.app);
    let server = tokio::spawn(async move {
        axum::serve(listener, router)
            .with_graceful_shutdown(async move { shutdown.cancelled().await })
            .await
    });
    Ok(Console { local_addr, server })
}

/// The page, its API and the application's routes behind the same guard.
fn router(shared: Shared, app: Router) -> Router {
    api::router(shared)
        .merge(app)
        .fallback(async |request: Request| {
            if request.method() == Method::GET || request.method() == Method::HEAD {
                return assets::serve(request.uri().path(), request.headers());
            }
            let title = "Nothing takes this here";
            let detail = format!("{} {} is not known", request.method(), request.uri().path());
            let remedy = "Orders are placed with POST /orders";
            Problem::new(StatusCode::NOT_FOUND, title, detail, remedy).into_response()
        })
        .layer(DefaultBodyLimit::max(guard::MAX_BODY))
        .layer(middleware::from_fn(guard::check))
}

impl Console {
    /// Waits until the server has ended.
    pub async fn join(self) -> Result<(), ConsoleError> {
        let listen = self.local_addr;
        match self.server.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(source)) => Err(ConsoleError::Serve { listen, source }),
            Err(ended) => Err(ConsoleError::Serve {
                listen,
                source: std::io::Error::other(ended),
            }),
        }
    }
}
