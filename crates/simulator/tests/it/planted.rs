//! Bugs planted in a node on purpose: a checker must catch each, and say when and where.

use std::path::Path;
use std::time::Duration;

use kademlia::protocol::Way;
use kademlia::table::TableSettings;
use kademlia::{Moment, OperationId, Protocol, Transmit};
use mainline::wire;
use simulator::engine::{Births, Place};
use simulator::ids::{Id, Ids};
use simulator::mainline::{Birth, EARLIEST_START, MainlineNetwork, Resident};
use simulator::net::{Net, NetSettings};
use simulator::network::{Network, News, NodeStanding, Wish};
use simulator::report::RunReport;
use simulator::run::{Run, RunInputs};
use simulator::{Overrides, ScenarioFile};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bug {
    None,
    /// Sends its own lookups' queries to itself as well.
    AsksItself,
    /// A timer is never cancelled.
    Restless,
    /// Its table grows over the limit that the network has.
    Greedy,
    /// What is asked for is forgotten.
    Forgetful,
    /// More requests are under way than may be.
    Hoarding,
    /// Has itself in its table.
    Vain,
    /// Overlooks the value in an answer.
    Blind,
}

struct Faulty {
    node: Resident,
    bug: Bug,
    me: std::net::SocketAddr,
    own: Vec<Vec<u8>>,
    now: Moment,
}

impl Protocol for Faulty {
    type Peer = std::net::SocketAddr;
    type Command = mainline::Command;
    type Event = mainline::Event;

    fn handle_message(&mut self, now: Moment, from: Self::Peer, message: &[u8]) {
        self.now = now;
        let has_value = |message| {
            let decoded = wire::Message::decode(message);
            matches!(decoded, Ok(wire::Message::Response(answer)) if answer.value.is_some())
        };
        if self.bug != Bug::Blind || !has_value(message) {
            self.node.handle_message(now, from, message);
        }
    }

    fn handle_command(&mut self, now: Moment, command: Self::Command) -> OperationId {
        self.now = now;
        self.node.handle_command(now, command)
    }

    fn handle_timeout(&mut self, now: Moment) {
        self.now = now;
        self.node.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Moment, buffer: &mut Vec<u8>) -> Option<Transmit<Self::Peer>> {
        if let Some(own) = self.own.pop() {
            *buffer = own;
            return Some(Transmit { to: self.me, way: Way::Datagram });
        }
        let transmit = self.node.poll_transmit(now, buffer);
        if transmit.is_some() && self.bug == Bug::AsksItself {
            self.own.push(buffer.clone());
        }
        transmit
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        let event = self.node.poll_event()?;
        if self.bug == Bug::Forgetful && matches!(event, mainline::Event::Done(..)) {
            return None;
        }
        Some(event)
    }

    fn next_timeout(&self) -> Option<Moment> {
        // For three seconds: each of its turns is looked at.
        let is_time = (20..23).contains(&self.now.since(EARLIEST_START).as_secs());
        if self.bug == Bug::Restless && is_time {
            return Some(self.now + Duration::from_micros(400));
        }
        self.node.next_timeout()
    }
}

/// A network in which one node has the bug.
struct FaultyNetwork {
    inner: MainlineNetwork,
    /// The same with a larger table.
    greedy: MainlineNetwork,
    bug: Bug,
}

const BUGGY: Place = 7;

impl FaultyNetwork {
    fn wrap(&self, place: Place, node: Resident) -> Faulty {
        let bug = if place == BUGGY { self.bug } else { Bug::None };
        Faulty { node, bug, me: self.inner.peer(place), own: Vec::new(), now: EARLIEST_START }
    }

    /// Where the node at a place comes from.
    fn origin(&self, place: Place) -> &MainlineNetwork {
        if place == BUGGY && self.bug == Bug::Greedy { &self.greedy } else { &self.inner }
    }
}

impl Births<Faulty> for FaultyNetwork {
    fn born(&self, place: Place) -> Faulty {
        self.wrap(place, self.origin(place).born(place))
    }

    fn first_timeout(&self, place: Place) -> Option<Moment> {
        self.inner.first_timeout(place)
    }

    fn peer(&self, place: Place) -> std::net::SocketAddr {
        self.inner.peer(place)
    }

    fn place(&self, peer: std::net::SocketAddr) -> Option<Place> {
        self.inner.place(peer)
    }
}

impl Network for FaultyNetwork {
    type Node = Faulty;

    fn ids(&self) -> &Ids {
        self.inner.ids()
    }

    fn ids_mut(&mut self) -> &mut Ids {
        self.inner.ids_mut()
    }

    fn add(&mut self) -> Place {
        self.inner.add()
    }

    fn fresh(&self, place: Place, incarnation: u32, now: Moment) -> Faulty {
        self.wrap(place, self.origin(place).fresh(place, incarnation, now))
    }

    fn is_honest(&self, place: Place) -> bool {
        self.inner.is_honest(place)
    }

    fn is_reachable(&self, place: Place) -> bool {
        self.inner.is_reachable(place)
    }

    fn persist(&mut self, place: Place, event: &mainline::Event) {
        self.inner.persist(place, event);
    }

    fn luggage(&self, node: &Faulty) -> Vec<Place> {
        self.inner.luggage(&node.node)
    }

    fn unpack(&mut self, place: Place, node: &mut Faulty, contacts: &[Place]) {
        self.inner.unpack(place, &mut node.node, contacts);
    }

    fn command(&self, wish: &Wish) -> mainline::Command {
        self.inner.command(wish)
    }

    fn target(&self, wish: &Wish) -> Option<Id> {
        self.inner.target(wish)
    }

    fn news(&self, event: &mainline::Event) -> Option<News> {
        self.inner.news(event)
    }

    fn contacts(&self, node: &Faulty) -> Vec<Place> {
        let mut contacts = self.inner.contacts(&node.node);
        contacts.extend((node.bug == Bug::Vain).then_some(BUGGY));
        contacts
    }

    fn is_answer(message: &[u8]) -> bool {
        MainlineNetwork::is_answer(message)
    }

    fn describe(&self, message: &[u8], target: &Id) -> String {
        self.inner.describe(message, target)
    }

    fn check(&self, node: &Faulty) -> Result<(), &'static str> {
        self.inner.check(&node.node)
    }

    fn standing(&self, node: &Faulty, now: Moment) -> NodeStanding {
        let standing = self.inner.standing(&node.node, now);
        let hoard = if node.bug == Bug::Hoarding { 5000 } else { 0 };
        NodeStanding { in_flight: standing.in_flight + hoard, ..standing }
    }

    fn bounds(&self) -> NodeStanding {
        self.inner.bounds()
    }

    fn bucket_size(&self) -> Option<usize> {
        self.inner.bucket_size()
    }

    fn keepers(&self, target: &Id) -> Vec<Place> {
        self.inner.keepers(target)
    }
}

fn run(bug: Bug) -> RunReport {
    let text = "name = \"p\"\nnodes = 30\nduration = \"40s\"\n[population]\nbirth = \"join\"\n\
                join_over = \"10s\"\n[[workload]]\nkind = \"find\"\nrate = 10\nfrom = \"20s\"\n\
                [[workload]]\nkind = \"put\"\nrate = 5\nkeys = 10\n\
                from = \"15s\"\nuntil = \"18s\"\n\
                [[workload]]\nkind = \"get\"\nrate = 10\nfrom = \"20s\"\nkeys = 10\n";
    let file =
        ScenarioFile::parse(Path::new("p"), text, Path::new(""), Overrides::default()).unwrap();
    let (start, seed) = (EARLIEST_START, 5);
    let net = Net::new(NetSettings::default(), seed);
    let birth = Birth { start, silence: Duration::ZERO };
    let settings = mainline::Settings::default();
    let table = TableSettings { bucket_size: 20, ..settings.table };
    let large = mainline::Settings { table, ..settings.clone() };
    let inner = MainlineNetwork::new(seed, 30, settings, birth, net.clone());
    let greedy = MainlineNetwork::new(seed, 30, large, birth, net.clone());
    let inputs = RunInputs { start, seed, awake: 1000, turns: Vec::new() };
    let network = FaultyNetwork { inner, greedy, bug };
    Run::new(&file.points[0].scenario, inputs, network, net).run(&mut |_| ())
}

#[test]
fn planted_bugs_are_caught_and_nothing_else() {
    assert_eq!(run(Bug::None).findings, []);
    let check = |bug: Bug, checker: &str| {
        let (first, again) = (run(bug), run(bug));
        let finding = first.findings.first().unwrap_or_else(|| panic!("{bug:?} was not caught"));
        assert_eq!((finding.checker, finding.place), (checker, BUGGY), "{bug:?}");
        // Seed and time lead to the same place again.
        assert_eq!(again.findings.first(), Some(finding), "{bug:?}");
    };
    check(Bug::AsksItself, "own-mail");
    check(Bug::Restless, "timers");
    check(Bug::Greedy, "buckets");
    check(Bug::Forgetful, "operations");
    check(Bug::Hoarding, "bounds");
    check(Bug::Vain, "answered");
    check(Bug::Blind, "found");
}
