//! The client API's face of the network `poly`, on a node in this process.

use std::net::SocketAddr;
use std::time::Duration;

use client::poly::value::{Entry, Kind, Record, blob_key};
use client::poly::{
    ByteStream, Change, ConnectError, GetError, GetOptions, Got, KnownPeer, Peer, Poly, PutError,
    PutOptions, Quest, Stored, StoredValue, Watch,
};
use client::stream::unfold;
use client::{FindError, Key, Operation, Search, StatusError, Step};
use poly::command::Command;
use tokio::sync::mpsc;

use super::{CHANGES, PolyNode, Request, Waiter};
use crate::bootstrap::Joins;
use crate::caller::{self, Asks};

/// The way to a running node.
pub(crate) type Caller = caller::Caller<Request>;

impl Asks for Request {
    type Command = Command;
    type Waiter = Waiter;

    fn run(ticket: u64, command: Command, waiter: Waiter) -> Self {
        Self::Run { ticket, command: Box::new(command), waiter }
    }

    fn cancel(ticket: u64) -> Self {
        Self::Cancel(ticket)
    }
}

impl Joins for Caller {
    async fn join(&self, addresses: Vec<SocketAddr>) -> Result<usize, FindError> {
        let peers = addresses.into_iter().map(Peer::unproven).collect();
        let joined = self.ask(Command::Bootstrap(peers), Waiter::Joined).await?;
        Ok(joined.value.len())
    }
}

impl Poly for PolyNode {
    fn put(&self, value: Vec<u8>, options: PutOptions) -> Operation<Result<Stored, PutError>> {
        let caller = self.caller().clone();
        Box::pin(async move {
            let key = blob_key(&value);
            let command = Command::PutBlob { value: value.into(), options };
            caller.look(command, |sender| Waiter::Stored(key, sender)).await
        })
    }

    fn get(&self, key: Key, options: GetOptions) -> Operation<Result<Got<Vec<u8>>, GetError>> {
        let caller = self.caller().clone();
        let command = Command::GetBlob { key, options };
        Box::pin(async move { caller.look(command, Waiter::Blob).await })
    }

    fn put_record(
        &self,
        record: Record,
        expected: Option<u64>,
        options: PutOptions,
    ) -> Operation<Result<Stored, PutError>> {
        let caller = self.caller().clone();
        let key = record.key();
        let command = Command::PutRecord { record: Box::new(record), expected, options };
        let waiter = move |sender| Waiter::Stored(key, sender);
        Box::pin(async move { caller.look(command, waiter).await })
    }

    fn record(&self, key: Key, options: GetOptions) -> Operation<Result<Got<Record>, GetError>> {
        let caller = self.caller().clone();
        let command = Command::GetRecord { key, options };
        Box::pin(async move { caller.look(command, Waiter::Record).await })
    }

    fn put_entry(&self, entry: Entry, options: PutOptions) -> Operation<Result<Stored, PutError>> {
        let caller = self.caller().clone();
        let key = entry.topic;
        let command = Command::PutEntry { entry: Box::new(entry), options };
        let waiter = move |sender| Waiter::Stored(key, sender);
        Box::pin(async move { caller.look(command, waiter).await })
    }

    fn topic(
        &self,
        topic: Key,
        limit: usize,
        options: GetOptions,
    ) -> Operation<Result<Got<Vec<Entry>>, GetError>> {
        let caller = self.caller().clone();
        let command = Command::ListTopic { topic, limit, options };
        Box::pin(async move { caller.look(command, Waiter::Entries).await })
    }

    fn watch(&self, key: Key, kind: Kind) -> Watch {
        let caller = self.caller().clone();
        let begin = Watching::Idle { caller, command: Command::Watch { key, kind } };
        Watch::new(unfold(begin, Watching::step))
    }

    fn trace(&self, target: Key, quest: Quest) -> Search<Step> {
        // When it begins is known once it has.
        let waiter = |teller| Waiter::Steps(kademlia::Moment::START, teller);
        self.caller().search(Command::Trace { target, quest }, waiter)
    }

    fn find_node(&self, target: Key) -> Operation<Result<Got<Vec<Peer>>, GetError>> {
        let caller = self.caller().clone();
        Box::pin(async move { caller.look(Command::FindNode(target), Waiter::Nodes).await })
    }

    fn ping(&self, address: SocketAddr) -> Operation<Result<Got<Peer>, GetError>> {
        let caller = self.caller().clone();
        let command = Command::Ping(Peer::unproven(address));
        Box::pin(async move { caller.ask(command, Waiter::Pong).await })
    }

    fn connect(
        &self,
        id: Key,
        service: String,
        deadline: Duration,
    ) -> Operation<Result<ByteStream, ConnectError>> {
        self.connect_to(id, service, deadline)
    }

    fn contacts(&self) -> Operation<Result<Vec<KnownPeer>, StatusError>> {
        let caller = self.caller().clone();
        Box::pin(async move { Ok(caller.look_at(Request::Contacts).await?) })
    }

    fn stored(&self, most: usize) -> Operation<Result<Vec<StoredValue>, StatusError>> {
        let caller = self.caller().clone();
        let request = move |sender| Request::Held(most, sender);
        Box::pin(async move { Ok(caller.look_at(request).await?) })
    }
}

/// How far a watch has come.
enum Watching {
    Idle { caller: Caller, command: Command },
    Running { ticket: caller::Ticket<Request>, changes: mpsc::Receiver<Change> },
}

impl Watching {
    /// The next change, and how it goes on.
    async fn step(mut self) -> Option<(Change, Self)> {
        loop {
            self = match self {
                Self::Idle { caller, command } => {
                    caller.joined().await.ok()?;
                    let (sender, changes) = mpsc::channel(CHANGES);
                    let ticket = caller.run(command, Waiter::Watch(sender)).await.ok()?;
                    Self::Running { ticket, changes }
                }
                Self::Running { ticket, mut changes } => {
                    let change = changes.recv().await?;
                    return Some((change, Self::Running { ticket, changes }));
                }
            };
        }
    }
}
