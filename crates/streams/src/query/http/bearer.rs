//! Who may ask: whoever shows the application's token (RFC 6750).

use std::hint::black_box;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::refusal::Refusal;

/// Answers only those who show the token.
pub(super) async fn only_bearers(
    State(token): State<Arc<str>>,
    request: Request,
    next: Next,
) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION);
    let shown = shown.and_then(|shown| bearer(shown.as_bytes()));
    if shown.is_some_and(|shown| is_same(shown, token.as_bytes())) {
        return next.run(request).await;
    }
    Refusal::unauthorized().into_response()
}

/// The token of `Bearer <token>`; the scheme is not told by its case.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

/// Takes as long whatever of them is the same: how long an answer takes tells nothing but the token's length.
fn is_same(shown: &[u8], token: &[u8]) -> bool {
    if shown.len() != token.len() {
        return false;
    }
    let differs = shown
        .iter()
        .zip(token)
        .fold(0, |differs, (a, b)| black_box(differs | (a ^ b)));
    black_box(differs) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shown_whole_after_its_scheme() {
        let shows = |header: &str| bearer(header.as_bytes()).is_some_and(|t| is_same(t, b"s3cret"));
        for header in ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret "] {
            assert!(shows(header), "{header}");
        }
        for header in [
            "",
            "s3cret",
            "Basic s3cret",
            "Bearer",
            "Bearer ",
            "Bearer s3cre",
            "Bearer s3crets",
            "Bearer S3cret",
        ] {
            assert!(!shows(header), "{header}");
        }
    }
}
