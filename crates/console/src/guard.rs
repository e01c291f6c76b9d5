//! Who may talk to the page: checks Host and Origin, bounds bodies, and adds the headers that keep a browser safe.
//!
//! A DNS name that was rebound to this machine shows in `Host`, a form on a foreign page in `Origin` or
//! `Sec-Fetch-Site`. An IP address cannot be rebound, so those hosts and `localhost` are ours and no others.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;

/// No request to the page is larger.
pub(crate) const MAX_BODY: usize = 256 * 1024;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Lets a request through when it comes from our own page or from a program, never from a foreign page.
pub(crate) async fn check(request: Request, next: Next) -> Response {
    let mut response = match refusal(request.method(), request.headers()) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

fn refusal(method: &Method, headers: &HeaderMap) -> Option<Problem> {
    let forbidden = |detail: String, remedy: &str| {
        Some(Problem::new(
            StatusCode::FORBIDDEN,
            "This request is not from this page",
            detail,
            remedy,
        ))
    };
    let text = |name: HeaderName| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or("(unreadable)"))
    };
    let host = text(header::HOST).unwrap_or_default();
    if !is_ours(host) {
        return forbidden(
            format!("Host is {host:?}, neither an IP address nor localhost"),
            "Open the page by its IP address or as localhost",
        );
    }
    if let Some(origin) = text(header::ORIGIN) {
        let authority = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        if authority != Some(host) {
            let remedy = "Use the page itself, or a program that sends no Origin";
            return forbidden(format!("Origin is {origin:?} but Host is {host:?}"), remedy);
        }
    }
    let site = text(HeaderName::from_static("sec-fetch-site"));
    let navigates = method == Method::GET
        && text(HeaderName::from_static("sec-fetch-mode")) == Some("navigate");
    if matches!(site, Some("cross-site" | "same-site")) && !navigates {
        return forbidden(
            "another site's page sent it".to_owned(),
            "Open this page itself",
        );
    }
    let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| length > MAX_BODY) {
        let detail = format!("the body is larger than {MAX_BODY} bytes");
        return Some(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Too large",
            detail,
            "Send a smaller one",
        ));
    }
    None
}

/// An IP address or localhost, with any port.
fn is_ours(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: &Method, pairs: &[(&'static str, &'static str)]) -> Option<u16> {
        let pairs = pairs.iter();
        let headers = pairs.map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        refusal(method, &headers.collect()).map(|problem| problem.status)
    }

    #[test]
    fn addresses_and_localhost_are_ours_and_names_are_not() {
        for host in [
            "127.0.0.1:8080",
            "localhost:1",
            "localhost",
            "[::1]:8080",
            "192.168.1.7:8080",
        ] {
            assert!(is_ours(host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "",
            "127.0.0.1.nip.io:80",
        ] {
            assert!(!is_ours(host), "{host}");
        }
    }

    #[test]
    fn a_foreign_origin_is_refused_and_our_own_and_programs_pass() {
        let host = ("host", "127.0.0.1:8080");
        assert_eq!(
            refused(&Method::POST, &[host, ("origin", "http://evil.example")]),
            Some(403)
        );
        assert_eq!(
            refused(&Method::POST, &[host, ("origin", "null")]),
            Some(403)
        );
        assert_eq!(
            refused(&Method::POST, &[host, ("origin", "http://127.0.0.1:8081")]),
            Some(403)
        );
        assert_eq!(
            refused(&Method::GET, &[host, ("sec-fetch-site", "cross-site")]),
            Some(403)
        );
        assert_eq!(
            refused(&Method::POST, &[host, ("origin", "http://127.0.0.1:8080")]),
            None
        );
        assert_eq!(refused(&Method::POST, &[host]), None);
    }

    #[test]
    fn a_link_on_another_site_may_open_the_page() {
        let link = [
            ("host", "localhost:8080"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
        ];
        assert_eq!(refused(&Method::GET, &link), None);
        assert_eq!(refused(&Method::POST, &link), Some(403));
    }

    #[test]
    fn a_body_beyond_the_limit_is_refused_by_its_length() {
        assert_eq!(
            refused(
                &Method::POST,
                &[("host", "localhost"), ("content-length", "1000000")]
            ),
            Some(413)
        );
    }
}
