//! `polykad connect`: standard input and output at both ends of a stream between two nodes.
//!
//! The command has a node of its own: the daemon's API carries no streams.

use client::Key;
use client::poly::{ByteStream, ConnectError, Poly};
use polykad::PolyNode;
use tokio::io::{AsyncWriteExt, copy, split, stdin, stdout};
use tokio::time::timeout;

use crate::args::ConnectOptions;
use crate::failure::Failure;
use crate::node::interrupted;
use crate::output::{complain, hex_bytes};
use crate::poly::own_node;

pub(crate) async fn run(options: ConnectOptions) -> Result<(), Failure> {
    if options.join.bootstrap.is_empty() {
        return Err(Failure::wrong_use(
            "a stream needs a node of the command's own: give --bootstrap IP:PORT to join through",
        ));
    }
    let node = own_node(&options.join, options.id.is_some()).await?;
    let result = tokio::select! {
        result = carry(&node, &options) => result,
        () = interrupted() => Ok(()),
    };
    node.shutdown().await;
    result
}

async fn carry(node: &PolyNode, options: &ConnectOptions) -> Result<(), Failure> {
    let stream = match options.id {
        Some(id) => open(node, id, options).await?,
        None => take(node, options).await?,
    };
    pipe(stream).await.map_err(|error| Failure::failed(format!("the stream ended early: {error}")))
}

async fn open(node: &PolyNode, id: Key, options: &ConnectOptions) -> Result<ByteStream, Failure> {
    let join = &options.join;
    // Operations wait for this by themselves, but what it takes counts.
    if timeout(join.timeout, node.joined()).await.is_err() {
        return Err(Failure::failed("nobody answers: check the --bootstrap addresses"));
    }
    Ok(node.connect(id, options.service.clone(), join.timeout).await?)
}

/// Waits for somebody to open a stream.
async fn take(node: &PolyNode, options: &ConnectOptions) -> Result<ByteStream, Failure> {
    let length = options.service.len();
    let incoming = node.accept(&options.service);
    let mut incoming = incoming.ok_or(ConnectError::BadService { length })?;
    node.joined().await?;
    complain(&format!("id {}", hex_bytes(node.id().as_bytes())));
    let (peer, stream) = incoming.next().await.ok_or(ConnectError::Stopped)?;
    complain(&format!("from {} at {}", hex_bytes(peer.id.as_bytes()), peer.address));
    Ok(stream)
}

/// Until both sides have no more to say.
async fn pipe(stream: ByteStream) -> std::io::Result<()> {
    let (mut from, mut to) = split(stream);
    let out = async {
        copy(&mut stdin(), &mut to).await?;
        to.shutdown().await
    };
    let back = async {
        let mut stdout = stdout();
        copy(&mut from, &mut stdout).await?;
        stdout.flush().await
    };
    tokio::try_join!(out, back).map(drop)
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let message = error.to_string();
        if matches!(error, ConnectError::BadService { .. } | ConnectError::Oneself) {
            return Self::wrong_use(message);
        }
        Self::failed(message)
    }
}
