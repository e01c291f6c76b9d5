//! Errors of the HTTP API as `application/problem+json` (RFC 9457), each with a remedy.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::task::JoinError;

/// What went wrong and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    /// The last part of the `type`: stable, for programs.
    kind: &'static str,
    title: &'static str,
    detail: String,
    remedy: String,
}

impl Problem {
    pub(super) fn bad_request(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad-request",
            "The request cannot be read",
            detail,
            remedy,
        )
    }

    pub(super) fn invalid_order(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid-order",
            "The order cannot be taken",
            detail,
            remedy,
        )
    }

    pub(super) fn key_missing() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "idempotency-key-missing",
            "The Idempotency-Key is missing",
            "POST /orders needs a header Idempotency-Key of 1 to 255 visible ASCII characters.",
            "Send a fresh UUID with every new order, and the same one when you repeat a request.",
        )
    }

    pub(super) fn key_reused() -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency-key-reused",
            "The Idempotency-Key belongs to another order",
            "An order with this Idempotency-Key but another body was taken before.",
            "Use a fresh Idempotency-Key for a new order, or repeat the body exactly.",
        )
    }

    pub(super) fn not_found(order_id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "order-not-found",
            "There is no such order",
            format!("No order has the id {order_id:?}."),
            "Use the Location that POST /orders answered with, or list the newest with GET /orders.",
        )
    }

    pub(super) fn no_such_route(path: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is nothing here",
            format!("Nothing answers at {path:?}."),
            "The API has GET /products, POST /orders, GET /orders and GET /orders/{id}.",
        )
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "This method is not allowed here",
            "The path exists, but not with this method.",
            "The API has GET /products, POST /orders, GET /orders and GET /orders/{id}.",
        )
    }

    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            "The body is too large",
            format!("The body of an order has at most {limit} bytes."),
            "Split the order.",
        )
    }

    pub(super) fn too_slow(limit: Duration) -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "body-too-slow",
            "The body did not come in time",
            format!(
                "The body of an order has {} seconds to arrive.",
                limit.as_secs()
            ),
            "Repeat the request with the same Idempotency-Key.",
        )
    }

    pub(super) fn foreign_host(host: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "foreign-host",
            "This host name is not heard here",
            format!("Host is {host:?}, neither an IP address nor localhost."),
            "Use the IP address of the orders API, or localhost.",
        )
    }

    pub(super) fn not_json() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not-json",
            "The body is not JSON",
            "POST /orders takes a body of type application/json.",
            "Set the header Content-Type: application/json.",
        )
    }

    pub(super) fn busy(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "The service cannot take this now",
            detail,
            "Repeat the request with the same Idempotency-Key after the time in Retry-After.",
        )
    }

    pub(super) fn database(error: &sqlx::Error) -> Self {
        tracing::error!(%error, "the orders database failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "database",
            "The database failed",
            "The order may or may not have been taken.",
            "Repeat the request with the same Idempotency-Key; see the log of the orders service for the cause.",
        )
    }

    pub(super) fn unfinished(error: &JoinError) -> Self {
        tracing::error!(%error, "an order was not placed to the end");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "unfinished",
            "The request was not finished",
            "The order may or may not have been taken.",
            "Repeat the request with the same Idempotency-Key.",
        )
    }

    fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            status,
            kind,
            title,
            detail: detail.into(),
            remedy: remedy.into(),
        }
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        Self::database(&error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": format!("urn:headwater:problem:{}", self.kind),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "remedy": self.remedy,
        });
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
