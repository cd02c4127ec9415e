use client::mainline::SignedItem;
use client::{FindError, Key, Mainline, PingError, PutError};
use polykad::SpawnError;
use polykad::disk::DiskError;

use super::*;

async fn spawn_error(builder: Builder) -> SpawnError {
    builder.spawn().await.err().unwrap()
}

#[tokio::test]
async fn addresses_that_cannot_be_listened_on() {
    let node = node(&[]).await;
    let address = node.listen()[0];
    let error = spawn_error(builder(&[]).listen(address)).await;
    assert!(matches!(error, SpawnError::Busy { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        format!("{address} is in use already: stop the other program, or listen on another port")
    );
    let not_ours = "192.0.2.1:0".parse().unwrap();
    let error = spawn_error(builder(&[]).listen(not_ours)).await;
    assert!(matches!(error, SpawnError::NotOurs { .. }), "{error}");
    let error = spawn_error(builder(&[]).listen(v4()).listen(v4())).await;
    assert!(matches!(error, SpawnError::TwoOfOneFamily { .. }), "{error}");
}

#[tokio::test]
async fn data_folders_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let build = || builder(&[]).listen(v4()).data_dir(folder.path());
    let _node = build().spawn().await.unwrap();
    let error = spawn_error(build()).await;
    assert!(matches!(error, SpawnError::Disk(DiskError::InUse { .. })), "{error}");
    let file = folder.path().join("mainline.redb");
    let error = spawn_error(builder(&[]).listen(v4()).data_dir(file)).await;
    assert!(matches!(error, SpawnError::Disk(DiskError::Unusable { .. })), "{error}");
}

#[tokio::test]
async fn nobody_there() {
    let nowhere = "127.0.0.1:9".parse().unwrap();
    let alone = node(&[]).await;
    let target = Key::from([1; 20]);
    assert_eq!(alone.find_node(target).await, Err(FindError::NoContacts));
    assert_eq!(alone.find_peers(target).all().await, Err(FindError::NoContacts));
    let no_answer = PingError::NoAnswer { address: nowhere };
    assert_eq!(alone.ping(nowhere).await, Err(no_answer));
    let other: SocketAddr = "[::1]:9".parse().unwrap();
    let wrong_family = PingError::WrongFamily { address: other };
    assert_eq!(alone.ping(other).await, Err(wrong_family));

    let lost = builder(&[nowhere]).listen(v4()).deadline(Duration::from_secs(3));
    let lost = lost.spawn().await.unwrap();
    let error = lost.find_node(target).await.unwrap_err();
    assert!(matches!(error, FindError::NoAnswer | FindError::NoContacts), "{error}");
}

#[tokio::test]
async fn values_that_cannot_be_put() {
    let node = node(&[]).await;
    let error = node.put_immutable(vec![b'x'; 1001]).await.unwrap_err();
    assert_eq!(error, PutError::ValueTooLong { bytes: 1001 });
    let error = node.put_immutable(b"raw".to_vec()).await.unwrap_err();
    assert_eq!(error, PutError::NotBencoded);
    let item = SignedItem {
        public_key: [1; 32],
        salt: vec![0; 65],
        seq: 1,
        value: b"1:a".to_vec(),
        signature: [0; 64],
    };
    let error = node.put_mutable(item.clone(), None).await.unwrap_err();
    assert_eq!(error, PutError::SaltTooLong { bytes: 65 });
    let item = SignedItem { salt: Vec::new(), ..item };
    assert_eq!(node.put_mutable(item, None).await, Err(PutError::BadSignature));
}
