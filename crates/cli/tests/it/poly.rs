//! Polykad's own network through a daemon: over HTTP, by the program, and by the Rust client, whose
//! reports and errors are those of a node in the process.

use client::http::Daemon;
use client::poly::value::{Entry, Kind, Record, SigningKey, ValueError, blob_key, topic_key};
use client::poly::{Change, Failure, GetError, GetOptions, PutError, PutOptions, Quorum, Stored};
use client::{Client, Key};

use crate::http::{Api, through};
use crate::program::{Server, run};

/// Nodes of both networks that know each other; the first has the API.
fn network(more: &[&str]) -> (Vec<Server>, Api) {
    let arguments = [&["--http", "127.0.0.1:0"], more].concat();
    let mut servers = vec![Server::start("127.0.0.1:0", &arguments)];
    let api = Api::of(&servers[0]);
    let (mainline, poly) = (servers[0].address.clone(), poly_of(&servers[0]));
    for _ in 0..3 {
        let join = ["--bootstrap", &mainline, "--poly-bootstrap", &poly];
        servers.push(Server::start("127.0.0.1:0", &join));
    }
    for _ in 0..200 {
        let contacts = api.get("/v1/poly/contacts").json();
        if contacts["contacts"].as_array().unwrap().len() == 3 {
            return (servers, api);
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("the nodes did not find each other");
}

fn poly_of(server: &Server) -> String {
    server.introduction["listen_poly"][0].as_str().unwrap().to_owned()
}

fn hex(key: &Key) -> String {
    client::http::json::poly::hex(key)
}

fn in_an_hour() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_secs() + 3600
}

#[test]
fn values_are_put_and_read() {
    let (servers, api) = network(&[]);
    let value = b"\x00any bytes\xff";
    let put = api.send("POST", "/v1/poly/values?lifetime_s=60&quorum=2", &[], value);
    assert_eq!(put.status, 201, "{}", put.head);
    let key = hex(&blob_key(value));
    assert_eq!(put.json()["key"], key);
    assert!(put.json()["acknowledged"].as_array().unwrap().len() >= 2, "{}", put.json());
    let path = format!("/v1/poly/values/{key}");
    assert!(put.head.contains(&format!("location: {path}")), "{}", put.head);
    let got = api.get(&path);
    assert_eq!((got.status, got.body.as_slice()), (200, &value[..]));
    assert!(got.head.contains(&format!("etag: \"{key}\"")), "{}", got.head);
    let json = api.send("GET", &path, &[("accept", "application/json")], &[]).json();
    assert_eq!((&json["key"], &json["text"]), (&key.clone().into(), &serde_json::Value::Null));
    let known = api.send("GET", &path, &[("if-none-match", &format!("\"{key}\""))], &[]);
    assert_eq!((known.status, known.body.len()), (304, 0));
    let head = api.send("HEAD", &path, &[], &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    // Another node finds it without this one's help.
    let join = ["get", &key, "--bootstrap", &poly_of(&servers[2]), "--json"];
    assert_eq!(run(&join).done().json()["value_hex"], "00616e79206279746573ff");
    api.get(&format!("/v1/poly/values/{}", "0".repeat(64))).is_problem(404, "not-found");
}

#[test]
fn what_can_not_be_stored_is_told() {
    let (_servers, api) = network(&[]);
    let post =
        |query: &str, body: &[u8]| api.send("POST", &format!("/v1/poly/values?{query}"), &[], body);
    post("", &vec![0; 65_537]).is_problem(413, "body-too-long");
    assert_eq!(post("", &vec![0; 65_536]).status, 201);
    post("lifetime_s=2592001", b"x").is_problem(422, "lives-too-long");
    let missed = post("quorum=90", b"x");
    missed.is_problem(422, "quorum-missed");
    assert_eq!(missed.json()["holders"]["quorum"], 90, "{}", missed.json());
    for query in ["quorum=0", "quorum=x", "paths=9", "deadline_ms=1", "deadline=1"] {
        post(query, b"x").is_problem(400, "bad-request");
    }
    let author = "11".repeat(32);
    let unsigned = format!("seq=1&expires={}&signature={}", in_an_hour(), "00".repeat(64));
    let path = format!("/v1/poly/records/{author}?{unsigned}");
    api.send("PUT", &path, &[], b"x").is_problem(422, "bad-signature");
    api.send("DELETE", &path, &[], &[]).is_problem(422, "bad-signature");
    let salted = format!("{path}&salt={}", "00".repeat(65));
    api.send("PUT", &salted, &[], b"x").is_problem(422, "salt-too-long");
    let path = format!("/v1/poly/topics/name:chess/{author}?{unsigned}");
    api.send("PUT", &path, &[], b"x").is_problem(422, "bad-signature");
    api.send("PUT", &path, &[], &[0; 1001]).is_problem(413, "value-too-long");
    api.get("/v1/poly/topics/chess").is_problem(400, "bad-request");
    api.get("/v1/poly/ping?address=127.0.0.1:9").is_problem(404, "nobody-there");
}

#[test]
fn commands_go_through_the_daemon() {
    let (_servers, api) = network(&[]);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(file("letter"), "dear all").unwrap();
    let put = through(&api, &["put", &file("letter"), "--json"]).done().json();
    let key = put["key"].as_str().unwrap();
    assert_eq!(through(&api, &["get", key]).done().out, "dear all");
    through(&api, &["get", &"0".repeat(64)]).failed(1, &["not found"]);

    run(&["mainline", "keygen", &file("me.key")]).done();
    let author = ["--key-file", &file("me.key"), "--salt", "s", "--json"];
    let set = |value, more: &[&str]| {
        through(&api, &[&["record", "set", value], &author[..], more].concat())
    };
    assert_eq!(set("one", &[]).done().json()["seq"], 1);
    assert_eq!(set("two", &["--expect", "1"]).done().json()["seq"], 2);
    set("late", &["--expect", "1"]).failed(1, &["conflict", "seq 2"]);
    through(&api, &[&["record", "delete"], &author[..]].concat()).done();

    let announce = ["topic", "announce", "chess", "here", "--key-file", &file("me.key")];
    through(&api, &announce).done();
    let found = through(&api, &["topic", "find", "chess"]).done().out;
    assert!(found.trim_end().ends_with(" 0 here"), "{found}");
    let text = String::from_utf8(api.get("/v1/poly/topics/name:chess").body).unwrap();
    assert!(text.contains("\"text\":\"here\""), "{text}");

    let status = through(&api, &["status"]).done().out;
    assert!(status.contains("poly     id ") && status.contains("mainline id "), "{status}");
    let id = through(&api, &["id", "--json"]).done().json();
    assert_eq!(id["id_poly"].as_str().unwrap().len(), 64);
    let peers = through(&api, &["peers", "--json"]).done().json();
    assert_eq!(peers["poly"].as_array().unwrap().len(), 3);
    let metrics = String::from_utf8(api.get("/metrics").body).unwrap();
    assert!(metrics.contains("polykad_operations_total{network=\"poly\",operation=\"put\""));
}

/// Runs a test against a daemon as a client.
fn with_daemon<F: Future<Output = ()>>(test: impl FnOnce(Daemon) -> F) {
    let (_servers, api) = network(&[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let address = format!("http://{}", api.0).parse().unwrap();
        test(Daemon::connect(address, None).await.unwrap()).await;
    });
}

#[test]
fn records_conflict_and_are_deleted_as_in_the_process() {
    with_daemon(|daemon| async move {
        let poly = Client::poly(&daemon).unwrap();
        let author = SigningKey::from_bytes(&[5; 32]);
        let sign = |seq, value: Option<&str>| {
            Record::sign(&author, b"page", seq, in_an_hour(), value.map(str::as_bytes))
        };
        let options = PutOptions { quorum: Quorum::Count(2), ..PutOptions::default() };
        let first = poly.put_record(sign(1, Some("one")), Some(0), options).await;
        let Stored { key, acknowledgements, report } = first.unwrap();
        assert_eq!(key, sign(1, None).key());
        assert!(acknowledgements.stored.len() >= 2, "{acknowledgements:?}");
        assert!(report.asked >= 2 && !report.elapsed.is_zero());
        poly.put_record(sign(2, Some("two")), Some(1), options).await.unwrap();
        for expected in [Some(1), Some(0), None] {
            let late = sign(if expected.is_none() { 1 } else { 3 }, Some("late"));
            let error = poly.put_record(late, expected, options).await.unwrap_err();
            let PutError::Failed(Failure::Conflict(winner)) = error else { panic!("{error:?}") };
            assert_eq!((winner.seq, winner.value.as_deref()), (2, Some(&b"two"[..])));
            assert_eq!(winner.verify(in_an_hour() - 3600), Ok(()));
        }
        poly.put_record(sign(3, None), Some(2), options).await.unwrap();
        let got = poly.record(key, GetOptions::default()).await.unwrap();
        assert!(got.value.is_tombstone() && got.value.seq == 3);
        let nobody = poly.record(Key::new([9; 32]), GetOptions::default()).await.unwrap_err();
        assert!(matches!(nobody, GetError::NotFound { report } if report.answered > 0));
        let forged = Record { seq: 9, ..sign(8, Some("forged")) };
        let error = poly.put_record(forged, None, options).await.unwrap_err();
        assert_eq!(error, PutError::Failed(Failure::Value(ValueError::BadSignature)));
        let many = PutOptions { quorum: Quorum::Count(90), ..options };
        let error = poly.put(b"x".to_vec(), many).await.unwrap_err();
        let PutError::Failed(Failure::QuorumMissed(all)) = error else { panic!("{error:?}") };
        assert!(all.quorum == 90 && all.stored.len() >= 2, "{all:?}");
        let long = poly.put(vec![0; 65_537], options).await.unwrap_err();
        assert!(
            matches!(
                long,
                PutError::Failed(Failure::Value(ValueError::TooLong { limit: 65_536, .. }))
            ),
            "{long:?}"
        );
    });
}

#[test]
fn watches_tell_what_changes() {
    with_daemon(|daemon| async move {
        let poly = Client::poly(&daemon).unwrap();
        let author = SigningKey::from_bytes(&[6; 32]);
        let topic = topic_key(b"rust");
        let sign = |slot, payload: Option<&str>, seq| {
            Entry::sign(&author, topic, slot, seq, in_an_hour(), payload.map(str::as_bytes))
        };
        let options = PutOptions::default();
        poly.put_entry(sign(0, Some("there"), 1), options).await.unwrap();
        let mut watch = poly.watch(topic, Kind::Entry);
        let mut next = async || match watch.next().await {
            Some(Change::Entry(entry)) => (entry.slot, entry.payload.map(Vec::from)),
            other => panic!("{other:?}"),
        };
        assert_eq!(next().await, (0, Some(b"there".to_vec())));
        poly.put_entry(sign(1, Some("new"), 1), options).await.unwrap();
        assert_eq!(next().await, (1, Some(b"new".to_vec())));
        poly.put_entry(sign(0, None, 2), options).await.unwrap();
        assert_eq!(next().await, (0, None));
        let found = poly.topic(topic, 10, GetOptions::default()).await.unwrap().value;
        assert_eq!(found.iter().map(|entry| entry.slot).collect::<Vec<_>>(), [1]);
    });
}
