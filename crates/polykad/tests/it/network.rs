use client::mainline::{Announce, SignedItem, byte_string};
use client::{Client, FindError, Found, GetError, Key, Mainline, PutError};
use ed25519_dalek::SigningKey;
use mainline::{MutableItem, Salt};
use std::sync::Arc;
use std::time::Duration;

use super::*;

fn sign(seq: i64, salt: &[u8], value: &[u8]) -> SignedItem {
    let key = SigningKey::from_bytes(&[7; 32]);
    let salt = Salt::new(salt).unwrap();
    let item = MutableItem::sign(&key, salt, seq, &byte_string(value)).unwrap();
    SignedItem {
        public_key: item.public_key,
        salt: item.salt.as_bytes().to_vec(),
        seq,
        value: item.value.to_vec(),
        signature: item.signature,
    }
}

/// Three nodes that joined through the first.
async fn three() -> [Node; 3] {
    let first = node(&[]).await;
    let address = first.listen()[0];
    [first, node(&[address]).await, node(&[address]).await]
}

#[tokio::test]
async fn values_cross_the_network() {
    let [one, two, three] = three().await;
    let value = byte_string(b"hello");
    let put = two.put_immutable(value.clone()).await.unwrap();
    assert!(!put.acknowledged.is_empty() && put.refused.is_empty(), "{put:?}");
    // Through the trait object that services hold.
    let shared: Arc<dyn Client> = Arc::new(three.clone());
    let got = shared.mainline().unwrap().get_immutable(put.key).await.unwrap();
    assert_eq!(got.value, value);

    let missing = Key::from([9; 20]);
    let error = one.get_immutable(missing).await.unwrap_err();
    assert!(matches!(error, GetError::NotFound { .. }), "{error}");

    let put = two.put_mutable(sign(4, b"salt", b"four"), None).await.unwrap();
    assert_eq!(put.seq, Some(4));
    let item = sign(5, b"salt", b"five");
    three.put_mutable(item.clone(), Some(4)).await.unwrap();
    let got = two.get_mutable(item.public_key, b"salt".to_vec()).await.unwrap();
    assert_eq!(got.value, item);
    for (seq, cas) in [(3, None), (6, Some(4))] {
        let error = two.put_mutable(sign(seq, b"salt", b"late"), cas).await.unwrap_err();
        let PutError::Conflict { winner, .. } = &error else { panic!("{error}") };
        assert_eq!(winner.seq, 5);
        assert!(error.to_string().contains("seq 5"), "{error}");
    }
}

#[tokio::test]
async fn announcements_are_found_while_they_are_kept() {
    let [one, two, three] = three().await;
    let info_hash = Key::from([3; 20]);
    let announce = Announce { info_hash, port: Some(4242), seed: true };
    let mut announcement = two.announce(announce);
    let round = announcement.round().await.unwrap().unwrap();
    assert!(!round.acknowledged.is_empty());

    let mut search = three.find_peers(info_hash);
    let first = search.next().await.unwrap().unwrap();
    let mut peer = two.listen()[0];
    peer.set_port(4242);
    assert_eq!(first, Found::Item(vec![peer]));
    let (rest, report) = search.all().await.unwrap();
    assert!(rest.iter().all(|peers| !peers.contains(&peer)));
    assert!(report.answered > 0);

    let scrape = three.scrape(info_hash).await.unwrap();
    assert!((0.5..1.5).contains(&scrape.seeds), "{scrape:?}");
    let (samples, _) = one.sample(info_hash).all().await.unwrap();
    assert!(samples.iter().any(|sample| sample.info_hashes == [info_hash]), "{samples:?}");

    let operations = |status: &Status| status.mainline.as_ref().unwrap().operations;
    assert_eq!(operations(&two.status().await.unwrap()), 1);
    announcement.stop();
    until(&two, |status| operations(status) == 0).await;
}

#[tokio::test]
async fn nodes_are_asked_directly() {
    let [one, two, _three] = three().await;
    let address = one.listen()[0];
    let id = one.status().await.unwrap().mainline.unwrap().v4.unwrap().id;
    let pong = two.ping(address).await.unwrap();
    assert_eq!((pong.contact.id, pong.contact.address), (id, address));
    let nodes = two.find_node(id).await.unwrap();
    assert_eq!(nodes.nodes[0].address, address);
    let sample = two.sample_node(address).await.unwrap();
    assert_eq!((sample.from.address, sample.total), (address, 0));
}

#[tokio::test]
async fn both_families_work_side_by_side() {
    let both = builder(&[]).listen(v4()).listen(v6()).spawn().await.unwrap();
    let old = builder(&both.listen()[..1]).listen(v4()).spawn().await.unwrap();
    let new = builder(&both.listen()[1..]).listen(v6()).spawn().await.unwrap();
    old.joined().await.unwrap();
    new.joined().await.unwrap();
    let put = old.put_immutable(byte_string(b"from IPv4")).await.unwrap();
    let got = new.get_immutable(put.key).await.unwrap();
    assert_eq!(got.value, byte_string(b"from IPv4"));
    let status = until(&both, |status| good(status).iter().all(|good| *good > 0)).await;
    assert_eq!(status.listen, both.listen());
}

#[tokio::test]
async fn what_nobody_waits_for_is_cancelled() {
    let nowhere: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let node = node(&[]).await;
    let operations = |status: &Status| status.mainline.as_ref().unwrap().operations;
    let mut pings: Vec<_> = (0..10).map(|_| node.ping(nowhere)).collect();
    for ping in &mut pings {
        let waited = tokio::time::timeout(Duration::from_millis(1), ping).await;
        assert!(waited.is_err());
    }
    assert_eq!(operations(&node.status().await.unwrap()), 10);
    drop(pings);
    until(&node, |status| operations(status) == 0).await;
}

#[tokio::test]
async fn after_shutdown_everything_says_so() {
    let node = node(&[]).await;
    let announce = Announce { info_hash: Key::from([1; 20]), port: None, seed: false };
    let mut announcement = node.announce(announce);
    let first = announcement.round().await.unwrap();
    assert!(first.is_err(), "{first:?}");
    let clone = node.clone();
    node.shutdown().await;
    clone.shutdown().await;
    let target = Key::from([1; 20]);
    assert_eq!(clone.find_node(target).await, Err(FindError::Stopped));
    assert_eq!(clone.find_peers(target).all().await, Err(FindError::Stopped));
    clone.status().await.unwrap_err();
}
