//! Stores of each kind: ranges, windows, sessions, past values, and what there is not.

use super::*;

#[test]
fn ranges_come_in_order_of_keys_in_pages_that_a_cursor_joins() {
    let cluster = cluster();
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 1);
    let running = cluster.run(app(&cluster, directory.path()).start(topology).unwrap());
    let store = running.store("counts").unwrap();
    let store = wait(store.at_least(&last_written(&cluster, "words"), PATIENCE)).unwrap();
    let counts = store.key_value::<String, u64>().unwrap();
    let keys = |from: &str, to: &str| -> Vec<String> {
        let range = counts.range(from.to_owned()..to.to_owned()).unwrap();
        range.map(|entry| entry.unwrap().key).collect()
    };
    assert_eq!(keys("figs", "oil"), ["figs", "honey", "milk"]);
    assert!(keys("oil", "figs").is_empty());
    let all: Vec<_> = counts
        .all()
        .unwrap()
        .map(|entry| entry.unwrap().key)
        .collect();
    assert_eq!(all, VOCABULARY);

    let address = address(&running);
    let (mut paged, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let answer = ask(&address, &format!("/stores/counts/range?limit=3{cursor}"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let rows = answer.body["rows"].as_array().unwrap();
        assert!(rows.len() <= 3);
        paged.extend(
            rows.iter()
                .map(|row| row["key"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        match answer.body["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(
        (paged.as_slice(), pages),
        (&VOCABULARY.map(str::to_owned)[..], 3)
    );
    let answer = ask(&address, "/stores/counts/range?from=honey&to=oil");
    assert_eq!(
        answer.body["rows"].as_array().unwrap().len(),
        3,
        "both ends"
    );
    for asked in [
        "limit=0",
        "limit=1001",
        "limit=many",
        "cursor=a",
        "colour=red",
    ] {
        let answer = ask(&address, &format!("/stores/counts/range?{asked}"));
        assert_eq!(
            (answer.status, code(&answer)),
            (400, "bad_request"),
            "{asked}"
        );
    }
    cluster.stop(running);
}

#[test]
fn windows_sessions_and_past_values_are_read_by_key_and_time() {
    let cluster = cluster();
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 3);
    for (rate, at) in [("5", 1_000_000), ("6", 2_000_000), ("7", 3_000_000)] {
        cluster.write("rates", [(partition("eur"), "eur", rate, at)]);
    }
    let running = cluster.run(app(&cluster, directory.path()).start(topology).unwrap());
    let salt = "salt".to_owned();
    let words = last_written(&cluster, "words");
    let windows = running.store("per-second").unwrap();
    let windows = wait(windows.at_least(&words, PATIENCE)).unwrap();
    let windows = windows.window::<String, u64>().unwrap();
    let found = windows.fetch(&salt, 0..=5000, 10).unwrap().value;
    let found: Vec<_> = found.iter().map(|row| (row.start, row.value)).collect();
    assert_eq!(found, [(1000, 2), (2000, 1)]);
    assert_eq!(windows.get(&salt, 2000).unwrap(), Some((1, 2000)));
    assert_eq!(windows.get(&salt, 2001).unwrap(), None);
    let all = windows.fetch_all(2000..=3000, 100).unwrap().value;
    assert_eq!(all.len(), VOCABULARY.len());
    let sessions = running.store("visits").unwrap();
    let sessions = wait(sessions.at_least(&words, PATIENCE)).unwrap();
    let found = sessions.session::<String, u64>().unwrap();
    let found = found.fetch(&salt, 1200..=1800, 10).unwrap().value;
    assert_eq!((found.len(), found[0].start, found[0].end), (1, 1500, 1500));
    let rates = running.store("rates").unwrap();
    let rates = wait(rates.at_least(&last_written(&cluster, "rates"), PATIENCE)).unwrap();
    let rates = rates.versioned::<String, u64>().unwrap();
    let eur = "eur".to_owned();
    assert_eq!(rates.get(&eur).unwrap(), Some((7, 3_000_000)));
    for (time, expected) in [
        (999_999, None),
        (1_000_000, Some((5, 1_000_000))),
        (2_999_999, Some((6, 2_000_000))),
        (9_000_000, Some((7, 3_000_000))),
    ] {
        assert_eq!(rates.get_as_of(&eur, time).unwrap(), expected, "{time}");
    }

    let address = address(&running);
    let answer = ask(&address, "/stores/per-second/window?key=salt&limit=1");
    assert_eq!(answer.body["windows"][0]["value"], 2, "{}", answer.body);
    let cursor = answer.body["cursor"].as_str().unwrap().to_owned();
    let path = format!("/stores/per-second/window?key=salt&limit=1&cursor={cursor}");
    let answer = ask(&address, &path);
    assert_eq!(answer.body["windows"][0]["start"], 2000);
    assert!(answer.body["cursor"].is_null());
    let answer = ask(&address, "/stores/visits/window?key=salt&from=1200&to=1800");
    assert_eq!(answer.body["windows"][0]["end"], 1500, "{}", answer.body);
    let answer = ask(&address, "/stores/rates/get?key=eur&as_of=2500000");
    assert_eq!(answer.body["value"], 6, "{}", answer.body);
    cluster.stop(running);
}

#[test]
fn unknown_stores_and_stores_of_another_kind_are_told_with_what_there_is() {
    let cluster = cluster();
    let directory = tempfile::tempdir().unwrap();
    let running = cluster.run(app(&cluster, directory.path()).start(topology).unwrap());
    let unknown = running.store("elsewhere").unwrap_err().to_string();
    for name in ["counts", "per-second", "visits", "rates"] {
        assert!(unknown.contains(name), "{unknown}");
    }
    let wrong = running.store("counts").unwrap().window::<String, u64>();
    let Err(QueryError::WrongKind { kind, asked, .. }) = wrong else {
        panic!("a key-value store has no windows");
    };
    assert_eq!((kind, asked), ("key-value", "window"));
    let address = address(&running);
    for (path, status, expected) in [
        ("/stores/elsewhere/get?key=a", 404, "unknown_store"),
        ("/stores/counts/window?key=a", 400, "wrong_kind"),
        ("/stores/visits/get?key=a", 400, "wrong_kind"),
        ("/stores/counts/get", 400, "bad_request"),
        ("/stores/counts/get?key=a&partition=9", 400, "bad_request"),
        ("/stores/counts/get?key=a&position=b", 400, "bad_position"),
        (
            "/stores/counts/get?key=a&position=b:1:1",
            400,
            "unrelated_topic",
        ),
        ("/elsewhere", 404, "no_such_path"),
    ] {
        let answer = ask(&address, path);
        assert_eq!((answer.status, code(&answer)), (status, expected), "{path}");
    }
    let answer = ask_as("rebound.example:80", &address, "/stores");
    assert_eq!((answer.status, code(&answer)), (403, "foreign_host"));
    let answer = ask_as("localhost", &address, "/stores");
    let stores = answer.body["stores"].as_array().unwrap();
    let counts = stores
        .iter()
        .find(|store| store["name"] == "counts")
        .unwrap();
    assert_eq!(counts["kind"], "key-value");
    assert_eq!(counts["keys"], "string");
    assert_eq!(counts["here"].as_array().unwrap().len(), 4);
    cluster.stop(running);
}
