use super::*;
use crate::net::NetSettings;

/// Sends what it is told to whom it is told, and answers each message once with one byte less.
#[derive(Default)]
struct Echo {
    out: Vec<(Place, Vec<u8>)>,
    heard: Vec<(Place, usize)>,
}

impl Protocol for Echo {
    type Peer = Place;
    type Command = (Place, usize);
    type Event = (Place, usize);

    fn handle_message(&mut self, _now: Moment, from: Place, message: &[u8]) {
        self.heard.push((from, message.len()));
        if let Some((_, rest)) = message.split_first() {
            self.out.push((from, rest.to_vec()));
        }
    }

    fn handle_command(&mut self, _now: Moment, (to, bytes): (Place, usize)) -> OperationId {
        self.out.push((to, vec![0; bytes]));
        OperationId(0)
    }

    fn handle_timeout(&mut self, _now: Moment) {}

    fn poll_transmit(&mut self, _now: Moment, buffer: &mut Vec<u8>) -> Option<Transmit<Place>> {
        let (to, message) = self.out.pop()?;
        *buffer = message;
        Some(Transmit { to, way: kademlia::protocol::Way::Datagram })
    }

    fn poll_event(&mut self) -> Option<(Place, usize)> {
        self.heard.pop()
    }

    fn next_timeout(&self) -> Option<Moment> {
        None
    }
}

struct Nursery;

impl Births<Echo> for Nursery {
    fn born(&self, _place: Place) -> Echo {
        Echo::default()
    }

    fn first_timeout(&self, _place: Place) -> Option<Moment> {
        None
    }

    fn peer(&self, place: Place) -> Place {
        place
    }

    fn place(&self, peer: Place) -> Option<Place> {
        Some(peer)
    }
}

#[derive(Default)]
struct Log {
    heard: Vec<(Place, Place, usize)>,
    absent: usize,
}

impl Observer<Echo, Nursery> for Log {
    fn lost(&mut self, _now: Moment, _from: Place, _to: Place, fate: Fate) {
        self.absent += usize::from(fate == Fate::Absent);
    }

    fn event(
        &mut self,
        _: &Nursery,
        _: Moment,
        at: Place,
        (from, bytes): (Place, usize),
        _: &mut Agenda,
    ) {
        self.heard.push((at, from, bytes));
    }
}

fn engine() -> Engine<Echo, Nursery> {
    let end = Moment::from_micros(u64::MAX / 2);
    let settings = EngineSettings { start: Moment::START, end, awake: 1 };
    Engine::new(settings, Nursery, Net::new(NetSettings::default(), 1))
}

#[test]
fn messages_wake_who_sleeps_and_are_lost_where_nobody_is() {
    let (mut engine, mut log) = (engine(), Log::default());
    engine.add_asleep(3);
    engine.kill(2);
    engine.command(0, (1, 3), &mut log);
    engine.command(0, (2, 1), &mut log);
    assert_eq!(engine.in_flight(), 2);
    assert_eq!(engine.advance(Moment::from_micros(100_000_000), &mut log), None);
    assert_eq!(log.heard, [(1, 0, 3), (0, 1, 2), (1, 0, 1), (0, 1, 0)]);
    assert_eq!((log.absent, engine.in_flight(), engine.work().delivered), (1, 0, 4));
}

#[test]
fn who_is_there_is_counted_however_he_comes_and_goes() {
    let (mut engine, mut log) = (engine(), Log::default());
    engine.add_asleep(4);
    let place = engine.add_absent();
    assert_eq!((engine.present(), engine.places()), (4, 5));
    engine.settle(place, Echo::default());
    engine.settle(place, Echo::default());
    assert_eq!(engine.present(), 5);
    engine.kill(0);
    engine.kill(0);
    assert!(engine.remove(0).is_none() && engine.remove(1).is_some());
    assert!(engine.command(1, (2, 1), &mut log).is_none());
    assert_eq!(engine.present(), 3);
    let there = (0..5).filter(|place| engine.is_present(*place)).count();
    assert_eq!(there, engine.present());
}

#[test]
fn what_is_scheduled_comes_back_at_its_time() {
    let (mut engine, mut log) = (engine(), Log::default());
    let at = Moment::from_micros;
    engine.schedule(at(20), 2);
    engine.schedule(at(10), 1);
    assert_eq!(engine.advance(at(5), &mut log), None);
    assert_eq!(engine.advance(at(100), &mut log), Some(1));
    assert_eq!(engine.now(), at(10));
    assert_eq!(engine.advance(at(100), &mut log), Some(2));
    assert_eq!((engine.advance(at(100), &mut log), engine.now()), (None, at(100)));
}
