//! Errors as the page and programs get them: problem+json that names the cause and the remedy.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::feed::FeedError;

/// What went wrong and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// The HTTP status.
    pub(crate) status: u16,
    /// What did not work, in a few words.
    pub(crate) title: String,
    /// The cause, with the evidence.
    pub(crate) detail: String,
    /// What the reader can do.
    pub(crate) remedy: String,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        title: &str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            status: status.as_u16(),
            title: title.to_owned(),
            detail: detail.into(),
            remedy: remedy.into(),
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "This request cannot be understood",
            detail,
            remedy,
        )
    }

    pub(crate) fn busy(what: &str) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many at once",
            format!("there are already as many {what} as this page allows"),
            "Close a tab of this page, or try again in a moment",
        )
    }
}

impl From<FeedError> for Problem {
    fn from(error: FeedError) -> Self {
        Self::new(
            StatusCode::BAD_GATEWAY,
            "The ordering system did not answer",
            error.cause,
            error.remedy,
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let kind = HeaderValue::from_static("application/problem+json");
        (status, [(header::CONTENT_TYPE, kind)], body).into_response()
    }
}
