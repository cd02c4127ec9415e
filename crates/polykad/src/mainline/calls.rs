//! The client API's Mainline face, on a node in this process.

use std::net::SocketAddr;
use std::time::Duration;

use client::mainline::{
    Announce, Got, KnownContact, Nodes, Pong, Quest, Sample, Scrape, SignedItem, StoredKey,
};
use client::search::{Announcement, Round, Search, Step};
use client::stream::unfold;
use client::{FindError, GetError, Key, Operation, PingError, PutError, PutReport, StatusError};
use mainline::command::{self, Command};
use mainline::item::{Salt, immutable_target};
use tokio::sync::{oneshot, watch};

use super::convert::{item_error, mutable_item};
use super::{Request, Waiter};
use crate::bootstrap::Joins;
use crate::caller::{self, Asks};
use crate::node::Node;

/// How long an announcement waits after it could not be made at all.
const ANNOUNCE_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// The way to a running Mainline node.
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
        Ok(self.bootstrap(addresses).await?.nodes.len())
    }
}

impl Caller {
    /// Joins through these addresses.
    pub(crate) async fn bootstrap(&self, addresses: Vec<SocketAddr>) -> Result<Nodes, FindError> {
        self.ask(Command::Bootstrap(addresses), Waiter::Nodes).await
    }
}

impl client::Mainline for Node {
    fn ping(&self, address: SocketAddr) -> Operation<Result<Pong, PingError>> {
        let caller = self.caller().clone();
        let waiter = move |sender| Waiter::Pong(address, sender);
        Box::pin(async move { caller.ask(Command::Ping(address), waiter).await })
    }

    fn find_node(&self, target: Key) -> Operation<Result<Nodes, FindError>> {
        let caller = self.caller().clone();
        let command = Command::FindNode(target.into());
        Box::pin(async move { caller.look(command, Waiter::Nodes).await })
    }

    fn find_peers(&self, info_hash: Key) -> Search<Vec<SocketAddr>> {
        self.caller().search(Command::GetPeers(info_hash.into()), Waiter::Peers)
    }

    fn announce(&self, torrent: Announce) -> Announcement {
        let (rounds, latest) = watch::channel(None);
        let task =
            self.caller().runtime().spawn(keep_announced(self.caller().clone(), torrent, rounds));
        let task = AbortOnDrop(task.abort_handle());
        Announcement::new(unfold((latest, task), |(mut latest, task)| async move {
            latest.changed().await.ok()?;
            let round = latest.borrow_and_update().clone()?;
            Some((round, (latest, task)))
        }))
    }

    fn scrape(&self, info_hash: Key) -> Operation<Result<Scrape, FindError>> {
        let caller = self.caller().clone();
        let command = Command::Scrape(info_hash.into());
        Box::pin(async move { caller.look(command, Waiter::Scrape).await })
    }

    fn get_immutable(&self, key: Key) -> Operation<Result<Got<Vec<u8>>, GetError>> {
        let caller = self.caller().clone();
        let command = Command::GetImmutable(key.into());
        Box::pin(async move { caller.look(command, Waiter::Immutable).await })
    }

    fn get_mutable(
        &self,
        public_key: [u8; 32],
        salt: Vec<u8>,
    ) -> Operation<Result<Got<SignedItem>, GetError>> {
        let caller = self.caller().clone();
        Box::pin(async move {
            let bytes = salt.len();
            let salt = Salt::new(&salt).map_err(|_| GetError::SaltTooLong { bytes })?;
            caller.look(Command::GetMutable { public_key, salt }, Waiter::Mutable).await
        })
    }

    fn put_immutable(&self, value: Vec<u8>) -> Operation<Result<PutReport, PutError>> {
        let caller = self.caller().clone();
        Box::pin(async move {
            mainline::item::check_value(&value).map_err(item_error)?;
            let key = immutable_target(&value).key();
            let waiter = |sender| Waiter::Put(key, None, sender);
            caller.look(Command::PutImmutable(value.into()), waiter).await
        })
    }

    fn put_mutable(
        &self,
        item: SignedItem,
        cas: Option<i64>,
    ) -> Operation<Result<PutReport, PutError>> {
        let caller = self.caller().clone();
        Box::pin(async move {
            let item = mutable_item(item).map_err(item_error)?;
            item.verify().map_err(item_error)?;
            let (key, seq) = (item.target().key(), Some(item.seq));
            let waiter = |sender| Waiter::Put(key, seq, sender);
            caller.look(Command::PutMutable { item, cas }, waiter).await
        })
    }

    fn sample(&self, target: Key) -> Search<Sample> {
        self.caller().search(Command::Sample(target.into()), Waiter::Samples)
    }

    fn sample_node(&self, address: SocketAddr) -> Operation<Result<Sample, PingError>> {
        let caller = self.caller().clone();
        let waiter = move |sender| Waiter::SampleNode(address, sender);
        Box::pin(async move { caller.ask(Command::SampleNode(address), waiter).await })
    }

    fn trace(&self, target: Key, quest: Quest) -> Search<Step> {
        let quest = match quest {
            Quest::Nodes => command::Quest::Nodes,
            Quest::Peers => command::Quest::Peers,
            Quest::Value => command::Quest::Item,
        };
        // When it begins is known once it has.
        let waiter = |teller| Waiter::Steps(kademlia::Moment::START, teller);
        self.caller().search(Command::Trace { target: target.into(), quest }, waiter)
    }

    fn contacts(&self) -> Operation<Result<Vec<KnownContact>, StatusError>> {
        let caller = self.caller().clone();
        Box::pin(async move { Ok(caller.look_at(Request::Contacts).await?) })
    }

    fn stored_keys(&self, most: usize) -> Operation<Result<Vec<StoredKey>, StatusError>> {
        let caller = self.caller().clone();
        Box::pin(async move { Ok(caller.look_at(|sender| Request::Stored(most, sender)).await?) })
    }
}

/// Announces a torrent until aborted, or until the node stops.
async fn keep_announced(caller: Caller, torrent: Announce, rounds: watch::Sender<Option<Round>>) {
    let Announce { info_hash, port, seed } = torrent;
    let command = Command::Announce { info_hash: info_hash.into(), port, seed };
    while caller.joined().await.is_ok() {
        let (ended, end) = oneshot::channel();
        let waiter = Waiter::Rounds(info_hash, rounds.clone(), ended);
        let Ok(mut ticket) = caller.run(command.clone(), waiter).await else {
            break;
        };
        // Comes when the operation has ended, by an error, since nobody cancels it but our caller.
        let _ = end.await;
        ticket.end();
        tokio::time::sleep(ANNOUNCE_AGAIN_AFTER).await;
    }
    rounds.send_replace(Some(Err(FindError::Stopped.into())));
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
