use std::time::Duration;

use tokio::sync::oneshot;

use super::*;

/// Answers `ping` messages, sends one on command, repeats it each 5 ms until answered.
#[derive(Default)]
struct Toy {
    outbox: kademlia::protocol::Outbox<SocketAddr>,
    asked: Option<(OperationId, SocketAddr, Moment)>,
    operations: u64,
    events: Vec<(OperationId, &'static str)>,
    received: u64,
}

impl Toy {
    fn send(&mut self, to: SocketAddr, message: &[u8]) {
        let way = Way::Datagram;
        self.outbox.push(Transmit { to, way }, |out| out.extend_from_slice(message));
    }
}

impl Protocol for Toy {
    type Peer = SocketAddr;
    type Command = SocketAddr;
    type Event = (OperationId, &'static str);

    fn handle_message(&mut self, _: Moment, from: SocketAddr, message: &[u8]) {
        self.received += 1;
        match message {
            b"ping" => self.send(from, b"pong"),
            b"pong" => {
                if let Some((operation, _, _)) = self.asked.take_if(|(_, to, _)| *to == from) {
                    self.events.push((operation, "answered"));
                }
            }
            _ => {}
        }
    }

    fn handle_command(&mut self, now: Moment, to: SocketAddr) -> OperationId {
        let operation = OperationId(self.operations);
        self.operations += 1;
        if to.port() == 0 {
            self.events.push((operation, "bad address"));
        } else {
            self.asked = Some((operation, to, now));
        }
        operation
    }

    fn handle_timeout(&mut self, now: Moment) {
        if let Some((operation, to, due)) = self.asked
            && due <= now
        {
            self.asked = Some((operation, to, now + Duration::from_millis(5)));
            self.send(to, b"ping");
        }
    }

    fn poll_transmit(&mut self, _: Moment, buffer: &mut Vec<u8>) -> Option<Transmit<SocketAddr>> {
        self.outbox.pop(buffer)
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.events.pop()
    }

    fn next_timeout(&self) -> Option<Moment> {
        self.asked.map(|(_, _, due)| due)
    }
}

#[derive(Default)]
struct Waiting(Vec<(OperationId, oneshot::Sender<&'static str>)>);

enum Ask {
    Ping(SocketAddr, oneshot::Sender<&'static str>),
    Counters(oneshot::Sender<Counters>),
}

impl Host<Toy> for Waiting {
    type Request = Ask;
    type Ticket = oneshot::Sender<&'static str>;

    fn request(&mut self, view: View<'_, Toy>, ask: Ask) -> Option<(SocketAddr, Self::Ticket)> {
        match ask {
            Ask::Ping(to, ticket) => Some((to, ticket)),
            Ask::Counters(answer) => {
                assert!(view.protocol.received <= view.counters.received);
                answer.send(view.counters).unwrap();
                None
            }
        }
    }

    fn began(&mut self, operation: OperationId, ticket: Self::Ticket) {
        self.0.push((operation, ticket));
    }

    fn event(&mut self, _: Moment, (operation, event): (OperationId, &'static str)) {
        let index = self.0.iter().position(|(waiting, _)| *waiting == operation).unwrap();
        self.0.swap_remove(index).1.send(event).unwrap();
    }
}

fn node(listen: &[&str]) -> (Vec<SocketAddr>, Driver<Toy, Waiting>, Handle<Ask>) {
    let sockets: Vec<_> =
        listen.iter().map(|address| Socket::bind(address.parse().unwrap()).unwrap()).collect();
    let addresses = sockets.iter().map(Socket::local).collect();
    let (driver, handle) = Driver::new(Toy::default(), Waiting::default(), Clock::start(), sockets);
    (addresses, driver, handle)
}

async fn ping(handle: &Handle<Ask>, to: SocketAddr) -> &'static str {
    let (sender, receiver) = oneshot::channel();
    handle.send(Ask::Ping(to, sender)).await.unwrap();
    receiver.await.unwrap()
}

#[tokio::test]
async fn two_nodes_talk_on_both_families() {
    let (_, one, handle) = node(&["127.0.0.1:0", "[::1]:0"]);
    let (addresses, two, other) = node(&["127.0.0.1:0", "[::1]:0"]);
    let tasks = [tokio::spawn(one.run()), tokio::spawn(two.run())];
    for address in addresses {
        assert_eq!(ping(&handle, address).await, "answered");
    }
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    assert_eq!(ping(&handle, nowhere).await, "bad address");
    let (sender, receiver) = oneshot::channel();
    handle.send(Ask::Counters(sender)).await.unwrap();
    let counters = receiver.await.unwrap();
    assert!(counters.sent >= 2 && counters.received >= 2);
    assert_eq!(counters.sent_bytes, 4 * counters.sent);
    other.stop();
    drop(handle);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(other.send_urgent(Ask::Ping(nowhere, oneshot::channel().0)), Err(Stopped));
    assert_eq!(other.send(Ask::Ping(nowhere, oneshot::channel().0)).await, Err(Stopped));
}

/// Within what a socket's buffer holds by default.
const BURST: u64 = 150;

#[tokio::test]
async fn a_burst_is_answered_whole() {
    let (addresses, driver, handle) = node(&["127.0.0.1:0"]);
    let task = tokio::spawn(driver.run());
    let client = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for _ in 0..BURST {
        client.send_to(b"ping", addresses[0]).await.unwrap();
    }
    for _ in 0..BURST {
        let mut buffer = [0; 16];
        let (bytes, _) = client.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..bytes], b"pong");
    }
    handle.stop();
    let (toy, _) = task.await.unwrap();
    assert_eq!(toy.received, BURST);
}

#[tokio::test]
async fn messages_to_a_family_without_socket_are_counted() {
    let (_, driver, handle) = node(&["127.0.0.1:0"]);
    let task = tokio::spawn(driver.run());
    let (sender, _receiver) = oneshot::channel();
    let v6 = "[::1]:9".parse().unwrap();
    handle.send(Ask::Ping(v6, sender)).await.unwrap();
    loop {
        let (sender, receiver) = oneshot::channel();
        handle.send(Ask::Counters(sender)).await.unwrap();
        if receiver.await.unwrap().send_failed > 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    handle.stop();
    task.await.unwrap();
}
