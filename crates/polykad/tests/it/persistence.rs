use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use client::mainline::{Announce, byte_string};
use client::{Key, Mainline};

use super::*;

fn ids(status: &Status) -> [Option<Key>; 2] {
    let mainline = status.mainline.as_ref().unwrap();
    [&mainline.v4, &mainline.v6].map(|side| side.as_ref().map(|side| side.id))
}

async fn kept(folder: &Path, bootstrap: &[SocketAddr]) -> Node {
    let builder = builder(bootstrap).data_dir(folder).listen(v4()).listen(v6());
    let node = builder.spawn().await.unwrap();
    node.joined().await.unwrap();
    node
}

#[tokio::test]
async fn a_restarted_node_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let friend = node(&[]).await;
    let first = kept(folder.path(), friend.listen()).await;
    until(&friend, |status| good(status) == [1]).await;
    let put = friend.put_immutable(byte_string(b"kept")).await.unwrap();
    let announce = Announce { info_hash: Key::from([5; 20]), port: Some(5), seed: false };
    friend.announce(announce).round().await.unwrap().unwrap();
    let before = first.status().await.unwrap();
    first.shutdown().await;

    // Nobody to join through: it remembers its friend.
    let second = kept(folder.path(), &[]).await;
    let after = second.status().await.unwrap();
    assert_eq!(ids(&after), ids(&before));
    let mainline = after.mainline.unwrap();
    assert_eq!((mainline.items, mainline.peers), (1, 1));
    second.find_node(Key::from([1; 20])).await.unwrap();
    friend.shutdown().await;
    let reader = node(&second.listen()[..1]).await;
    assert_eq!(reader.get_immutable(put.key).await.unwrap().value, byte_string(b"kept"));
    let (peers, _) = reader.find_peers(announce.info_hash).all().await.unwrap();
    assert_eq!(peers.concat().len(), 1);
}

#[tokio::test]
async fn a_damaged_file_costs_memory_only() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mainline.redb"), b"no database").unwrap();
    let node = kept(folder.path(), &[]).await;
    node.shutdown().await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_node_that_ends_with_its_runtime_keeps_its_values() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    runtime().block_on(async {
        let first = kept(folder.path(), &[]).await;
        let friend = node(&first.listen()[..1]).await;
        friend.put_immutable(byte_string(b"kept")).await.unwrap();
    });
    let status = runtime().block_on(async {
        let second = kept(folder.path(), &[]).await;
        second.status().await.unwrap()
    });
    assert_eq!(status.mainline.unwrap().items, 1);
}

/// Names the data folder of the node that the child process is to run.
const CHILD: &str = "POLYKAD_TEST_CHILD";

/// Not a test by itself: what the child process of the next one runs.
#[tokio::test]
async fn child_process() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let node = kept(Path::new(&folder), &[]).await;
    println!("listening on {}", node.listen()[0]);
    until(&node, |status| good(status)[0] > 0).await;
    println!("knows somebody");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_node_serves_what_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "persistence::child_process", "--nocapture"])
        .env(CHILD, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.map(|line| line.unwrap());
    let address =
        lines.find_map(|line| Some(line.split_once("listening on ")?.1.parse().unwrap())).unwrap();
    let friend = node(&[address]).await;
    let id = friend.ping(address).await.unwrap().contact.id;
    let mut keys = Vec::new();
    for index in 0..50_u8 {
        let put = friend.put_immutable(byte_string(&[index])).await.unwrap();
        assert_eq!(put.acknowledged.len(), 1);
        keys.push(put.key);
    }
    assert!(lines.any(|line| line.contains("knows somebody")));
    // The last second may be lost, and contacts of the last seconds; what was acknowledged before
    // may not.
    tokio::time::sleep(Duration::from_secs(3)).await;
    child.kill().unwrap();
    child.wait().unwrap();

    let again = kept(folder.path(), &[]).await;
    let status = again.status().await.unwrap();
    assert_eq!(ids(&status)[0], Some(id));
    assert_eq!(status.mainline.unwrap().items, 50);
    // With the contacts of before its death the first lookup needs no bootstrap.
    again.find_node(Key::from([1; 20])).await.unwrap();
    let reader = node(&again.listen()[..1]).await;
    for key in keys {
        reader.get_immutable(key).await.unwrap();
    }
}
