//! The overlay alone, in a toy network without a wire: what it asks is handed over as it is.

use super::upkeep::{MAX_CHECKS, REJOIN_MAX};
use super::*;
use core::net::{Ipv4Addr, SocketAddrV4};
use rand_core::SeedableRng;
use std::collections::{BTreeMap, BTreeSet};

type A = SocketAddrV4;
type C = Contact<A>;

const MINUTE: Duration = Duration::from_mins(1);
const NEVER: A = SocketAddrV4::new(Ipv4Addr::new(10, 9, 9, 9), 9);

/// One node: an overlay and the randomness handed into it.
struct Toy {
    overlay: Overlay<A>,
    rng: ChaCha8Rng,
    done: Vec<(LookupId, Lookup<A>)>,
    unanswered: Vec<u64>,
    heard: Vec<Heard<A>>,
    /// When it asked whom what.
    asked: Vec<(Moment, A, Question)>,
    wakes: u32,
    due: Option<Moment>,
    /// Answers every question with an error.
    refuses: bool,
}

enum Parcel {
    Question { from: C, ask: Ask<A> },
    Answer { by: C, transaction: TransactionId, contacts: Vec<C>, refused: bool },
}

/// The network and its time.
struct Toys {
    now: Moment,
    nodes: BTreeMap<A, Toy>,
    mail: BTreeMap<(Moment, u64), (A, Parcel)>,
    /// When each node wants to be woken.
    due: BTreeSet<(Moment, A)>,
    sent: u64,
    /// Messages to and from these are lost.
    cut: BTreeSet<A>,
    latency: Duration,
    rng: ChaCha8Rng,
}

fn address(n: u32) -> A {
    SocketAddrV4::new(Ipv4Addr::from_bits(0x0a4d_0001 + n), 1)
}

impl Toys {
    fn new(seed: u64) -> Self {
        Self {
            now: Moment::from_micros(1),
            nodes: BTreeMap::new(),
            mail: BTreeMap::new(),
            due: BTreeSet::new(),
            sent: 0,
            cut: BTreeSet::new(),
            latency: Duration::from_millis(20),
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// `count` nodes that have joined through the first of them.
    fn joined(seed: u64, count: u32) -> Self {
        let mut toys = Self::new(seed);
        for n in 0..count {
            toys.add(n);
            toys.join(n, &[address(0)]);
            toys.run(Duration::from_millis(100));
        }
        toys.run(MINUTE / 2);
        toys
    }

    fn add(&mut self, n: u32) -> A {
        let me = Key::random(160, &mut self.rng);
        let settings = OverlaySettings { bits: 160, ..OverlaySettings::default() };
        let toy = Toy {
            overlay: Overlay::new(me, settings),
            rng: ChaCha8Rng::seed_from_u64(self.rng.next_u64()),
            done: Vec::new(),
            unanswered: Vec::new(),
            heard: Vec::new(),
            asked: Vec::new(),
            wakes: 0,
            due: None,
            refuses: false,
        };
        self.nodes.insert(address(n), toy);
        address(n)
    }

    fn toy(&mut self, n: u32) -> &mut Toy {
        self.nodes.get_mut(&address(n)).unwrap()
    }

    fn table(&self, n: u32) -> &Table<A> {
        self.nodes[&address(n)].overlay.table()
    }

    fn contact(&self, n: u32) -> C {
        Contact { key: self.nodes[&address(n)].overlay.me(), address: address(n) }
    }

    /// Lets a node do something, and sends what follows from it.
    fn with<T>(&mut self, n: u32, act: impl FnOnce(Moment, &mut Toy) -> T) -> T {
        let now = self.now;
        let result = act(now, self.toy(n));
        self.drain(address(n));
        result
    }

    fn join(&mut self, n: u32, through: &[A]) -> Option<LookupId> {
        let through: Vec<_> = through.iter().filter(|a| **a != address(n)).copied().collect();
        self.with(n, |now, toy| {
            toy.overlay.add_bootstrap(through);
            toy.overlay.join(now, &mut toy.rng)
        })
    }

    fn look_up(&mut self, n: u32, target: Key) -> Option<LookupId> {
        self.with(n, |now, toy| toy.overlay.start_lookup(now, target, &mut toy.rng))
    }

    fn drain(&mut self, at: A) {
        let now = self.now;
        let toy = self.nodes.get_mut(&at).unwrap();
        let from = Contact { key: toy.overlay.me(), address: at };
        let mut asks = Vec::new();
        while let Some(ask) = toy.overlay.poll_ask(now, &mut toy.rng) {
            asks.push(ask);
        }
        while let Some(event) = toy.overlay.poll_event() {
            match event {
                OverlayEvent::LookupDone(id, lookup) => toy.done.push((id, lookup)),
                OverlayEvent::Unanswered(tag) => toy.unanswered.push(tag),
            }
        }
        toy.overlay.table().check_invariants().unwrap();
        let due = toy.overlay.next_timeout();
        assert!(toy.overlay.upkeep.checking.len() <= MAX_CHECKS);
        if due != toy.due {
            if let Some(due) = toy.due {
                self.due.remove(&(due, at));
            }
            self.due.extend(due.map(|due| (due, at)));
            toy.due = due;
        }
        toy.asked.extend(asks.iter().map(|ask| (now, ask.to, ask.question)));
        for ask in asks {
            assert_ne!(ask.to, at, "asks itself");
            self.send(at, ask.to, Parcel::Question { from, ask });
        }
    }

    fn send(&mut self, from: A, to: A, parcel: Parcel) {
        self.sent += 1;
        if !self.cut.contains(&from) && !self.cut.contains(&to) {
            self.mail.insert((self.now + self.latency, self.sent), (to, parcel));
        }
    }

    fn deliver(&mut self, to: A, parcel: Parcel) {
        let now = self.now;
        let Some(toy) = self.nodes.get_mut(&to).filter(|_| !self.cut.contains(&to)) else { return };
        let Toy { overlay, rng, .. } = toy;
        match parcel {
            Parcel::Question { from, ask } => {
                overlay.queried(now, from, rng);
                let contacts = match ask.question {
                    Question::Ping => Vec::new(),
                    Question::Find { target, .. } => overlay.table().closest::<8>(&target).to_vec(),
                };
                let by = Contact { key: overlay.me(), address: to };
                let transaction = ask.transaction;
                let answer = Parcel::Answer { by, transaction, contacts, refused: toy.refuses };
                self.send(to, from.address, answer);
            }
            Parcel::Answer { by, transaction, refused: true, .. } => {
                overlay.answered_with_error(now, transaction, by.address);
            }
            Parcel::Answer { by, transaction, contacts, .. } => {
                let heard = overlay.answered(now, transaction, by.address, by.key, true, contacts);
                toy.heard.extend(heard);
            }
        }
        self.drain(to);
    }

    fn run(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            let mail = self.mail.first_key_value().map(|((at, _), _)| *at);
            let wake = self.due.first().copied();
            let next = mail.into_iter().chain(wake.map(|(at, _)| at)).min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            if mail == Some(next) {
                let (_, (to, parcel)) = self.mail.pop_first().unwrap();
                self.deliver(to, parcel);
            } else if let Some((_, at)) = wake {
                let now = self.now;
                let toy = self.nodes.get_mut(&at).unwrap();
                toy.wakes += 1;
                toy.overlay.handle_timeout(now, &mut toy.rng);
                let again = toy.overlay.next_timeout().is_none_or(|again| again > now);
                assert!(again, "a timeout is due again at once: {:?}", toy.overlay.upkeep);
                self.drain(at);
            }
        }
        self.now = until;
    }

    /// Time begins again, as for a driver that was restarted; those that are there only answer.
    fn begin_anew(&mut self) {
        self.now = Moment::from_micros(1);
        self.mail.clear();
        self.due.clear();
    }

    /// The live nodes closest to `target`, without node `but`.
    fn truth(&self, target: Key, but: u32) -> Vec<C> {
        let live = self.nodes.iter().filter(|(a, _)| !self.cut.contains(a) && **a != address(but));
        let mut all: Vec<_> =
            live.map(|(a, toy)| Contact { key: toy.overlay.me(), address: *a }).collect();
        all.sort_by_key(|contact| target.distance(&contact.key));
        all.truncate(8);
        all
    }
}

#[test]
fn joining_finds_the_neighbourhood() {
    let toys = Toys::joined(1, 40);
    for n in 0..40 {
        let me = toys.table(n).me();
        assert_eq!(toys.table(n).closest::<8>(&me).to_vec(), toys.truth(me, n), "{n}");
    }
}

#[test]
fn a_crowd_that_joins_at_once_finds_itself() {
    let mut toys = Toys::new(18);
    for n in 0..40 {
        toys.add(n);
    }
    for n in 1..40 {
        toys.join(n, &[address(0)]);
    }
    toys.run(MINUTE);
    for n in 0..40 {
        let me = toys.table(n).me();
        let known = toys.table(n).closest::<8>(&me);
        let truth = toys.truth(me, n);
        let found = truth.iter().filter(|contact| known.contains(contact)).count();
        assert!(found >= 6, "{n} knows {found} of its 8 neighbours, {} in all", known.len());
    }
}

#[test]
fn refreshing_fills_every_bucket_that_can_be_filled() {
    let mut toys = Toys::joined(2, 40);
    toys.run(60 * MINUTE);
    for n in 0..40 {
        let mut there = BTreeMap::<u32, usize>::new();
        for other in (0..40).filter(|other| *other != n) {
            let prefix = toys.table(n).me().shared_prefix(&toys.contact(other).key);
            *there.entry(prefix).or_default() += 1;
        }
        for (bucket, there) in there {
            let shares = |c: &C| toys.table(n).me().shared_prefix(&c.key) == bucket;
            let known = toys.table(n).members().filter(|m| shares(&m.contact)).count();
            assert_eq!(known, there.min(8), "bucket {bucket} of node {n}");
        }
    }
}

#[test]
fn the_dead_are_found_and_replaced() {
    let mut toys = Toys::joined(3, 40);
    toys.run(40 * MINUTE);
    toys.cut = (0..40).filter(|n| n % 4 == 3).map(address).collect();
    toys.run(40 * MINUTE);
    for n in (0..40).filter(|n| n % 4 != 3) {
        let me = toys.table(n).me();
        let closest = toys.table(n).closest::<20>(&me);
        assert!(closest.iter().all(|c| !toys.cut.contains(&c.address)), "{n} hands on the dead");
        assert!(closest.len() >= 16, "{n} knows {}", closest.len());
    }
}

#[test]
fn an_idle_network_is_quiet() {
    let mut toys = Toys::joined(4, 30);
    toys.run(120 * MINUTE);
    let (sent, wakes) = (toys.sent, toys.nodes.values().map(|toy| toy.wakes).sum::<u32>());
    toys.run(60 * MINUTE);
    let per_minute = |count: u64| count / 30 / 60;
    let wakes = toys.nodes.values().map(|toy| toy.wakes).sum::<u32>() - wakes;
    println!("{} messages and {} wakes an hour and node", (toys.sent - sent) / 30, wakes / 30);
    assert!(per_minute(toys.sent - sent) <= 20);
    assert!(per_minute(wakes.into()) <= 20);
}

#[test]
fn restored_contacts_are_checked_as_soon_as_time_begins() {
    let mut toys = Toys::joined(5, 20);
    toys.begin_anew();
    let contacts: Vec<_> = (0..10).map(|n| toys.contact(n)).collect();
    toys.add(20);
    toys.with(20, |_, toy| toy.overlay.restore(contacts.clone()));
    assert!(toys.table(20).closest::<8>(&Key::ZERO).is_empty(), "hearsay is not handed on");
    assert_eq!(toys.toy(20).overlay.next_timeout(), Some(Moment::START));
    toys.run(Duration::from_secs(5));
    let answered = |contact| toys.table(20).member(contact).unwrap().standing.failures == 0;
    assert!(contacts.iter().all(|contact| answered(&contact.key)));
    // And through them the node finds who else is there, though nobody told it to join.
    assert!(toys.table(20).len() > contacts.len());
}

#[test]
fn restored_contacts_that_are_gone_are_given_up() {
    let mut toys = Toys::joined(6, 8);
    toys.begin_anew();
    let mut contacts: Vec<_> = (0..4).map(|n| toys.contact(n)).collect();
    contacts.extend((4..8).map(|n| Contact { address: address(100 + n), ..toys.contact(n) }));
    toys.add(20);
    toys.with(20, |_, toy| toy.overlay.restore(contacts));
    toys.join(20, &[]);
    toys.run(120 * MINUTE);
    let known: BTreeSet<_> = toys.table(20).members().map(|m| m.contact.address).collect();
    assert_eq!(known, (0..8).map(address).collect());
}

#[test]
fn a_join_that_failed_is_tried_again_ever_less_often() {
    let mut toys = Toys::new(7);
    toys.add(0);
    toys.add(1);
    toys.cut.insert(address(0));
    toys.join(1, &[address(0)]);
    toys.run(60 * MINUTE);
    let times: Vec<_> = toys.toy(1).asked.iter().map(|(at, _, _)| *at).collect();
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    assert!(pauses[0] < Duration::from_secs(10), "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= REJOIN_MAX + Duration::from_secs(5)), "{pauses:?}");
    assert!(times.len() < 30, "{pauses:?}");
    toys.cut.clear();
    toys.run(6 * MINUTE);
    assert_eq!(toys.table(1).len(), 1);
}

#[test]
fn upkeep_goes_on_though_the_join_is_cancelled() {
    let mut toys = Toys::joined(8, 20);
    toys.add(20);
    toys.cut.insert(address(0));
    let lookup = toys.join(20, &[address(0)]).unwrap();
    toys.run(Duration::from_millis(10));
    toys.toy(20).overlay.cancel_lookup(lookup);
    toys.cut.clear();
    toys.run(MINUTE);
    assert!(toys.table(20).len() >= 8, "it has joined all the same");
    let before = toys.toy(20).asked.len();
    toys.run(20 * MINUTE);
    let finds = |(_, _, question): &&(Moment, A, Question)| *question != Question::Ping;
    assert!(toys.toy(20).asked[before..].iter().filter(finds).count() > 0, "it refreshes");
}

#[test]
fn late_answers_are_used() {
    let mut toys = Toys::joined(9, 12);
    toys.add(12);
    toys.latency = Duration::from_millis(1200);
    toys.join(12, &[address(0)]);
    toys.run(Duration::from_secs(3));
    assert!(toys.toy(12).heard.iter().any(|heard| heard.late));
    assert_eq!(toys.table(12).len(), 1);
    toys.run(MINUTE);
    assert!(toys.table(12).len() >= 8, "{}", toys.table(12).len());
}

#[test]
fn a_new_id_gets_a_new_neighbourhood() {
    let mut toys = Toys::joined(10, 40);
    let me = Key::random(160, &mut toys.rng);
    toys.with(7, |now, toy| {
        toy.overlay.set_own_address(address(7));
        toy.overlay.change_id(now, me);
    });
    toys.run(MINUTE);
    assert_eq!(toys.table(7).me(), me);
    assert_eq!(toys.table(7).closest::<8>(&me).to_vec(), toys.truth(me, 7));
    toys.run(60 * MINUTE);
    for contact in toys.truth(me, 7) {
        let near = &toys.nodes[&contact.address].overlay;
        assert!(near.table().member(&me).is_some(), "{} knows the new id", contact.address);
    }
}

#[test]
fn lookups_are_bounded_and_wait_for_their_turn() {
    let mut toys = Toys::joined(11, 30);
    let mut started = 0;
    for _ in 0..Overlay::<A>::MAX_LOOKUPS + 100 {
        let target = Key::random(160, &mut toys.rng);
        started += usize::from(toys.look_up(3, target).is_some());
        assert!(toys.toy(3).overlay.pending().count() <= Requests::<A, Purpose>::MAX_IN_FLIGHT);
    }
    assert_eq!(started, Overlay::<A>::MAX_LOOKUPS);
    assert_eq!(toys.toy(3).overlay.lookups(), started);
    let own = toys.with(3, |now, toy| toy.overlay.request(now, NEVER, None, 7, &mut toy.rng));
    assert!(own.is_some(), "there is room for the network's own");
    toys.run(MINUTE / 2);
    assert_eq!(toys.toy(3).overlay.lookups(), 0);
    assert_eq!(toys.toy(3).overlay.pending().count(), 0);
    assert_eq!(toys.toy(3).unanswered, [7]);
    let done = core::mem::take(&mut toys.toy(3).done);
    for (_, lookup) in done.iter().rev().take(started) {
        assert_eq!(lookup.closest(), toys.truth(lookup.target(), 3));
    }
}

#[test]
fn a_flood_of_strangers_keeps_nobody_from_being_checked() {
    let mut toys = Toys::joined(12, 20);
    toys.run(30 * MINUTE);
    toys.cut.insert(address(5));
    for flood in 0..4000u32 {
        let stranger = Contact {
            key: Key::random(160, &mut toys.rng),
            address: SocketAddrV4::new(Ipv4Addr::from_bits(0x0b00_0000 + (flood << 8)), 1),
        };
        toys.with(1, |now, toy| toy.overlay.queried(now, stranger, &mut toy.rng));
        toys.run(Duration::from_millis(300));
    }
    let (five, me) = (toys.contact(5), toys.table(1).me());
    assert!(!toys.table(1).closest::<20>(&me).contains(&five));
}

#[test]
fn an_outage_isolates_nobody() {
    let mut toys = Toys::joined(13, 12);
    toys.run(10 * MINUTE);
    let restored = toys.table(4).members().map(|m| m.contact).collect::<Vec<_>>();
    toys.add(12);
    toys.with(12, |_, toy| toy.overlay.restore(restored));
    toys.join(12, &[]);
    toys.run(MINUTE);
    // Node 12 has no bootstrap address. Then it is cut off for a day.
    toys.cut.insert(address(12));
    toys.run(24 * 60 * MINUTE);
    assert!(toys.table(12).is_isolated());
    assert!(toys.table(12).len() >= 8);
    toys.cut.clear();
    toys.run(REJOIN_MAX + MINUTE);
    assert!(toys.table(12).closest::<8>(&Key::ZERO).is_full(), "{:?}", toys.table(12).len());
}

#[test]
fn our_own_address_is_nobody() {
    let mut toys = Toys::joined(14, 12);
    let ours = SocketAddrV4::new(Ipv4Addr::new(45, 1, 1, 1), 1);
    let ghost = Contact { key: Key::random(160, &mut toys.rng), address: ours };
    toys.with(3, |now, toy| {
        let Toy { overlay, rng, .. } = toy;
        let asked = overlay.request(now, ours, Some(ghost.key), 1, rng).unwrap();
        overlay.answered(now, asked, ours, ghost.key, true, []);
        assert!(overlay.table().member(&ghost.key).is_some());
        overlay.set_own_address(ours);
        assert!(overlay.table().member(&ghost.key).is_none());
        overlay.suggest(now, ghost, rng);
    });
    toys.run(60 * MINUTE);
    assert!(toys.toy(3).asked.iter().all(|(_, to, _)| *to != ours));
}

#[test]
fn who_answers_with_errors_only_loses_its_place() {
    let mut toys = Toys::joined(15, 12);
    toys.toy(5).refuses = true;
    let before = toys.sent;
    toys.run(120 * MINUTE);
    assert!(toys.sent - before < 12 * 120 * 40, "{} messages", toys.sent - before);
    let five = toys.contact(5);
    for n in (0..12).filter(|n| *n != 5) {
        let me = toys.table(n).me();
        assert!(!toys.table(n).closest::<12>(&me).contains(&five), "{n}");
    }
}

#[test]
fn nobody_answers_for_another() {
    let mut toys = Toys::joined(16, 12);
    let impostor = Contact { key: Key::random(160, &mut toys.rng), address: NEVER };
    toys.with(2, |now, toy| {
        let Toy { overlay, rng, .. } = toy;
        let asked = overlay.request(now, address(1), None, 1, rng).unwrap();
        let wrong = TransactionId(asked.0 ^ 1);
        for (transaction, from) in [(asked, NEVER), (wrong, address(1))] {
            let heard = overlay.answered(now, transaction, from, impostor.key, true, []);
            assert!(heard.is_none());
            assert!(overlay.answered_with_error(now, transaction, from).is_none());
        }
        assert!(overlay.table().member(&impostor.key).is_none());
        assert_eq!(overlay.pending().count(), 1, "the request still waits");
    });
}

#[test]
fn a_contact_that_is_someone_else_fails_under_its_old_id() {
    let mut toys = Toys::joined(17, 12);
    let (was, me) = (toys.contact(4), Key::random(160, &mut toys.rng));
    toys.with(4, |now, toy| {
        toy.overlay.set_own_address(address(4));
        toy.overlay.change_id(now, me);
    });
    toys.run(30 * MINUTE);
    for n in (0..12).filter(|n| *n != 4) {
        assert!(toys.table(n).member(&was.key).is_none(), "{n} still knows the old id");
        assert!(toys.table(n).member(&me).is_some(), "{n} knows the new id");
    }
}
