//! `polykad serve`, as programs and browsers see it, and commands that go through it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Ended, Server, command, run};

const HASH: &str = "00112233445566778899aabbccddeeff00112233";

/// An answer: status, head, body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// It must be a problem document of this status and kind.
    pub(crate) fn is_problem(&self, status: u16, name: &str) {
        assert_eq!(self.status, status, "{}", self.head);
        assert!(self.head.contains("content-type: application/problem+json"), "{}", self.head);
        let problem = self.json();
        assert_eq!(problem["type"], format!("/problems/{name}"), "{problem}");
        assert_eq!(problem["status"], status);
        assert!(!problem["detail"].as_str().unwrap().is_empty());
    }
}

/// The API of a daemon.
pub(crate) struct Api(pub(crate) String);

impl Api {
    pub(crate) fn of(server: &Server) -> Self {
        let url = server.introduction["http"].as_str().unwrap();
        Self(url.strip_prefix("http://").unwrap().to_owned())
    }

    /// Sends a head as it is, and a body; reads to the end.
    fn raw(&self, head: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.0).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        // One that is refused early may be gone before it has all.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let end = answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut body = answer[end + 4..].to_vec();
        if head.contains("transfer-encoding: chunked") {
            body = unchunk(&body);
        }
        Answer { status, head, body }
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let length = body.len().to_string();
        let mut headers = headers.to_vec();
        if !headers.iter().any(|(name, _)| *name == "host") {
            headers.push(("host", &self.0));
        }
        if !body.is_empty() {
            headers.push(("content-length", &length));
        }
        let lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let lines = lines.concat();
        self.raw(&format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n{lines}\r\n"), body)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], &[])
    }
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|part| part == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            break;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
    whole
}

/// Nodes that know each other; the first has the API.
fn network(more: &[&str]) -> (Vec<Server>, Api) {
    let arguments = [&["--http", "127.0.0.1:0"], more].concat();
    let mut servers = vec![Server::start("127.0.0.1:0", &arguments)];
    let api = Api::of(&servers[0]);
    let first = servers[0].address.clone();
    for _ in 0..2 {
        servers.push(Server::start("127.0.0.1:0", &["--bootstrap", &first]));
    }
    servers[0].knows(3);
    (servers, api)
}

pub(crate) fn through(api: &Api, arguments: &[&str]) -> Ended {
    let url = format!("http://{}", api.0);
    run(&[arguments, &["--daemon", &url]].concat())
}

#[test]
fn values_are_put_and_read() {
    let (servers, api) = network(&[]);
    let put = api.send("POST", "/v1/mainline/items", &[], b"hello");
    assert_eq!(put.status, 201, "{}", put.head);
    let key = "e28910ea0adb94dd45ced75fbff3e135c01bc437";
    assert_eq!(put.json()["key"], key);
    assert!(put.head.contains(&format!("location: /v1/mainline/items/{key}")), "{}", put.head);
    assert_eq!(servers[2].mainline(&["get", key]).done().out, "hello");

    let path = format!("/v1/mainline/items/{key}");
    let got = api.get(&path);
    assert_eq!(
        (&got.json()["text"], &got.json()["value_hex"]),
        (&"hello".into(), &"353a68656c6c6f".into())
    );
    let bytes = api.send("GET", &path, &[("accept", "application/octet-stream")], &[]);
    assert_eq!(bytes.body, b"hello");
    let known = api.send("GET", &path, &[("if-none-match", &format!("\"{key}\""))], &[]);
    assert_eq!((known.status, known.body.len()), (304, 0));
    api.get(&format!("/v1/mainline/items/{HASH}")).is_problem(404, "not-found");
    let long = vec![b'x'; 997];
    api.send("POST", "/v1/mainline/items", &[], &long).is_problem(413, "value-too-long");
    let path = "/v1/mainline/items?bencoded=true";
    api.send("POST", path, &[], b"x").is_problem(422, "not-bencoded");
}

#[test]
fn commands_go_through_the_daemon() {
    let (_servers, api) = network(&[]);
    let put = through(&api, &["mainline", "put", "five", "--json"]).done().json();
    let key = put["key"].as_str().unwrap();
    assert_eq!(through(&api, &["mainline", "get", key]).done().out, "five");
    through(&api, &["mainline", "get", HASH]).failed(1, &["not found"]);
    let nodes = through(&api, &["mainline", "find-node", HASH, "--json"]).done().json();
    assert!(nodes["nodes"].as_array().unwrap().len() >= 2);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("me.key");
    let file = file.to_str().unwrap();
    run(&["mainline", "keygen", file]).done();
    let signed = |value, more: &[&str]| {
        through(&api, &[&["mainline", "put", value, "--key-file", file, "--json"], more].concat())
    };
    assert_eq!(signed("one", &[]).done().json()["seq"], 1);
    assert_eq!(signed("two", &["--cas", "1"]).done().json()["seq"], 2);
    signed("late", &["--seq", "3", "--cas", "1"]).failed(1, &["conflict", "seq 2"]);

    let announce = ["mainline", "announce", HASH, "--port", "4711"];
    through(&api, &[&announce[..], &["--once"]].concat()).done();
    through(&api, &[&announce[..], &["--for", "300ms"]].concat()).done();
    let peers = through(&api, &["mainline", "get-peers", HASH]).done().out;
    assert_eq!(peers, "127.0.0.1:4711\n");
    through(&api, &["mainline", "scrape", HASH]).done();
    through(&api, &["mainline", "sample", HASH]).done();
    let crawl = through(&api, &["mainline", "crawl", "--json"]).done().json();
    assert!(crawl["nodes"].as_array().unwrap().len() >= 2, "{crawl}");

    let status = through(&api, &["status", "--json"]).done().json();
    assert!(status["mainline"]["v4"]["good"].as_u64().unwrap() >= 2, "{status}");
    let peers = through(&api, &["peers"]).done().out;
    assert!(peers.lines().count() >= 2, "{peers}");
    let id = through(&api, &["id", "--json"]).done().json();
    assert_eq!(id["id_v4"], status["mainline"]["v4"]["id"]);
    let top = through(&api, &["top", "--times", "2", "--every", "50ms"]).done().out;
    assert_eq!(top.lines().count(), 2, "{top}");
    run(&["status", "--daemon", "http://127.0.0.1:1"]).failed(1, &["no daemon", "polykad serve"]);
}

#[test]
fn the_daemon_is_found_by_its_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let server = Server::start("127.0.0.1:0", &["--http", "127.0.0.1:0", "--data", data]);
    let status = command(&["id", "--json"]).env("POLYKAD_DATA", data).output().unwrap();
    let id = Ended::from(status).done().json();
    assert_eq!(id["id_v4"], server.introduction["id_v4"]);
}

#[test]
fn lookups_are_traced_step_by_step() {
    let (_servers, api) = network(&[]);
    api.send("POST", "/v1/mainline/items", &[], b"traced").json();
    let lines = |accept| {
        let path = format!("/v1/mainline/trace/{HASH}?quest=value");
        let answer = api.send("GET", &path, &[("accept", accept)], &[]);
        assert_eq!(answer.status, 200);
        (answer.head.clone(), String::from_utf8(answer.body).unwrap())
    };
    let (head, text) = lines("*/*");
    assert!(head.contains("application/x-ndjson"), "{head}");
    let words: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |step: &str| words.iter().filter(|word| word["step"] == step).count();
    assert!(count("asked") >= 2 && count("answered") >= 2, "{text}");
    assert_eq!(words.last().unwrap()["event"], "done");
    let (head, text) = lines("text/event-stream");
    assert!(head.contains("text/event-stream"), "{head}");
    assert!(text.starts_with("event: step\ndata: {"), "{text}");
}

#[test]
fn announcements_are_kept_until_they_are_deleted() {
    let (servers, api) = network(&[]);
    let path = format!("/v1/mainline/announcements/{HASH}");
    let json = [("content-type", "application/json")];
    api.get(&path).is_problem(404, "not-kept");
    let kept = api.send("PUT", &path, &json, br#"{"port":4711,"seed":true}"#);
    assert_eq!(kept.status, 200, "{}", kept.head);
    assert!(
        !kept.json()["stored"]["acknowledged"].as_array().unwrap().is_empty(),
        "{}",
        kept.json()
    );
    // The one who asked is gone, and the announcement is not.
    let found = through(&api, &["mainline", "get-peers", HASH]).done().out;
    assert_eq!(found, "127.0.0.1:4711\n");
    let all = api.get("/v1/mainline/announcements").json();
    assert_eq!(
        (&all["announcements"][0]["port"], &all["announcements"][0]["rounds"]),
        (&4711.into(), &1.into())
    );
    let listed = through(&api, &["mainline", "announcements"]).done().out;
    assert!(listed.starts_with(&format!("{HASH} port 4711, a seed: round 1")), "{listed}");
    assert_eq!(api.send("DELETE", &path, &[], &[]).status, 204);
    api.send("DELETE", &path, &[], &[]).is_problem(404, "not-kept");

    let keep = ["mainline", "announce", HASH, "--keep", "--port", "4712", "--json"];
    let kept = through(&api, &keep).done().json();
    assert_eq!((&kept["port"], &kept["rounds"]), (&4712.into(), &1.into()));
    let forget = ["mainline", "announcements", "--forget", HASH];
    through(&api, &forget).done();
    through(&api, &forget).failed(1, &[HASH, "is kept"]);
    let alone = ["mainline", "announcements", "--bootstrap", &servers[0].address];
    run(&[&alone[..], &["--no-default-bootstrap"]].concat()).failed(2, &["only a daemon"]);
}

#[test]
fn strangers_are_kept_out() {
    let (_servers, api) = network(&["--http-host", "node.example"]);
    let host = |host| api.send("GET", "/v1/status", &[("host", host)], &[]);
    host("evil.example").is_problem(421, "wrong-host");
    host("127.0.0.1.evil.example:6880").is_problem(421, "wrong-host");
    host("").is_problem(421, "wrong-host");
    for good in ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:9", "node.example:80"] {
        assert_eq!(host(good).status, 200, "{good}");
    }
    let from = |origin| api.send("GET", "/v1/status", &[("origin", origin)], &[]);
    from("https://evil.example").is_problem(403, "wrong-origin");
    from("null").is_problem(403, "wrong-origin");
    assert_eq!(from(&format!("http://{}", api.0)).status, 200);
    let image = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")];
    api.send("GET", "/v1/status", &image, &[]).is_problem(403, "wrong-origin");
}

#[test]
fn pages_of_listed_origins_may_ask() {
    let (_servers, api) = network(&["--http-origin", "https://app.example"]);
    let preflight = api.send(
        "OPTIONS",
        "/v1/mainline/items",
        &[("origin", "https://app.example"), ("access-control-request-method", "POST")],
        &[],
    );
    assert_eq!(preflight.status, 204);
    assert!(preflight.head.contains("access-control-allow-methods: GET, POST, PUT, DELETE"));
    assert!(preflight.head.contains("access-control-allow-origin: https://app.example"));
    let other = api.send("GET", "/v1/status", &[("origin", "https://other.example")], &[]);
    other.is_problem(403, "wrong-origin");
    assert!(!other.head.contains("access-control-allow-origin"));
}

#[test]
fn a_token_is_demanded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let (_servers, api) = network(&["--http-token-file", file.to_str().unwrap()]);
    let token = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    api.get("/v1/status").is_problem(401, "unauthorized");
    let with = |value: &str| api.send("GET", "/v1/status", &[("authorization", value)], &[]);
    for wrong in ["", "Bearer", "Bearer ", &format!("Bearer {token}x"), &format!("Basic {token}")] {
        with(wrong).is_problem(401, "unauthorized");
    }
    assert_eq!(with(&format!("Bearer {token}")).status, 200);
    api.get("/metrics").is_problem(401, "unauthorized");
    assert_eq!(api.get("/").status, 200);
    assert_eq!(api.get("/healthz").status, 200);
    through(&api, &["status"]).failed(1, &["refuses", "token"]);
    through(&api, &["status", "--token", &token]).done();
}

#[test]
fn open_addresses_need_a_word() {
    let serve = ["serve", "--no-default-bootstrap", "--listen", "127.0.0.1:0", "--http"];
    let open = run(&[&serve[..], &["0.0.0.0:0"]].concat());
    open.failed(2, &["open to others", "--http-token-file", "--http-insecure"]);
    let server = Server::start("127.0.0.1:0", &["--http", "0.0.0.0:0", "--http-insecure"]);
    assert!(server.introduction["http"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    let taken = server.introduction["http"].as_str().unwrap().strip_prefix("http://").unwrap();
    run(&[&serve[..], &[taken]].concat()).failed(2, &[taken, "in use"]);
}

#[test]
fn what_is_too_much_is_refused_early() {
    let (_servers, api) = network(&[]);
    let head = format!("POST /v1/mainline/items HTTP/1.1\r\nhost: {}\r\n", api.0);
    let started = Instant::now();
    // A gigabyte is announced, and never sent.
    let answer = api.raw(&format!("{head}content-length: 1073741824\r\n\r\n"), b"x");
    answer.is_problem(413, "body-too-long");
    assert!(started.elapsed() < Duration::from_secs(5));
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(65536));
    let body = chunk.repeat(3) + "0\r\n\r\n";
    let chunked = format!("{head}connection: close\r\ntransfer-encoding: chunked\r\n\r\n");
    api.raw(&chunked, body.as_bytes()).is_problem(413, "body-too-long");
    let flood: Vec<String> = (0..200).map(|at| format!("x-{at}: y\r\n")).collect();
    let flood = flood.concat();
    let flooded = api.raw(&format!("GET / HTTP/1.1\r\nhost: {}\r\n{flood}\r\n", api.0), &[]);
    assert!(matches!(flooded.status, 400 | 431), "{}", flooded.head);
    let long = format!("x-long: {}\r\n", "y".repeat(40_000));
    let flooded = api.raw(&format!("GET / HTTP/1.1\r\nhost: {}\r\n{long}\r\n", api.0), &[]);
    assert!(matches!(flooded.status, 400 | 431), "{}", flooded.head);
    assert_eq!(api.get("/healthz").status, 200);
}

#[test]
fn wrong_requests_are_told_what_is_wrong() {
    let (_servers, api) = network(&[]);
    for (method, path, status, name) in [
        ("GET", "/v1/nothing", 404, "not-here"),
        ("GET", "/robots.txt", 404, "not-here"),
        ("GET", "/nothing", 400, "bad-request"),
        ("GET", "/../../etc/passwd", 404, "not-here"),
        ("GET", "/%2e%2e%2fetc%2fpasswd", 404, "not-here"),
        ("DELETE", "/v1/status", 405, "wrong-method"),
        ("GET", "/v1/mainline/nodes/xyz", 400, "bad-request"),
        ("GET", "/v1/mainline/nodes/%ff", 400, "bad-request"),
        ("GET", "/v1/mainline/ping", 400, "bad-request"),
        ("GET", "/v1/mainline/ping?address=nowhere", 400, "bad-request"),
        ("GET", "/v1/mainline/ping?address=[::1]:9", 422, "wrong-family"),
        ("GET", "/v1/mainline/stored?most=0", 400, "bad-request"),
        ("GET", "/v1/mainline/stored?more=1", 400, "bad-request"),
        ("PUT", "/v1/mainline/signed/00", 400, "bad-request"),
    ] {
        api.send(method, path, &[], &[]).is_problem(status, name);
    }
    let path = format!("/v1/mainline/peers/{HASH}");
    api.send("POST", &path, &[], b"{}").is_problem(415, "not-json");
    let json = [("content-type", "application/json")];
    api.send("POST", &path, &json, b"{\"port\":70000}").is_problem(400, "bad-request");
    api.send("POST", &path, &json, b"[").is_problem(400, "bad-request");
}

#[test]
fn a_read_only_gateway_stores_nothing() {
    let (_servers, api) = network(&["--http-read-only"]);
    api.send("POST", "/v1/mainline/items", &[], b"x").is_problem(403, "read-only");
    api.get("/v1/mainline/ping?address=127.0.0.1:9").is_problem(403, "read-only");
    assert_eq!(api.get("/v1/status").status, 200);
}

#[test]
fn the_page_and_its_description_are_served() {
    let (_servers, api) = network(&[]);
    let page = api.get("/");
    let text = String::from_utf8(page.body).unwrap();
    assert!(text.contains("<title>Polykad</title>"));
    assert!(page.head.contains("content-security-policy: default-src 'none'"), "{}", page.head);
    for file in text.split('"').filter(|part| part.starts_with("/page/")) {
        assert_eq!(api.get(file).status, 200, "{file}");
    }
    let api_description = api.get("/v1/openapi.json").json();
    assert!(api_description["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(api_description["paths"]["/v1/mainline/items/{key}"]["get"].is_object());
    assert_eq!(api.get("/readyz").status, 200);
    let metrics = String::from_utf8(api.get("/metrics").body).unwrap();
    assert!(
        metrics.contains("polykad_contacts{network=\"mainline\",family=\"ipv4\",state=\"good\"}")
    );
}

#[test]
fn idle_connections_keep_nobody_out() {
    let (_servers, api) = network(&[]);
    let idle: Vec<TcpStream> = (0..600).filter_map(|_| TcpStream::connect(&api.0).ok()).collect();
    assert!(idle.len() > 500);
    let started = Instant::now();
    assert_eq!(api.get("/healthz").status, 200);
    assert!(started.elapsed() < Duration::from_secs(5));
    drop(idle);
}

#[test]
fn pkarr_names_are_published_and_resolved() {
    use ed25519_dalek::{Signer, SigningKey};
    let (_servers, api) = network(&[]);
    let key = SigningKey::from_bytes(&[7; 32]);
    let name = zbase32(key.verifying_key().as_bytes());
    let payload = |time: u64| {
        let packet = [0, 0, 0x84, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut signed = format!("3:seqi{time}e1:v{}:", packet.len()).into_bytes();
        signed.extend(packet);
        let mut payload = key.sign(&signed).to_bytes().to_vec();
        payload.extend(time.to_be_bytes());
        payload.extend(packet);
        payload
    };
    let path = format!("/{name}");
    let new = payload(1_741_107_004_412_159);
    let put = api.send("PUT", &path, &[], &new);
    assert_eq!(put.status, 204, "{}", put.head);
    assert!(put.head.contains("pkarr-dht-stored-nodes: "), "{}", put.head);
    let got = api.get(&path);
    assert_eq!(got.body, new);
    assert!(got.head.contains("last-modified: Tue, 04 Mar 2025 16:50:04 GMT"), "{}", got.head);
    assert!(got.head.contains("cache-control: public, max-age="), "{}", got.head);
    let since = [("if-modified-since", "Tue, 04 Mar 2025 16:50:04 GMT")];
    assert_eq!(api.send("GET", &path, &since, &[]).status, 304);
    api.send("PUT", &path, &[], &payload(1_641_107_004_412_159)).is_problem(409, "conflict");
    let mut forged = new.clone();
    forged[0] ^= 1;
    api.send("PUT", &path, &[], &forged).is_problem(400, "bad-signature");
    api.send("PUT", &path, &[], &[0; 1073]).is_problem(413, "body-too-long");
    let nobody = zbase32(&[9; 32]);
    api.get(&format!("/{nobody}")).is_problem(404, "not-found");
}

fn zbase32(key: &[u8; 32]) -> String {
    const ALPHABET: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";
    let bit = |at: usize| key.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let digit = |at: usize| (0..5).fold(0, |value, offset| value << 1 | bit(at * 5 + offset));
    (0..52).map(|at| char::from(ALPHABET[usize::from(digit(at))])).collect()
}

#[test]
fn configuration_files_document_and_explain_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("polykad.toml");
    let file = file.to_str().unwrap();
    run(&["config", "init", file]).done();
    run(&["config", "init", file]).failed(2, &["exists already"]);
    run(&["config", "check", file]).done();
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(run(&["config", "init", "-"]).done().out, text);
    std::fs::write(file, "\n[http]\nlisten = 6880\n").unwrap();
    run(&["config", "check", file]).failed(2, &[":3:", "correct or remove"]);
}
