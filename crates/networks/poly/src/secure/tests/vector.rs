//! The handshake as documented, byte by byte: `vectors/secure.txt` holds the keys and datagrams of
//! a first contact. `UPDATE_VECTORS=1 cargo test -p polykad-poly vector` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use super::*;

const NAME: &[u8] = b"test network";
const SHARED_KEY: [u8; 32] = [7; 32];
const COOKIE: wire::Cookie = [0xc0; 16];
const EPHEMERAL: [[u8; 32]; 2] = [[0xe1; 32], [0xe2; 32]];

/// Lines of a field and its bytes.
#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, field: &str, bytes: &[u8]) {
        write!(self.0, "{field} ").unwrap();
        for byte in bytes {
            write!(self.0, "{byte:02x}").unwrap();
        }
        self.0.push('\n');
    }
}

fn noise(node: u8) -> Noise {
    Noise::new(&identity(node), NAME, Some(&SHARED_KEY)).unwrap()
}

fn keys_of_all(text: &mut Text) {
    text.line("network_name", NAME);
    text.line("shared_key", &SHARED_KEY);
    text.line("network_key", &noise(1).keys.network);
    for node in [1, 2] {
        let keys = noise(node).keys;
        text.line(&format!("ed25519_secret_{node}"), identity(node).as_bytes());
        text.line(&format!("id_{node}"), keys.id.as_bytes());
        text.line(&format!("x25519_secret_{node}"), &keys.secret);
        text.line(&format!("x25519_public_{node}"), &keys::public_of(&keys.id).unwrap());
        text.line(&format!("ephemeral_secret_{node}"), &EPHEMERAL[usize::from(node) - 1]);
    }
}

fn datagrams_before(text: &mut Text) {
    let (one, two) = (noise(1), noise(2));
    let mut hello = Vec::new();
    wire::write_hello(&mut hello, [1; 8], |covered| one.keys.hello_mac(covered));
    text.line("hello", &hello);
    let mut identity = Vec::new();
    wire::write_identity(&mut identity, [1; 8], (two.keys.id.as_bytes(), COOKIE), |covered| {
        two.keys.hello_mac(covered)
    });
    text.line("identity", &identity);
    let mut challenge = Vec::new();
    wire::write_challenge(&mut challenge, 0x0102_0304_0506_0708, COOKIE);
    text.line("challenge", &challenge);
}

/// Returns what the two sides hold afterwards.
fn handshake(text: &mut Text) -> [session::Session; 2] {
    let (one, two) = (noise(1), noise(2));
    let first = noise::First {
        to: &two.keys.id,
        sender: 0x0102_0304_0506_0708,
        stamp_ms: 1_800_000_000_123,
        cookie: COOKIE,
        request: b"request",
        padded_to: 240,
    };
    let mut initiation = Vec::new();
    let mut handshake = one.initiate(EPHEMERAL[0], &first, &mut initiation).unwrap();
    text.line("initiation", &initiation);
    let Some(wire::Datagram::Initiation(read)) = wire::Datagram::parse(&initiation) else {
        panic!("no initiation")
    };
    assert!(two.keys.is_initiation_mac(read.covered, &read.mac));
    let opened = two.open(EPHEMERAL[1], &read).unwrap();
    assert_eq!((opened.id, opened.request.as_slice()), (one.keys.id, &b"request"[..]));

    let payload = wire::second_payload(0x1112_1314_1516_1718, true, b"answer");
    let mut response = Vec::new();
    let of_two = noise::respond(opened.handshake, read.sender, &payload, &mut response).unwrap();
    text.line("response", &response);
    let Some(wire::Datagram::Response { to, noise }) = wire::Datagram::parse(&response) else {
        panic!("no response")
    };
    let completed = noise::complete(&mut handshake, noise).unwrap();
    assert_eq!((to, completed.answer.as_slice()), (read.sender, &b"answer"[..]));
    assert!(completed.holds_more);

    let now = Moment::START;
    [
        session::Session::new(now, peer(2), completed.sender, completed.transport, true),
        session::Session::new(now, peer(1), read.sender, of_two, false),
    ]
}

fn sealed(from: &mut session::Session, kind: wire::Kind, message: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    from.seal(Moment::START, kind, message, &mut sealed).unwrap();
    sealed
}

#[track_caller]
fn check_opens(to: &mut session::Session, sealed: &[u8], message: &[u8]) {
    let Some(wire::Datagram::Sealed(read)) = wire::Datagram::parse(sealed) else {
        panic!("nothing sealed")
    };
    let mut plain = Vec::new();
    assert_eq!(to.open(Moment::START, &read, &mut plain), Ok(true));
    assert_eq!(plain, message);
    let again = to.open(Moment::START, &read, &mut plain);
    assert_eq!(again, Err(session::Refused::Replayed));
}

fn first_contact() -> String {
    let mut text = Text::default();
    keys_of_all(&mut text);
    datagrams_before(&mut text);
    let [mut one, mut two] = handshake(&mut text);
    let question = sealed(&mut one, wire::Kind::Data, b"question");
    text.line("data_1_to_2", &question);
    check_opens(&mut two, &question, b"question");
    let reply = sealed(&mut two, wire::Kind::Data, b"reply");
    text.line("data_2_to_1", &reply);
    check_opens(&mut one, &reply, b"reply");
    let mut prove = Vec::new();
    wire::Control::Prove([5; 8]).write(&mut prove);
    let asked = sealed(&mut two, wire::Kind::Control, &prove);
    text.line("prove_2_to_1", &asked);
    check_opens(&mut one, &asked, &prove);
    text.0
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the wish to write the vectors anew")]
fn first_contact_is_as_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/secure.txt");
    let text = first_contact();
    if std::env::var("UPDATE_VECTORS").is_ok() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}
