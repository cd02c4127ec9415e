//! Streams of bytes to other nodes by their ids, and such as others open.

use std::time::Duration;

use client::poly::{ByteStream, ConnectError, Failure, GetError, MAX_SERVICE_BYTES, Peer, Poly};
use client::{Key, Operation};
use poly::command::Command;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::{PolyNode, Waiter};
use crate::bulk::End;

/// After which pauses a node is looked for again: who has just come is not known to all at once.
const LOOKED_FOR_AGAIN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// Streams that others open to a service of this node's. Dropping it closes the service; streams
/// that were taken go on.
#[derive(Debug)]
pub struct Incoming {
    streams: mpsc::Receiver<(Peer, End)>,
}

impl Incoming {
    /// The next stream, and who has opened it: an id that is proven, at an address. `None`: the
    /// node has stopped.
    pub async fn next(&mut self) -> Option<(Peer, ByteStream)> {
        let (peer, end) = self.streams.recv().await?;
        Some((peer, Box::pin(end)))
    }
}

impl PolyNode {
    /// Takes streams that others open to `service` with [`Poly::connect`]. `None`: it is taken
    /// already, or the name has not 1 to 64 bytes.
    ///
    /// A service must read fast: up to 64 streams wait for it, and further ones are refused.
    pub fn accept(&self, service: &str) -> Option<Incoming> {
        let streams = self.streams().serve(service)?;
        Some(Incoming { streams })
    }

    /// See [`Poly::connect`].
    pub(super) fn connect_to(
        &self,
        id: Key,
        service: String,
        deadline: Duration,
    ) -> Operation<Result<ByteStream, ConnectError>> {
        let node = self.clone();
        Box::pin(async move {
            if service.is_empty() || service.len() > MAX_SERVICE_BYTES {
                return Err(ConnectError::BadService { length: service.len() });
            }
            if id == node.id() {
                return Err(ConnectError::Oneself);
            }
            let opened = timeout(deadline, node.open(id, &service)).await;
            opened.unwrap_or(Err(ConnectError::TimedOut))
        })
    }

    async fn open(&self, id: Key, service: &str) -> Result<ByteStream, ConnectError> {
        let mut pauses = LOOKED_FOR_AGAIN.into_iter();
        let peer = loop {
            if let Some(peer) = self.look_for(id).await? {
                break peer;
            }
            sleep(pauses.next().ok_or(ConnectError::UnknownNode)?).await;
        };
        // The first makes a session, the second shows the other node that we hear it: connections
        // are taken from those alone who have.
        for _ in 0..2 {
            match self.caller().ask(Command::Ping(peer), Waiter::Pong).await {
                Ok(_) => {}
                Err(GetError::Stopped) => return Err(ConnectError::Stopped),
                Err(GetError::Failed(Failure::Unanswered)) => return Err(ConnectError::TimedOut),
                Err(_) => return Err(ConnectError::Broken),
            }
        }
        let (end, answered) = self.streams().open(peer, service)?;
        answered.await.unwrap_or(Err(ConnectError::Stopped))?;
        Ok(Box::pin(end))
    }

    async fn look_for(&self, id: Key) -> Result<Option<Peer>, ConnectError> {
        match self.find_node(id).await {
            Ok(found) => Ok(found.value.into_iter().find(|peer| peer.id == id)),
            Err(GetError::Stopped) => Err(ConnectError::Stopped),
            Err(_) => Ok(None),
        }
    }
}
