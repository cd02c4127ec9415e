use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;

fn loopback(v6: bool) -> SocketAddr {
    let ip = if v6 { IpAddr::V6(Ipv6Addr::LOCALHOST) } else { IpAddr::V4(Ipv4Addr::LOCALHOST) };
    SocketAddr::new(ip, 0)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn receive_all(socket: &Socket, count: usize) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut received = Received::default();
    let mut all = Vec::new();
    let mut seen = 0;
    while seen < count {
        socket.readable().await.unwrap();
        socket.receive(&mut received).unwrap();
        seen += received.len();
        all.extend(received.iter().map(|(from, bytes)| (from, bytes.to_vec())));
    }
    all
}

fn send_many(v6: bool) {
    runtime().block_on(async {
        let (one, two) = (Socket::bind(loopback(v6)).unwrap(), Socket::bind(loopback(v6)).unwrap());
        let mut queue = SendQueue::default();
        let mut expected = Vec::new();
        for round in 0..5_u8 {
            // A number that no batch divides, so that the ring wraps around within a batch.
            for index in 0..100_u8 {
                let message = vec![round; usize::from(index)];
                queue.push(two.local(), &mut message.clone());
                expected.push((one.local(), message));
            }
            one.send(&mut queue);
            assert!(queue.is_empty());
        }
        let got = receive_all(&two, expected.len()).await;
        assert_eq!(got, expected);
        let counters = queue.counters();
        assert_eq!((counters.sent, counters.full, counters.failed), (500, 0, 0));
        assert_eq!(counters.sent_bytes, 5 * (0..100).sum::<u64>());
    });
}

#[test]
fn batches_arrive_whole_and_in_order() {
    send_many(false);
}

#[test]
fn batches_arrive_on_ipv6() {
    send_many(true);
}

#[test]
fn oversized_datagrams_are_counted_and_left_out() {
    runtime().block_on(async {
        let socket = Socket::bind(loopback(false)).unwrap();
        let sender = std::net::UdpSocket::bind(loopback(false)).unwrap();
        for bytes in [MAX_DATAGRAM_BYTES, MAX_DATAGRAM_BYTES + 1, 60_000, 0, 1] {
            sender.send_to(&vec![b'x'; bytes], socket.local()).unwrap();
        }
        let mut received = Received::default();
        let mut lengths = Vec::new();
        let mut seen = 0;
        while seen < 5 {
            socket.readable().await.unwrap();
            socket.receive(&mut received).unwrap();
            seen += received.len();
            lengths.extend(received.iter().map(|(_, bytes)| bytes.len()));
        }
        assert_eq!(lengths, [MAX_DATAGRAM_BYTES, 0, 1]);
        assert_eq!(received.oversized(), 2);
    });
}

#[test]
fn what_cannot_be_sent_does_not_hold_up_the_rest() {
    runtime().block_on(async {
        let socket = Socket::bind(loopback(false)).unwrap();
        let mut queue = SendQueue::default();
        for (to, bytes) in [
            (socket.local(), 1),
            (loopback(true), 2),
            (SocketAddr::from(([127, 0, 0, 1], 9)), 70_000),
            (socket.local(), 3),
        ] {
            queue.push(to, &mut vec![0; bytes]);
        }
        socket.send(&mut queue);
        // What is too long for the link is how its limit is found: no failure.
        assert_eq!((queue.counters().sent, queue.counters().failed), (2, 1));
        let lengths: Vec<_> =
            receive_all(&socket, 2).await.into_iter().map(|m| m.1.len()).collect();
        assert_eq!(lengths, [1, 3]);
    });
}

#[test]
fn a_full_queue_drops_and_counts() {
    let mut queue = SendQueue::default();
    for _ in 0..SEND_QUEUE + 3 {
        queue.push(loopback(false), &mut vec![1]);
    }
    assert_eq!((queue.len(), queue.counters().full), (SEND_QUEUE, 3));
}
