//! One node of libp2p-kad: a swarm in a task of its own, and the handle that asks it.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt;
use libp2p::kad::store::{MemoryStore, MemoryStoreConfig};
use libp2p::kad::{GetRecordOk, Mode, QueryId, QueryResult, Quorum, Record, RecordKey};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, SwarmBuilder, identify, kad};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::Failed;

/// An own network: no other node speaks it.
const KAD: libp2p::StreamProtocol = libp2p::StreamProtocol::new("/polykad-bench/kad/1.0.0");
const IDENTIFY: &str = "/polykad-bench/1.0.0";
/// Records a node may hold. The default, 1,024, would end the benchmark.
const MAX_RECORDS: usize = 1 << 20;
/// The default, 10 s, closes connections that are needed again a moment later.
const IDLE: Duration = Duration::from_hours(1);
/// Questions that wait for the swarm's task.
const WAITING: usize = 64;

/// What a node was asked comes to: a record's value, for a get.
type Outcome = Result<Vec<u8>, String>;

/// A node that runs until its handle is dropped.
pub(crate) struct Node {
    asks: mpsc::Sender<(Ask, oneshot::Sender<Outcome>)>,
    /// Under which it is reached.
    pub(crate) name: (PeerId, Multiaddr),
    task: AbortHandle,
}

enum Ask {
    Join(PeerId, Multiaddr),
    Put(Record),
    Get(RecordKey),
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    kad: kad::Behaviour<MemoryStore>,
    identify: identify::Behaviour,
}

impl Node {
    /// Starts one that listens on loopback.
    pub(crate) async fn start() -> Result<Self, Failed> {
        let mut swarm = swarm()?;
        swarm.listen_on("/ip4/127.0.0.1/udp/0/quic-v1".parse()?)?;
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        let name = (*swarm.local_peer_id(), address);
        let (asks, asked) = mpsc::channel(WAITING);
        let task = tokio::spawn(Runner { swarm, waiting: HashMap::new() }.run(asked));
        Ok(Self { asks, name, task: task.abort_handle() })
    }

    /// Looks around from a node that is known; returns when its table is filled.
    pub(crate) async fn join(&self, (id, address): (PeerId, Multiaddr)) -> Result<(), String> {
        self.ask(Ask::Join(id, address)).await.map(drop)
    }

    pub(crate) async fn put(&self, key: Vec<u8>, value: Vec<u8>) -> Result<(), String> {
        self.ask(Ask::Put(Record::new(key, value))).await.map(drop)
    }

    /// The value of the first record found.
    pub(crate) async fn get(&self, key: Vec<u8>) -> Outcome {
        self.ask(Ask::Get(RecordKey::from(key))).await
    }

    async fn ask(&self, ask: Ask) -> Outcome {
        let (answer, answered) = oneshot::channel();
        self.asks.send((ask, answer)).await.map_err(|_| "the node has ended".to_owned())?;
        answered.await.map_err(|_| "the node has ended".to_owned())?
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn swarm() -> Result<Swarm<Behaviour>, Failed> {
    let builder = SwarmBuilder::with_new_identity().with_tokio().with_quic();
    let builder = builder.with_behaviour(|keys| {
        let id = keys.public().to_peer_id();
        let limits = MemoryStoreConfig { max_records: MAX_RECORDS, ..Default::default() };
        let store = MemoryStore::with_config(id, limits);
        let mut kad = kad::Behaviour::with_config(id, store, kad::Config::new(KAD));
        kad.set_mode(Some(Mode::Server));
        let identify = identify::Config::new(IDENTIFY.to_owned(), keys.public());
        Behaviour { kad, identify: identify::Behaviour::new(identify) }
    })?;
    Ok(builder.with_swarm_config(|config| config.with_idle_connection_timeout(IDLE)).build())
}

/// What runs in a node's task.
struct Runner {
    swarm: Swarm<Behaviour>,
    waiting: HashMap<QueryId, oneshot::Sender<Outcome>>,
}

impl Runner {
    async fn run(mut self, mut asked: mpsc::Receiver<(Ask, oneshot::Sender<Outcome>)>) {
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event),
                ask = asked.recv() => match ask {
                    Some((ask, answer)) => self.on_ask(ask, answer),
                    None => return,
                },
            }
        }
    }

    fn on_ask(&mut self, ask: Ask, answer: oneshot::Sender<Outcome>) {
        let kad = &mut self.swarm.behaviour_mut().kad;
        let begun = match ask {
            Ask::Join(id, address) => {
                kad.add_address(&id, address);
                kad.bootstrap().map_err(|error| error.to_string())
            }
            Ask::Put(record) => {
                kad.put_record(record, Quorum::Majority).map_err(|error| error.to_string())
            }
            Ask::Get(key) => Ok(kad.get_record(key)),
        };
        match begun {
            Ok(query) => {
                self.waiting.insert(query, answer);
            }
            // Who asked may have given up.
            Err(reason) => drop(answer.send(Err(reason))),
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        let SwarmEvent::Behaviour(event) = event else { return };
        match event {
            // Who dials is not in the table until it is known where it listens.
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                for address in info.listen_addrs {
                    self.swarm.behaviour_mut().kad.add_address(&peer_id, address);
                }
            }
            BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed {
                id, result, step, ..
            }) => self.on_progress(id, result, step.last),
            BehaviourEvent::Identify(_) | BehaviourEvent::Kad(_) => {}
        }
    }

    fn on_progress(&mut self, id: QueryId, result: QueryResult, last: bool) {
        let outcome = match result {
            QueryResult::GetRecord(Ok(GetRecordOk::FoundRecord(found))) => {
                if let Some(mut query) = self.swarm.behaviour_mut().kad.query_mut(&id) {
                    query.finish();
                }
                Ok(found.record.value)
            }
            QueryResult::GetRecord(Err(error)) => Err(error.to_string()),
            QueryResult::PutRecord(Err(error)) => Err(error.to_string()),
            // Of several steps, as joining has, the last one tells.
            _ if last => Ok(Vec::new()),
            _ => return,
        };
        if let Some(answer) = self.waiting.remove(&id) {
            // Who asked may have given up.
            drop(answer.send(outcome));
        }
    }
}
