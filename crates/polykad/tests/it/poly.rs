//! Nodes of the network `poly` over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use client::poly::value::{Entry, Kind, Record, SigningKey, topic_key};
use client::poly::{Change, Failure, GetError, GetOptions, Poly, PutError, PutOptions};
use polykad::{PolyBuilder, PolyNode};

const ANY: &str = "127.0.0.1:0";

/// Nodes of one network, all joined through the first.
pub(crate) async fn network(count: usize) -> Vec<PolyNode> {
    let first = PolyNode::builder().listen(ANY.parse().unwrap()).rate_limit(None);
    let mut nodes = vec![first.spawn().await.unwrap()];
    let entry = nodes[0].listen()[0];
    for _ in 1..count {
        nodes.push(joined_through(entry).await);
    }
    for node in &nodes {
        node.joined().await.unwrap();
    }
    nodes
}

async fn joined_through(entry: SocketAddr) -> PolyNode {
    let builder = PolyNode::builder().listen(ANY.parse().unwrap()).rate_limit(None);
    builder.bootstrap(entry).spawn().await.unwrap()
}

fn in_an_hour() -> u64 {
    polykad::clock::unix_seconds() + 3600
}

#[tokio::test]
async fn values_of_all_sizes_cross_the_network() {
    let nodes = network(20).await;
    for length in [0, 10, 1000, 1200, 5000, 65536] {
        let value = vec![7; length];
        let put = nodes[3].put(value.clone(), PutOptions::default()).await.unwrap();
        assert!(put.acknowledgements.stored.len() >= 8, "{length}: {put:?}");
        let got = nodes[17].get(put.key, GetOptions::default()).await.unwrap();
        assert_eq!(got.value, value);
    }
    let error = nodes[3].put(vec![0; 65537], PutOptions::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "65537 bytes exceed the limit of 65536 bytes");
    let nothing = nodes[3].get(topic_key(b"nothing"), GetOptions::default()).await.unwrap_err();
    assert!(matches!(nothing, GetError::NotFound { .. }), "{nothing:?}");
}

/// Whoever has just come knows few by a session, and nobody it stores with.
#[tokio::test]
async fn a_newcomer_puts_and_gets_long_values() {
    let nodes = network(20).await;
    let newcomer = || {
        let builder = PolyNode::builder().listen(ANY.parse().unwrap()).client(true);
        builder.bootstrap(nodes[4].listen()[0]).spawn()
    };
    let value = vec![9; 65536];
    let writer = newcomer().await.unwrap();
    let put = writer.put(value.clone(), PutOptions::default()).await.unwrap();
    assert!(put.acknowledgements.stored.len() >= 8, "{put:?}");
    drop(writer);
    let reader = newcomer().await.unwrap();
    let got = reader.get(put.key, GetOptions::default()).await.unwrap();
    assert!(got.value == value);
    println!("{:?} {:?}", put.report, got.report);
}

#[tokio::test]
async fn records_change_by_compare_and_swap() {
    let nodes = network(12).await;
    let author = SigningKey::from_bytes(&[5; 32]);
    let record =
        |seq, text: &str| Record::sign(&author, b"page", seq, in_an_hour(), Some(text.as_bytes()));
    let options = PutOptions::default();
    let first = nodes[1].put_record(record(1, "one"), Some(0), options).await.unwrap();
    nodes[2].put_record(record(2, "two"), Some(1), options).await.unwrap();
    let late = nodes[3].put_record(record(3, "three"), Some(1), options).await.unwrap_err();
    let PutError::Failed(Failure::Conflict(winner)) = late else { panic!("{late:?}") };
    assert_eq!((winner.seq, winner.value.as_deref()), (2, Some(&b"two"[..])));
    let got = nodes[9].record(first.key, GetOptions::default()).await.unwrap();
    assert_eq!(got.value.seq, 2);
    let gone = Record::sign(&author, b"page", 3, in_an_hour(), None);
    nodes[4].put_record(gone, None, options).await.unwrap();
    let got = nodes[9].record(first.key, GetOptions::default()).await.unwrap();
    assert!(got.value.is_tombstone());
}

#[tokio::test]
async fn a_watch_tells_what_changes() {
    let nodes = network(12).await;
    let author = SigningKey::from_bytes(&[6; 32]);
    let record = |seq: u64| Record::sign(&author, b"", seq, in_an_hour(), Some(&seq.to_be_bytes()));
    let mut watch = nodes[7].watch(record(1).key(), Kind::Record);
    let seen = tokio::spawn(async move {
        loop {
            match watch.next().await {
                Some(Change::Record(record)) if record.seq == 3 => return true,
                Some(_) => {}
                None => return false,
            }
        }
    });
    for seq in 1..=3 {
        nodes[2].put_record(record(seq), None, PutOptions::default()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(tokio::time::timeout(Duration::from_secs(10), seen).await.unwrap().unwrap());
}

#[tokio::test]
async fn topics_have_entries_of_many_authors() {
    let nodes = network(12).await;
    let topic = topic_key(b"rust");
    for author in 1..=5 {
        let key = SigningKey::from_bytes(&[author; 32]);
        let entry = Entry::sign(&key, topic, 0, 1, in_an_hour(), Some(&[author]));
        nodes[usize::from(author)].put_entry(entry, PutOptions::default()).await.unwrap();
    }
    let found = nodes[11].topic(topic, 100, GetOptions::default()).await.unwrap().value;
    let mut payloads: Vec<_> = found.iter().map(|entry| entry.payload.clone().unwrap()).collect();
    payloads.sort();
    assert_eq!(payloads, (1..=5).map(|author| [author].into()).collect::<Vec<Box<[u8]>>>());
}

#[tokio::test]
async fn without_the_key_a_private_network_is_silent() {
    let private = |key| {
        PolyNode::builder().listen(ANY.parse().unwrap()).shared_key([key; 32]).rate_limit(None)
    };
    let first = private(1).spawn().await.unwrap();
    let entry = first.listen()[0];
    let member = private(1).bootstrap(entry).spawn().await.unwrap();
    member.joined().await.unwrap();
    assert_eq!(member.ping(entry).await.unwrap().value.id, first.id());
    for stranger in [private(2), PolyNode::builder().listen(ANY.parse().unwrap())] {
        let stranger = stranger.spawn().await.unwrap();
        assert!(stranger.ping(entry).await.is_err());
    }
    let probe = tokio::net::UdpSocket::bind(ANY).await.unwrap();
    for length in [1, 20, 64, 400, 1200] {
        probe.send_to(&vec![0x41; length], entry).await.unwrap();
        probe.send_to(&vec![0; length], entry).await.unwrap();
    }
    let mut buffer = [0; 2000];
    let answer = tokio::time::timeout(Duration::from_millis(500), probe.recv_from(&mut buffer));
    assert!(answer.await.is_err(), "not a byte");
}

/// A whole network that is gone at once, and comes back.
#[tokio::test]
async fn values_survive_the_restart_of_all() {
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let start = |at: usize, entry: Option<SocketAddr>| {
        let builder = PolyNode::builder().listen(ANY.parse().unwrap()).rate_limit(None);
        let builder = builder.data_dir(folders[at].path());
        entry.into_iter().fold(builder, PolyBuilder::bootstrap).spawn()
    };
    let mut key = None;
    for round in 0..2 {
        let first = start(0, None).await.unwrap();
        let entry = Some(first.listen()[0]);
        let (second, third) = (start(1, entry).await.unwrap(), start(2, entry).await.unwrap());
        second.joined().await.unwrap();
        third.joined().await.unwrap();
        if round == 0 {
            let put = second.put(vec![5; 30_000], PutOptions::default()).await.unwrap();
            assert!(put.acknowledgements.stored.len() >= 2, "{put:?}");
            key = Some(put.key);
        } else {
            let got = third.get(key.unwrap(), GetOptions::default()).await.unwrap();
            assert_eq!(got.value, vec![5; 30_000]);
        }
        for node in [first, second, third] {
            node.shutdown().await;
        }
    }
}

#[tokio::test]
async fn a_restarted_node_is_the_same() {
    let nodes = network(8).await;
    let folder = tempfile::tempdir().unwrap();
    let builder = || {
        let listen = ANY.parse().unwrap();
        PolyNode::builder().listen(listen).rate_limit(None).data_dir(folder.path())
    };
    let node = builder().bootstrap(nodes[0].listen()[0]).spawn().await.unwrap();
    node.joined().await.unwrap();
    let id = node.id();
    let put = node.put(b"before".to_vec(), PutOptions::default()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    node.shutdown().await;
    drop(node);
    // Contacts are remembered: there is no bootstrap address now.
    let node = builder().spawn().await.unwrap();
    assert_eq!(node.id(), id);
    let got = node.get(put.key, GetOptions::default()).await.unwrap();
    assert_eq!(got.value, b"before");
}
