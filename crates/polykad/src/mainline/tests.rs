use std::time::Duration;

use mainline::command::{Acknowledgements, Failure, Report as Cost};
use mainline::wire::Id;

use super::*;
use crate::driver::{Counters, Host as _, View};
use crate::search::FINDINGS;

fn peer(port: usize) -> SocketAddr {
    ([127, 0, 0, 1], u16::try_from(port).unwrap()).into()
}

/// A host with one operation under way.
fn host(waiter: Waiter) -> (Host, OperationId) {
    let mut host = Host::new(Clock::start(), Vec::new(), None);
    let operation = OperationId(7);
    host.began(operation, Some((1, waiter)));
    (host, operation)
}

#[test]
fn a_slow_search_gets_all_peers_at_its_end() {
    let (teller, mut findings, mut ended) = Teller::new();
    let (mut host, operation) = host(Waiter::Peers(teller));
    let all: Vec<_> = (0..FINDINGS + 3).map(peer).collect();
    for peer in &all {
        let progress = Progress::Peers(vec![*peer]);
        host.event(Moment::START, Event::Progress(operation, progress));
    }
    assert_eq!(host.untold, 3);
    let outcome = Outcome::Peers(all.clone());
    host.event(Moment::START, Event::Done(operation, outcome, Cost::default()));
    let mut told = 0;
    while findings.try_recv().is_ok() {
        told += 1;
    }
    assert_eq!(told, FINDINGS);
    let ended = ended.try_recv().unwrap();
    assert_eq!((ended.again, ended.result), (Some(all), Ok(Report::default())));
    assert!(host.running.is_empty() && host.tickets.is_empty());
}

#[test]
fn a_quick_search_is_told_each_peer_once() {
    let (teller, mut findings, mut ended) = Teller::new();
    let (mut host, operation) = host(Waiter::Peers(teller));
    let progress = Progress::Peers(vec![peer(1)]);
    host.event(Moment::START, Event::Progress(operation, progress));
    let outcome = Outcome::Peers(vec![peer(1)]);
    host.event(Moment::START, Event::Done(operation, outcome, Cost::default()));
    assert_eq!(findings.try_recv(), Ok(vec![peer(1)]));
    assert_eq!(ended.try_recv().unwrap().again, None);
}

#[test]
fn rounds_of_an_announcement_say_how_they_went() {
    let (rounds, latest) = watch::channel(None);
    let (ended, mut end) = oneshot::channel();
    let (mut host, operation) = host(Waiter::Rounds(Key::ZERO, rounds, ended));
    let acknowledgements = |silent| Acknowledgements { silent, ..Acknowledgements::default() };
    let mut round = |silent| {
        let progress = Progress::Announced(acknowledgements(silent));
        host.event(Moment::START, Event::Progress(operation, progress));
        latest.borrow().clone().unwrap().unwrap_err().to_string()
    };
    assert!(round(0).starts_with("no node answered"));
    assert!(round(3).starts_with("no node stored the announcement: 0 refused, 3 did not answer"));
    end.try_recv().unwrap_err();
    let failed = Outcome::Failed(Failure::NoContacts);
    host.event(Moment::START, Event::Done(operation, failed, Cost::default()));
    let last = latest.borrow().clone().unwrap();
    assert_eq!(last, Err(FindError::NoContacts.into()));
    end.try_recv().unwrap();
}

#[test]
fn only_what_runs_can_be_cancelled() {
    let (sender, _receiver) = oneshot::channel();
    let (mut host, operation) = host(Waiter::Nodes(sender));
    let mut node = Node::new(mainline::node::Settings::default(), [1; 32]);
    let mut cancel = |ticket| {
        let counters = Counters::default();
        let now = Moment::START + Duration::from_secs(1);
        let view = View { now, protocol: &mut node, counters };
        host.request(view, Request::Cancel(ticket)).map(|(command, _)| command)
    };
    assert_eq!(cancel(1), Some(Command::Cancel(operation)));
    assert_eq!(cancel(2), None);
}

#[test]
fn a_node_in_the_status_is_the_node_itself() {
    let mut host = Host::new(Clock::start(), vec![peer(5)], None);
    let id = Id::new([3; 20]);
    let settings = mainline::node::Settings { id_v4: Some(id), ..Default::default() };
    let mut node = Node::new(settings, [1; 32]);
    let (sender, mut receiver) = oneshot::channel();
    let counters = Counters { received: 4, oversized: 1, ..Counters::default() };
    let view = View { now: Moment::from_micros(9), protocol: &mut node, counters };
    assert!(host.request(view, Request::Status(sender)).is_none());
    let status = receiver.try_recv().unwrap();
    assert_eq!(status.uptime, Duration::from_micros(9));
    assert_eq!((status.listen, status.traffic.received), (vec![peer(5)], 4));
    assert_eq!((status.dropped.oversized, status.disk), (1, None));
    assert_eq!(status.mainline.unwrap().v4.unwrap().id, id.key());
}
