//! Prints `vectors/values.txt` or `vectors/messages.txt`, whichever is named: `cargo run -p
//! polykad-poly --example vectors -- values`. The test suite compares them with the files.

use std::fmt::Write as _;

use poly::command::Refusal;
use poly::value::{BlobRef, Kind, SigningKey, Value, Version, blob_key, record_key, topic_key};
use poly::wire::{
    Answer, Ask, Carried, Contacts, Difference, Message, PADDING, Purpose, Range, RefusalReply,
    Request, Sender, Values, write_value,
};
use poly::{Entry, Record};

/// Unix seconds at which all that is signed here ends.
const EXPIRES: u64 = 1_900_000_000;

fn main() {
    let which = std::env::args().nth(1);
    let text = if which.as_deref() == Some("messages") { messages() } else { values() };
    print!("{text}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn signer() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn record() -> Record {
    Record::sign(&signer(), b"salt", 3, EXPIRES, Some(b"value"))
}

fn tombstone() -> Record {
    Record::sign(&signer(), b"salt", 4, EXPIRES, None)
}

fn entry() -> Entry {
    Entry::sign(&signer(), topic_key(b"topic"), 2, 5, EXPIRES, Some(b"payload"))
}

fn blob() -> Value<'static> {
    Value::Blob(BlobRef { bytes: b"hello", lifetime_s: 3600 })
}

/// Keys, signatures, marks and fingerprints.
pub(crate) fn values() -> String {
    let mut out = String::from(
        "# Keys and signed values. Signer: the Ed25519 secret key of 32 bytes of 07.\n\
         # A name, then bytes in hexadecimal.\n",
    );
    let mut line = |name: &str, bytes: &[u8]| {
        let _ = writeln!(out, "{name} {}", hex(bytes));
    };
    let public_key = signer().verifying_key().to_bytes();
    line("public-key", &public_key);
    line("blob-key-of-hello", blob_key(b"hello").as_bytes());
    line("record-key-of-salt", record_key(&public_key, b"salt").as_bytes());
    line("record-key-without-salt", record_key(&public_key, b"").as_bytes());
    line("topic-key-of-topic", topic_key(b"topic").as_bytes());
    line("record-signature", &record().signature);
    line("tombstone-signature", &tombstone().signature);
    line("entry-signature", &entry().signature);
    let (record, tombstone, entry) = (record(), tombstone(), entry());
    let all = [
        ("blob", blob()),
        ("record", Value::Record(record.borrow())),
        ("tombstone", Value::Record(tombstone.borrow())),
        ("entry", Value::Entry(entry.borrow())),
    ];
    for (name, value) in all {
        let (slot, version) = (value.slot(), value.version());
        line(&format!("{name}-version-body"), &version.body.to_be_bytes());
        line(&format!("{name}-mark"), &slot.mark().to_be_bytes());
        line(&format!("{name}-fingerprint"), &slot.fingerprint(&version).to_be_bytes());
        let mut bytes = Vec::new();
        write_value(&Carried::from(value), &mut bytes);
        line(&format!("{name}-encoded"), &bytes);
    }
    out
}

/// One message of each type, and of each shape of an answer.
pub(crate) fn messages() -> String {
    let mut out = String::from(
        "# Messages before encryption: a name, then bytes in hexadecimal. Transaction 0x01020304;\n\
         # the sender of requests wants contacts of both families.\n",
    );
    let mut line = |name: &str, message: Message<'_>| {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        let _ = writeln!(out, "{name} {}", hex(&bytes));
    };
    let (record, entry) = (record(), entry());
    for (name, ask) in asks(&record, &entry) {
        line(name, Message::Request(request(ask)));
    }
    let mut values = Vec::new();
    write_value(&Carried { value: blob(), origin: Some(9) }, &mut values);
    write_value(&Value::Entry(entry.borrow()).into(), &mut values);
    let give = Ask::Give { values: Values::new(&values) };
    line("give", Message::Request(request(give)));
    for (name, answer) in answers(&record, &values) {
        line(name, Message::Answer(answer));
    }
    for (name, refusal) in [("refusal-older", Refusal::Older(9)), ("refusal-full", Refusal::Full)] {
        line(name, Message::Refusal(RefusalReply { transaction: 0x0102_0304, refusal }));
    }
    out
}

fn request(ask: Ask<'_>) -> Request<'_> {
    let sender = Sender { client: false, v4: true, v6: true };
    Request { transaction: 0x0102_0304, sender, ask }
}

fn asks<'a>(record: &'a Record, entry: &'a Entry) -> Vec<(&'static str, Ask<'a>)> {
    let target = blob_key(b"hello");
    let (record, entry) = (Value::Record(record.borrow()), Value::Entry(entry.borrow()));
    let put = |value: Value<'a>, expected: Option<u64>, purpose: Purpose| Ask::Put {
        value: value.into(),
        expected,
        purpose,
        count: 0,
    };
    let get = |kind: Kind| Ask::Get { target, kind, count: 8, room: 1088, offset: 0 };
    let range = Range { radius: 1 << 60, depth: 1, prefix: 33, fingerprint: 0x0a0b_0c0d };
    vec![
        ("ping", Ask::Ping),
        ("find", Ask::Find { target, count: 20 }),
        ("get-blob", get(Kind::Blob)),
        ("get-record", get(Kind::Record)),
        ("get-entries", Ask::Get { target, kind: Kind::Entry, count: 0, room: 60_000, offset: 12 }),
        ("put-blob", put(blob(), None, Purpose::Keep)),
        ("put-copy", put(blob(), None, Purpose::Cache)),
        ("put-record-if-2", put(record, Some(2), Purpose::Keep)),
        ("claim-record-if-2", put(record, Some(2), Purpose::Claim)),
        ("put-entry", put(entry, None, Purpose::Keep)),
        ("watch", Ask::Watch { target, kind: Kind::Record, lease_s: 600, known: 0x77 }),
        ("push", Ask::Push { value: record.into() }),
        ("compare", Ask::Compare(range)),
        ("fetch", Ask::Fetch { marks: &[1, 2, 3, 4, 5, 6, 7, 8], room: 60_000 }),
        ("probe", Ask::Probe { padding: &PADDING }),
        ("call", Ask::Call { contacts: Contacts { v4: &V4, v6: &[] }, padding: &PADDING }),
        ("hail", Ask::Hail),
        ("offer", Ask::Offer { listed: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16] }),
    ]
}

fn answers<'a>(record: &'a Record, values: &'a [u8]) -> Vec<(&'static str, Answer<'a>)> {
    let plain = || Answer { transaction: 0x0102_0304, ..Answer::default() };
    let (version, contacts) = (record.borrow().version(), Contacts { v4: &V4, v6: &V6 });
    let value = Value::Record(record.borrow()).into();
    let long = Version { seq: 3, ..version };
    vec![
        ("answer-ping", Answer { uptime_min: Some(90), magnitude: Some(80), ..plain() }),
        ("answer-contacts", Answer { contacts, magnitude: Some(80), ..plain() }),
        ("answer-record", Answer { value: Some(value), ..plain() }),
        ("answer-hot-blob", Answer { value: Some(blob().into()), keep_s: Some(600), ..plain() }),
        ("answer-too-long", Answer { version: Some(long), size: Some(50_000), ..plain() }),
        ("answer-entries", Answer { values: Values::new(values), total: Some(40), ..plain() }),
        ("answer-lacking", Answer { marks: &[1, 2, 3, 4, 5, 6, 7, 8], ..plain() }),
        ("answer-stored", Answer { stored: Some(1), ..plain() }),
        ("answer-watch", Answer { lease_s: Some(600), ..plain() }),
        ("answer-probe", Answer { calls: Some(2), ..plain() }),
        ("answer-equal", plain()),
        ("answer-listed", Answer { difference: Some(Difference::Listed(&[5; 32])), ..plain() }),
        ("answer-parts", Answer { difference: Some(Difference::Parts(&[6; 512])), ..plain() }),
    ]
}

/// The node of 32 bytes of 17 at `192.0.2.1:6000`, and at `[2001:db8::1]:6000`.
const V4: [u8; 38] = {
    let mut packed = [17; 38];
    let (_, tail) = packed.split_at_mut(32);
    tail.copy_from_slice(&[192, 0, 2, 1, 0x17, 0x70]);
    packed
};
const V6: [u8; 50] = {
    let mut packed = [17; 50];
    let (_, tail) = packed.split_at_mut(32);
    tail.copy_from_slice(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x17, 0x70]);
    packed
};
