//! `put`, `get` and `keygen`: values (BEP 44).

use std::io::Read;
use std::path::Path;

use client::mainline::{Got, MAX_VALUE_BYTES, SignedItem, as_byte_string, byte_string};
use client::{GetError, Key, PutReport, Report};
use ed25519_dalek::SigningKey;
use polykad::networks::mainline::item::{ItemError, check_value};
use polykad::networks::mainline::wire::bencode;
use polykad::networks::mainline::{MutableItem, Salt};
use serde::Serialize;
use serde_json::Value;

use super::{Cost, Node, Session, effort};
use crate::args::{GetOptions, PutOptions};
use crate::failure::{Failure, refusal};
use crate::key_file;
use crate::output::{Output, count, hex, hex_bytes};
use crate::parse::Target;

/// What to put, read and checked.
pub(super) struct Wish {
    /// Bencoded.
    value: Vec<u8>,
    signed: Option<Signed>,
}

struct Signed {
    key: SigningKey,
    salt: Salt,
    seq: Option<i64>,
    cas: Option<i64>,
}

impl Wish {
    /// Reads what the options name.
    pub(super) async fn read(options: &PutOptions) -> Result<Self, Failure> {
        let signed = match &options.key_file {
            Some(path) => Some(Signed {
                key: key_file::read(path)?,
                salt: options.salt.clone().unwrap_or_default(),
                seq: options.seq,
                cas: options.cas,
            }),
            None => None,
        };
        let bytes = match (&options.value, &options.file) {
            (Some(value), _) if value == "-" => read_stdin().await?,
            (Some(value), _) => value.clone().into_bytes(),
            (None, Some(path)) => read_file(path)?,
            (None, None) => return Err(Failure::wrong_use("a VALUE or a --file is missing")),
        };
        let value = if options.bencoded { bytes } else { byte_string(&bytes) };
        check_value(&value).map_err(refused_value)?;
        Ok(Self { value, signed })
    }
}

fn refused_value(error: ItemError) -> Failure {
    match error {
        ItemError::ValueTooLong(_) => Failure::wrong_use(format!(
            "the value is too long: the network takes at most {MAX_VALUE_BYTES} bytes, bencoded \
             (996 of a plain string); shorten it",
        )),
        ItemError::NotBencoded => Failure::wrong_use(
            "the value is not one bencoded element: leave out --bencoded to store it as a byte \
             string",
        ),
        ItemError::SaltTooLong(_) | ItemError::BadSignature | _ => {
            Failure::wrong_use(error.to_string())
        }
    }
}

/// At most one byte more than any value may have: enough to refuse it.
fn read_bounded(source: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MAX_VALUE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::File::open(path)
        .and_then(read_bounded)
        .map_err(|error| Failure::wrong_use(format!("cannot read {}: {error}", path.display())))
}

async fn read_stdin() -> Result<Vec<u8>, Failure> {
    let read = tokio::task::spawn_blocking(|| read_bounded(std::io::stdin().lock())).await;
    read.map_err(std::io::Error::other)
        .flatten()
        .map_err(|error| Failure::wrong_use(format!("cannot read standard input: {error}")))
}

/// Makes a key file.
pub(super) fn keygen(path: &Path, output: Output) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Object {
        public_key: String,
        file: String,
    }
    let key = key_file::create(path)?;
    let public_key = hex_bytes(key.verifying_key().as_bytes());
    output.line(&public_key)?;
    output.note(format!("the public key of {}; keep that file private", path.display()));
    output.object(&Object { public_key, file: path.display().to_string() })
}

/// Stores a value.
pub(super) async fn put(session: &Session, wish: Wish) -> Result<(), Failure> {
    let Some(signed) = wish.signed else {
        let report = session.within(session.mainline().put_immutable(wish.value)).await?;
        return stored(session, &report, None);
    };
    let public_key = signed.key.verifying_key().to_bytes();
    let salt = signed.salt.as_bytes().to_vec();
    let seq = match signed.seq {
        Some(seq) => seq,
        None => next_seq(session, public_key, salt).await?,
    };
    let item =
        MutableItem::sign(&signed.key, signed.salt, seq, &wish.value).map_err(refused_value)?;
    let item = SignedItem {
        public_key,
        salt: item.salt.as_bytes().to_vec(),
        seq: item.seq,
        value: item.value.into_vec(),
        signature: item.signature,
    };
    let report = session.within(session.mainline().put_mutable(item.clone(), signed.cas)).await?;
    stored(session, &report, Some(&item))
}

/// One more than the network has; 1 if it has none.
async fn next_seq(session: &Session, public_key: [u8; 32], salt: Vec<u8>) -> Result<i64, Failure> {
    let find = async {
        match session.mainline().get_mutable(public_key, salt).await {
            Ok(got) => Ok(Some(got.value.seq)),
            Err(GetError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    };
    match session.within(find).await? {
        None => Ok(1),
        Some(seq) => seq.checked_add(1).ok_or_else(|| {
            Failure::failed(format!("seq {seq} is stored, the highest there is: use a new salt"))
        }),
    }
}

fn stored(session: &Session, report: &PutReport, item: Option<&SignedItem>) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Object {
        key: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        seq: Option<i64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        public_key: Option<String>,
        acknowledged: usize,
        nodes: Vec<Node>,
        refused: Vec<Value>,
        silent: usize,
        #[serde(flatten)]
        cost: Cost,
    }
    let output = session.output;
    let cost = report.report.unwrap_or_default();
    let public_key = item.map(|item| hex_bytes(&item.public_key));
    output.line(format!("key {}", hex(&report.key)))?;
    if let Some(item) = item {
        output.line(format!("public key {}", hex_bytes(&item.public_key)))?;
        output.line(format!("seq {}", item.seq))?;
    }
    output.line(format!(
        "stored by {} ({} refused, {} did not answer)",
        count(report.acknowledged.len(), "node"),
        report.refused.len(),
        report.silent
    ))?;
    output.note(effort(&cost));
    output.object(&Object {
        key: hex(&report.key),
        seq: report.seq.or(item.map(|item| item.seq)),
        public_key,
        acknowledged: report.acknowledged.len(),
        nodes: report.acknowledged.iter().map(Node::from).collect(),
        refused: report.refused.iter().map(refusal).collect(),
        silent: report.silent,
        cost: cost.into(),
    })
}

/// Finds a value.
pub(super) async fn get(session: &Session, options: &GetOptions) -> Result<(), Failure> {
    let (public_key, salt) = match (&options.target, options.public_key) {
        (Some(Target::Id(key)), _) => {
            let Got { value, report } =
                session.within(session.mainline().get_immutable(*key)).await?;
            session.output.note(effort(&report));
            return found(session, *key, &value, None, report, options.bencoded);
        }
        (Some(Target::Item { public_key, salt }), _) => (*public_key, salt.clone()),
        (None, Some(public_key)) => (public_key, options.salt.clone().unwrap_or_default()),
        (None, None) => return Err(Failure::wrong_use("a KEY or a --public-key is missing")),
    };
    let key = polykad::networks::mainline::item::mutable_target(&public_key, &salt).key();
    let salt = salt.as_bytes().to_vec();
    let Got { value: item, report } =
        session.within(session.mainline().get_mutable(public_key, salt)).await?;
    session.output.note(format!("seq {}; {}", item.seq, effort(&report)));
    found(session, key, &item.value, Some(&item), report, options.bencoded)
}

fn found(
    session: &Session,
    key: Key,
    value: &[u8],
    item: Option<&SignedItem>,
    report: Report,
    keep_bencoded: bool,
) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Object<'a> {
        key: String,
        /// The value as text; null if it is no UTF-8.
        value: Option<&'a str>,
        value_hex: String,
        /// Whether the two above are bencoded: asked for, or the value is no byte string.
        bencoded: bool,
        /// What the value names, if it is as BEP 46 says.
        #[serde(skip_serializing_if = "Option::is_none")]
        info_hash: Option<String>,
        #[serde(flatten)]
        signed: Option<Author>,
        #[serde(flatten)]
        cost: Cost,
    }
    #[derive(Serialize)]
    struct Author {
        seq: i64,
        public_key: String,
        salt_hex: String,
        signature: String,
    }
    let unwrapped = if keep_bencoded { None } else { as_byte_string(value) };
    let shown = unwrapped.unwrap_or(value);
    session.output.raw(shown)?;
    session.output.object(&Object {
        key: hex(&key),
        value: core::str::from_utf8(shown).ok(),
        value_hex: hex_bytes(shown),
        bencoded: unwrapped.is_none(),
        info_hash: info_hash(value).as_ref().map(hex),
        signed: item.map(|item| Author {
            seq: item.seq,
            public_key: hex_bytes(&item.public_key),
            salt_hex: hex_bytes(&item.salt),
            signature: hex_bytes(&item.signature),
        }),
        cost: report.into(),
    })
}

/// The info-hash in a value that names a torrent: a dictionary with a 20-byte `ih` (BEP 46).
pub(super) fn info_hash(value: &[u8]) -> Option<Key> {
    let mut reader = bencode::Reader::new(value);
    reader.dictionary().ok()?;
    while !reader.end() {
        if reader.string().ok()? == b"ih" {
            let hash: [u8; 20] = reader.string().ok()?.try_into().ok()?;
            return Some(Key::from(hash));
        }
        reader.element(bencode::MAX_VALUE_DEPTH).ok()?;
    }
    None
}

#[cfg(test)]
mod tests;
