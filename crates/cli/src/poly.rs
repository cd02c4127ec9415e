//! `put`, `get`, `record`, `topic` and `watch`: Polykad's own network.
//!
//! Each command goes through the running daemon, or, where it is told whom to join through, has a
//! node of its own for as long as it takes. What it prints is what the network said: a put names
//! how many nodes acknowledged, a conflict names the winner.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use client::poly::value::{
    Entry, Kind, MAX_VALUE_BYTES, Record, SigningKey, record_key, topic_key,
};
use client::poly::{
    Acknowledgements, Change, Failure as Refused, GetError, GetOptions, Poly, PutError, PutOptions,
    Quorum, Report, Stored,
};
use client::{Client, Key};
use polykad::clock::unix_seconds;
use polykad::config::read_key;
use polykad::{PolyBuilder, PolyNode};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::args::{
    AuthorOptions, GetBlobOptions, PolyJoinOptions, PutBlobOptions, RecordCommand, StoreOptions,
    TopicCommand, WatchOptions, WhichNetwork,
};
use crate::daemon;
use crate::failure::Failure;
use crate::key_file;
use crate::node::{interrupted, resolve};
use crate::output::{Output, count, hex_bytes, millis, short_span};

/// What a command goes through, and how long it may take.
struct Session {
    client: Box<dyn Client>,
    deadline: Instant,
    timeout: Duration,
    output: Output,
}

impl Session {
    async fn open(options: &PolyJoinOptions, output: Output) -> Result<Self, Failure> {
        let deadline = Instant::now() + options.timeout;
        let client = if options.bootstrap.is_empty() {
            through_daemon(options).await?
        } else {
            Box::new(own_node(options, true).await?)
        };
        Ok(Self { client, deadline, timeout: options.timeout, output })
    }

    /// The network.
    fn poly(&self) -> Result<&dyn Poly, Failure> {
        self.client.poly().ok_or_else(|| {
            Failure::failed(
                "the daemon takes no part in the network poly: start it with --network poly",
            )
        })
    }

    /// The operation's result, or a failure once the command's time is up.
    async fn within<T, E>(
        &self,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure>
    where
        Failure: From<E>,
    {
        match timeout_at(self.deadline, operation).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(Failure::failed(format!(
                "nothing within {}: check the --bootstrap addresses, or give more --timeout",
                short_span(self.timeout)
            ))),
        }
    }

    /// Time left, as the operations below count it.
    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    fn get_options(&self) -> GetOptions {
        GetOptions { deadline: self.left(), ..GetOptions::default() }
    }

    fn put_options(&self, store: &StoreOptions) -> PutOptions {
        PutOptions {
            lifetime_s: u32::try_from(store.lifetime.as_secs()).unwrap_or(u32::MAX),
            quorum: store.quorum.unwrap_or(Quorum::Auto),
            deadline: self.left(),
            ..PutOptions::default()
        }
    }

    /// The newest seq of a record; 0 if there is none.
    async fn newest(&self, key: Key) -> Result<u64, Failure> {
        let found = self.poly()?.record(key, self.get_options());
        let find = async {
            match found.await {
                Ok(got) => Ok(got.value.seq),
                Err(GetError::NotFound { .. }) => Ok(0),
                Err(error) => Err(error),
            }
        };
        self.within(find).await
    }

    fn stored(&self, stored: &Stored, seq: Option<u64>) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct Object {
            key: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            seq: Option<u64>,
            acknowledged: usize,
            refused: Vec<Value>,
            silent: u32,
            #[serde(flatten)]
            cost: Value,
        }
        let Stored { key, acknowledgements, report } = stored;
        self.output.line(format!("key {}", hex_bytes(key.as_bytes())))?;
        if let Some(seq) = seq {
            self.output.line(format!("seq {seq}"))?;
        }
        let Acknowledgements { stored, refused, unanswered, .. } = acknowledgements;
        self.output.line(format!(
            "stored by {} ({} refused, {unanswered} did not answer so far)",
            count(stored.len(), "node"),
            refused.len(),
        ))?;
        self.output.note(effort(report));
        self.output.object(&Object {
            key: hex_bytes(key.as_bytes()),
            seq,
            acknowledged: stored.len(),
            refused: refused.iter().map(|(peer, why)| refusal(&peer.address, why)).collect(),
            silent: *unanswered,
            cost: cost(report),
        })
    }
}

/// The running daemon.
async fn through_daemon(options: &PolyJoinOptions) -> Result<Box<dyn Client>, Failure> {
    let WhichNetwork { poly_name, poly_key_file } = &options.which;
    if poly_name.is_some() || poly_key_file.is_some() {
        return Err(Failure::wrong_use(
            "--poly-name and --poly-key-file are for a node of the command's own: give \
             --bootstrap IP:PORT too, or leave them to the daemon",
        ));
    }
    match daemon::find(&options.daemon).await? {
        Some(daemon) => Ok(Box::new(daemon)),
        None => Err(Failure::failed(
            "no daemon is running: start one with `polykad serve`, or give --bootstrap \
             IP:PORT to join with a node for this command",
        )),
    }
}

/// A node for this command; a `client` stays out of others' tables.
pub(crate) async fn own_node(options: &PolyJoinOptions, client: bool) -> Result<PolyNode, Failure> {
    let mut builder = named(PolyNode::builder().client(client), &options.which)?;
    for endpoint in &options.bootstrap {
        builder = builder.bootstrap(resolve(endpoint).await?);
    }
    if !options.listen.is_empty() {
        let builder = options.listen.iter().fold(builder, |builder, &one| builder.listen(one));
        return Ok(builder.spawn().await?);
    }
    let any = [([0, 0, 0, 0], 0).into(), ([0; 16], 0).into()];
    let both = any.iter().fold(builder.clone(), |builder, &one| builder.listen(one));
    match both.spawn().await {
        Ok(node) => Ok(node),
        // A machine may have no IPv6.
        Err(_) => Ok(builder.listen(any[0]).spawn().await?),
    }
}

fn refusal(from: &core::net::SocketAddr, why: &client::poly::Refusal) -> Value {
    json!({ "from": from.to_string(), "message": why.to_string() })
}

fn cost(report: &Report) -> Value {
    json!({
        "asked": report.asked,
        "answered": report.answered,
        "failed": report.failed,
        "hops": report.hops,
        "elapsed_ms": millis(report.elapsed),
    })
}

fn effort(report: &Report) -> String {
    format!(
        "{} of {} answered, {} hops, {}",
        report.answered,
        count(report.asked as usize, "request"),
        report.hops,
        short_span(report.elapsed)
    )
}

/// Gives a builder the network that the options name.
pub(crate) fn named(
    mut builder: PolyBuilder,
    which: &WhichNetwork,
) -> Result<PolyBuilder, Failure> {
    if let Some(name) = &which.poly_name {
        builder = builder.network(name);
    }
    if let Some(path) = &which.poly_key_file {
        builder = builder.shared_key(read_key(path)?);
    }
    Ok(builder)
}

/// At most one byte more than any value may have: enough to refuse it.
async fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    fn bounded(source: impl Read) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        source.take(MAX_VALUE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
    let name = if file == Path::new("-") { None } else { Some(file.to_owned()) };
    let shown = file.display().to_string();
    let reading = tokio::task::spawn_blocking(move || match name {
        None => bounded(std::io::stdin().lock()),
        Some(path) => std::fs::File::open(path).and_then(bounded),
    });
    let bytes = reading.await.map_err(std::io::Error::other).flatten();
    let bytes =
        bytes.map_err(|error| Failure::wrong_use(format!("cannot read {shown}: {error}")))?;
    if bytes.len() > MAX_VALUE_BYTES {
        return Err(Failure::wrong_use(format!(
            "the value is longer than the network's limit of {MAX_VALUE_BYTES} bytes: split it"
        )));
    }
    Ok(bytes)
}

/// `polykad put`.
pub(crate) async fn put(options: PutBlobOptions, output: Output) -> Result<(), Failure> {
    let value = read(&options.file).await?;
    let session = Session::open(&options.join, output).await?;
    let put = session.poly()?.put(value, session.put_options(&options.store));
    let stored = session.within(put).await?;
    session.stored(&stored, None)
}

/// `polykad get`.
pub(crate) async fn get(options: GetBlobOptions, output: Output) -> Result<(), Failure> {
    let session = Session::open(&options.join, output).await?;
    let got = session.within(session.poly()?.get(options.key, session.get_options())).await?;
    output.note(effort(&got.report));
    found(output, options.key, &got.value, json!({}), &got.report)
}

fn found(
    output: Output,
    key: Key,
    value: &[u8],
    more: Value,
    report: &Report,
) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Object<'a> {
        key: String,
        /// The value as text; null if it is no UTF-8.
        value: Option<&'a str>,
        value_hex: String,
        #[serde(flatten)]
        more: Value,
        #[serde(flatten)]
        cost: Value,
    }
    output.raw(value)?;
    output.object(&Object {
        key: hex_bytes(key.as_bytes()),
        value: core::str::from_utf8(value).ok(),
        value_hex: hex_bytes(value),
        more,
        cost: cost(report),
    })
}

/// `polykad record`.
pub(crate) async fn record(command: RecordCommand, output: Output) -> Result<(), Failure> {
    match command {
        RecordCommand::Set { value, author, expect, store, join } => {
            let key = key_file::read(&author.key_file)?;
            let value = if value == "-" { read(Path::new("-")).await? } else { value.into_bytes() };
            let session = Session::open(&join, output).await?;
            set(&session, &key, &author, Some(&value), expect, &store).await
        }
        RecordCommand::Delete { author, store, join } => {
            let key = key_file::read(&author.key_file)?;
            let session = Session::open(&join, output).await?;
            set(&session, &key, &author, None, None, &store).await
        }
        RecordCommand::Get { public_key, salt, join } => {
            let session = Session::open(&join, output).await?;
            let key = record_key(&public_key, salt.as_bytes());
            let got = session.within(session.poly()?.record(key, session.get_options())).await?;
            let Record { seq, expires, value, .. } = got.value;
            let Some(value) = value else {
                return Err(Failure::failed(format!(
                    "not found: deleted by its author, seq {seq}"
                ))
                .with("seq", json!(seq)));
            };
            output.note(format!("seq {seq}; {}", effort(&got.report)));
            found(output, key, &value, json!({ "seq": seq, "expires": expires }), &got.report)
        }
    }
}

async fn set(
    session: &Session,
    key: &SigningKey,
    author: &AuthorOptions,
    value: Option<&[u8]>,
    expect: Option<u64>,
    store: &StoreOptions,
) -> Result<(), Failure> {
    let salt = author.salt.as_bytes();
    let seq = match (author.seq, expect) {
        (Some(seq), _) => seq,
        (None, Some(before)) => next(before)?,
        (None, None) => {
            let public_key = key.verifying_key().to_bytes();
            next(session.newest(record_key(&public_key, salt)).await?)?
        }
    };
    let expires = unix_seconds() + store.lifetime.as_secs();
    let record = Record::sign(key, salt, seq, expires, value);
    let put = session.poly()?.put_record(record, expect, session.put_options(store));
    let stored = session.within(put).await?;
    session.stored(&stored, Some(seq))
}

fn next(seq: u64) -> Result<u64, Failure> {
    seq.checked_add(1).ok_or_else(|| {
        Failure::failed(format!("seq {seq} is stored, the highest there is: use a new salt"))
    })
}

/// `polykad topic`.
pub(crate) async fn topic(command: TopicCommand, output: Output) -> Result<(), Failure> {
    match command {
        TopicCommand::Announce { name, payload, key_file, slot, store, join } => {
            let key = key_file::read(&key_file)?;
            let session = Session::open(&join, output).await?;
            let now = unix_seconds();
            let expires = now + store.lifetime.as_secs();
            let topic = topic_key(name.as_bytes());
            // Later announcements go before earlier ones.
            let entry = Entry::sign(&key, topic, slot, now, expires, Some(payload.as_bytes()));
            let put = session.poly()?.put_entry(entry, session.put_options(&store));
            let stored = session.within(put).await?;
            session.stored(&stored, Some(now))
        }
        TopicCommand::Find { name, limit, join } => {
            let session = Session::open(&join, output).await?;
            let topic = topic_key(name.as_bytes());
            let find = session.poly()?.topic(topic, limit, session.get_options());
            let got = session.within(find).await?;
            for entry in &got.value {
                output.line(entry_line(entry))?;
            }
            output.note(effort(&got.report));
            output.object(&json!({
                "key": hex_bytes(topic.as_bytes()),
                "entries": got.value.iter().map(entry_object).collect::<Vec<_>>(),
                "cost": cost(&got.report),
            }))?;
            if got.value.is_empty() {
                return Err(Failure::failed("not found: nobody has announced under this topic"));
            }
            Ok(())
        }
    }
}

fn entry_line(entry: &Entry) -> String {
    let author = hex_bytes(&entry.public_key);
    match &entry.payload {
        Some(payload) => format!("{author} {} {}", entry.slot, String::from_utf8_lossy(payload)),
        None => format!("{author} {} is gone", entry.slot),
    }
}

fn entry_object(entry: &Entry) -> Value {
    let payload = entry.payload.as_deref();
    json!({
        "public_key": hex_bytes(&entry.public_key),
        "slot": entry.slot,
        "seq": entry.seq,
        "expires": entry.expires,
        "payload": payload.and_then(|payload| core::str::from_utf8(payload).ok()),
        "payload_hex": payload.map(hex_bytes),
    })
}

/// `polykad watch`.
pub(crate) async fn watch(options: WatchOptions, output: Output) -> Result<(), Failure> {
    let session = Session::open(&options.join, output).await?;
    let (key, kind) = match (&options.topic, &options.public_key) {
        (Some(name), _) => (topic_key(name.as_bytes()), Kind::Entry),
        (None, Some(public_key)) => (record_key(public_key, options.salt.as_bytes()), Kind::Record),
        (None, None) => return Err(Failure::wrong_use("a --topic or a --public-key is missing")),
    };
    // One who knows nobody would watch in silence.
    let reach = session.poly()?.find_node(key);
    session.within(reach).await?;
    let mut changes = session.poly()?.watch(key, kind);
    let mut stop = core::pin::pin!(interrupted());
    loop {
        let change = tokio::select! {
            change = changes.next() => change,
            () = &mut stop => return Ok(()),
        };
        match change {
            None => return Err(client::FindError::Stopped.into()),
            Some(change) => tell(&change, output)?,
        }
    }
}

fn tell(change: &Change, output: Output) -> Result<(), Failure> {
    match change {
        Change::Record(record) => {
            let value = record.value.as_deref();
            output.line(match value {
                Some(value) => format!("seq {}: {}", record.seq, String::from_utf8_lossy(value)),
                None => format!("seq {}: deleted", record.seq),
            })?;
            output.object(&json!({
                "seq": record.seq,
                "expires": record.expires,
                "value": value.and_then(|value| core::str::from_utf8(value).ok()),
                "value_hex": value.map(hex_bytes),
            }))
        }
        Change::Entry(entry) => {
            output.line(entry_line(entry))?;
            output.object(&entry_object(entry))
        }
    }
}

impl From<PutError> for Failure {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Failed(refused) => refused.into(),
            other @ (PutError::Stopped | PutError::Daemon { .. } | _) => {
                Self::failed(other.to_string())
            }
        }
    }
}

impl From<GetError> for Failure {
    fn from(error: GetError) -> Self {
        match error {
            GetError::NotFound { report } => Self::failed(format!(
                "not found: of {} nodes that answered none has it; check the key, or whether it \
                 has expired",
                report.answered
            ))
            .with("asked", json!(report.asked))
            .with("answered", json!(report.answered)),
            GetError::Failed(refused) => refused.into(),
            other @ (GetError::Stopped | GetError::Daemon { .. } | _) => {
                Self::failed(other.to_string())
            }
        }
    }
}

impl From<Refused> for Failure {
    #[expect(clippy::wildcard_enum_match_arm, reason = "most say all there is to say")]
    fn from(refused: Refused) -> Self {
        let text = refused.to_string();
        match refused {
            Refused::Value(_) => Self::wrong_use(text),
            Refused::Conflict(winner) => Self::failed(format!(
                "conflict: seq {} is stored already; read it and set a higher one",
                winner.seq
            ))
            .with("seq", json!(winner.seq))
            .with("value_hex", json!(winner.value.as_deref().map(hex_bytes))),
            Refused::QuorumMissed(acknowledgements) => Self::failed(text)
                .with("acknowledged", json!(acknowledgements.stored.len()))
                .with("quorum", json!(acknowledgements.quorum)),
            Refused::NobodyThere | Refused::Unanswered => client::FindError::NoAnswer.into(),
            _ => Self::failed(text),
        }
    }
}
