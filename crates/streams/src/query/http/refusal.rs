//! Why a question has no answer: a status, and JSON that a program and a person can read.

use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::query::QueryError;

/// A question that is not answered.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    remedy: &'static str,
    /// Who has the answer.
    owner: Option<String>,
    location: Option<String>,
}

impl Refusal {
    fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
        remedy: &'static str,
    ) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            remedy,
            owner: None,
            location: None,
        }
    }

    /// The question is not one.
    pub(super) fn bad_request(message: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad_request",
            message,
            "Correct the parameter: key, from, to, limit, cursor, partition, position, wait, as_of and stale are known",
        )
    }

    pub(super) fn no_such_path() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no_such_path",
            "there is nothing at this path",
            "GET /stores, /stores/{name}/get, /stores/{name}/range or /stores/{name}/window",
        )
    }

    pub(super) fn foreign_host(host: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "foreign_host",
            format!("`{host}` is not a name of this machine's own"),
            "Ask by the address, as http://127.0.0.1 with the port, or as localhost",
        )
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "the application's token was not shown",
            "Ask with the header `Authorization: Bearer <token>`, also where an answer sent the question on",
        )
    }

    pub(super) fn no_such_key(key: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no_such_key",
            format!("the committed state has no value for `{key}`"),
            "If its records were written just now, ask with position=topic:partition:offset of the last of them",
        )
    }

    pub(super) fn busy() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "too many questions wait for an answer",
            "Ask again in a second",
        )
    }

    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "reading the store was cut short",
            "See the application's log",
        )
    }

    /// A question that was sent on to this instance already is not sent on again.
    pub(super) fn stays(mut self) -> Self {
        self.owner = None;
        self
    }

    /// With the address of the instance that has the answer, where one is known.
    pub(super) fn sent_on(mut self, uri: &Uri) -> Self {
        if let Some(owner) = &self.owner {
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            self.status = StatusCode::TEMPORARY_REDIRECT;
            let and = if uri.query().is_some() { '&' } else { '?' };
            self.location = Some(format!("http://{owner}{path}{and}hop=true"));
        }
        self
    }
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        let (status, code, remedy) = match &error {
            QueryError::UnknownStore { .. } => (
                StatusCode::NOT_FOUND,
                "unknown_store",
                "Ask for one of these names; GET /stores tells what each is",
            ),
            QueryError::WrongKind { .. } => (
                StatusCode::BAD_REQUEST,
                "wrong_kind",
                "Read key-value stores with get and range, versioned ones with get, window and session stores with window",
            ),
            QueryError::NotRunning { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "not_running",
                "Ask again in a second, or another instance",
            ),
            QueryError::Restoring { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "restoring",
                "Ask again in a second, or with stale=true where another instance keeps a copy",
            ),
            QueryError::Withdrawn { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "withdrawn", "Ask again")
            }
            QueryError::NotHere { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "not_here",
                "Ask the owner; where none is known, ask again in some seconds",
            ),
            QueryError::Behind { .. } => (
                StatusCode::GATEWAY_TIMEOUT,
                "behind",
                "Ask again with the same position, or with a longer wait (milliseconds)",
            ),
            QueryError::UnrelatedTopic { .. } => (
                StatusCode::BAD_REQUEST,
                "unrelated_topic",
                "Name offsets of the topics that the store is made from",
            ),
            QueryError::Position { .. } => (
                StatusCode::BAD_REQUEST,
                "bad_position",
                "Give a position that an answer carried, or topic:partition:offset of delivered records",
            ),
            QueryError::Cluster { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "cluster",
                "Ask again in a second",
            ),
            QueryError::Store(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "store",
                "See the application's log",
            ),
        };
        let mut refusal = Self::new(status, code, error.to_string(), remedy);
        if let QueryError::NotHere { owner, .. } = error {
            refusal.owner = owner;
        }
        refusal
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"error": {
            "code": self.code,
            "message": self.message,
            "remedy": self.remedy,
        }});
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Some(location) = self.location
            && let Ok(location) = HeaderValue::from_str(&location)
        {
            headers.insert(header::LOCATION, location);
        }
        response
    }
}
