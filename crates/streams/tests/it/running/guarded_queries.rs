//! Who may ask over HTTP.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::cluster::{Cluster, PATIENCE, eventually};
use super::word_count::{cluster, topology};

/// The status and the body of an answer to `GET /stores`, asked with these headers.
fn ask(address: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("GET /stores HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    write!(stream, "{head}{headers}\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    (status, text.to_lowercase())
}

fn refused(
    cluster: &Cluster,
    app: impl Fn(headwater_streams::App) -> headwater_streams::App,
) -> String {
    let directory = tempfile::tempdir().unwrap();
    let app = app(cluster.app(directory.path()));
    app.start(topology).unwrap_err().to_string()
}

#[test]
fn who_asks_shows_the_token_where_there_is_one() {
    let cluster = cluster(1);
    let directory = tempfile::tempdir().unwrap();
    let app = cluster.app(directory.path());
    let app = app.queries("127.0.0.1:0").queries_token("s3cret");
    let running = cluster.run(app.start(topology).unwrap());
    let address = eventually("it tells where it answers", || {
        Some(running.instances().first()?.address.clone())
    });
    let (status, _) = ask(&address, "Authorization: Bearer s3cret\r\n");
    assert_eq!(status, 200);
    for headers in [
        "",
        "Authorization: Bearer s3cres\r\n",
        "Authorization: s3cret\r\n",
    ] {
        let (status, text) = ask(&address, headers);
        assert_eq!(status, 401, "{headers}");
        assert!(text.contains("www-authenticate: bearer"), "{text}");
        assert!(text.contains("\"unauthorized\"") && !text.contains("counts"));
    }
    cluster.stop(running);
}

#[test]
fn an_address_that_others_reach_needs_a_token_or_the_word_that_all_may_ask() {
    let cluster = cluster(1);
    let told = refused(&cluster, |app| {
        app.queries("0.0.0.0:0").advertised("shop-1:7070")
    });
    assert!(told.contains("App::queries_token"), "{told}");
    let told = refused(&cluster, |app| app.queries("127.0.0.1:0").queries_token(""));
    assert!(told.contains("the token of queries is empty"), "{told}");
}

#[test]
fn everyone_is_answered_where_the_program_says_so_unless_there_is_a_token() {
    let cluster = cluster(1);
    for (token, admitted) in [(None, 200), (Some("s3cret"), 401)] {
        let directory = tempfile::tempdir().unwrap();
        let app = cluster.app(directory.path());
        let app = app.queries("127.0.0.1:0").queries_for_everyone();
        let app = match token {
            Some(token) => app.queries_token(token),
            None => app,
        };
        let running = cluster.run(app.start(topology).unwrap());
        let address = eventually("it tells where it answers", || {
            Some(running.instances().first()?.address.clone())
        });
        let (status, text) = ask(&address, "");
        assert_eq!(status, admitted, "{text}");
        assert_eq!(text.contains("counts"), admitted == 200, "{text}");
        cluster.stop(running);
    }
}
