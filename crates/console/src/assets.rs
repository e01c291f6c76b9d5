//! The built page, from memory. Its sources are in `web/`; building the crate needs no Node.
//!
//! File names are stable so that this table is, too; a browser keeps a copy and asks with its `ETag`.

use std::hash::{DefaultHasher, Hasher};

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A file of the page.
struct Asset {
    path: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

const PAGE: Asset = Asset {
    path: "/",
    content_type: "text/html; charset=utf-8",
    bytes: include_bytes!("../assets/index.html"),
};

const FILES: [Asset; 4] = [
    Asset {
        path: "/assets/page.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../assets/assets/page.js"),
    },
    Asset {
        path: "/assets/page.css",
        content_type: "text/css; charset=utf-8",
        bytes: include_bytes!("../assets/assets/page.css"),
    },
    Asset {
        path: "/theme.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../assets/theme.js"),
    },
    Asset {
        path: "/icon.svg",
        content_type: "image/svg+xml",
        bytes: include_bytes!("../assets/icon.svg"),
    },
];

/// First parts of the addresses that the page itself understands.
const VIEWS: [&str; 4] = ["", "shop", "store", "follow"];

/// The file at `path`, the page for one of its views, or the page with status 404.
pub(crate) fn serve(path: &str, request: &HeaderMap) -> Response {
    if let Some(asset) = FILES.iter().find(|asset| asset.path == path) {
        return respond(asset, StatusCode::OK, request);
    }
    let view = path
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    let status = if VIEWS.contains(&view) {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    };
    respond(&PAGE, status, request)
}

fn respond(asset: &Asset, status: StatusCode, request: &HeaderMap) -> Response {
    let etag = etag(asset.bytes);
    let known = request
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let headers = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CACHE_CONTROL, "no-cache"),
        (header::ETAG, etag.as_str()),
    ];
    if status == StatusCode::OK
        && known.is_some_and(|known| known.split(", ").any(|one| one == etag))
    {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (status, headers, asset.bytes).into_response()
}

/// The same bytes have the same tag in every process of one build: the hasher's keys are fixed.
fn etag(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("\"{:016x}\"", hasher.finish())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_built_file_is_in_the_table() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
        let mut folders = vec![root.clone()];
        let mut built = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir().unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    built.push(format!(
                        "/{}",
                        path.strip_prefix(&root).unwrap().to_str().unwrap()
                    ));
                }
            }
        }
        built.sort();
        let mut table: Vec<_> = FILES.iter().map(|asset| asset.path.to_owned()).collect();
        table.push("/index.html".to_owned());
        table.sort();
        assert_eq!(built, table);
    }

    #[test]
    fn views_are_the_page_and_unknown_addresses_the_page_with_404() {
        let none = HeaderMap::new();
        for path in ["/", "/shop", "/store/topics/a", "/follow/1"] {
            assert_eq!(serve(path, &none).status(), StatusCode::OK, "{path}");
        }
        assert_eq!(serve("/admin.php", &none).status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn a_known_copy_is_not_sent_again() {
        let first = serve("/assets/page.js", &HeaderMap::new());
        let etag = first.headers()[header::ETAG].clone();
        let again = HeaderMap::from_iter([(header::IF_NONE_MATCH, etag)]);
        assert_eq!(
            serve("/assets/page.js", &again).status(),
            StatusCode::NOT_MODIFIED
        );
    }
}
