//! Streams of bytes between nodes of poly, over real sockets.

use std::time::Duration;

use client::Key;
use client::poly::{ByteStream, ConnectError, Poly};
use polykad::PolyNode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::poly::network;

const MINUTE: Duration = Duration::from_mins(1);

async fn connect(from: &PolyNode, to: Key, service: &str) -> Result<ByteStream, ConnectError> {
    from.connect(to, service.to_owned(), MINUTE).await
}

/// Answers each stream with all that comes in.
fn echo(node: &PolyNode, service: &str) {
    let mut incoming = node.accept(service).unwrap();
    tokio::spawn(async move {
        while let Some((_, stream)) = incoming.next().await {
            tokio::spawn(async move {
                let (mut from, mut to) = tokio::io::split(stream);
                tokio::io::copy(&mut from, &mut to).await.unwrap();
                to.shutdown().await.unwrap();
            });
        }
    });
}

#[tokio::test]
async fn bytes_go_both_ways_between_two_that_never_met() {
    let nodes = network(12).await;
    echo(&nodes[11], "echo");
    let stream = connect(&nodes[3], nodes[11].id(), "echo").await.unwrap();
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[n as usize % 4]).collect();
    let (mut from, mut to) = tokio::io::split(stream);
    let copy = sent.clone();
    let writer = tokio::spawn(async move {
        to.write_all(&copy).await.unwrap();
        to.shutdown().await.unwrap();
    });
    let mut got = Vec::new();
    timeout(MINUTE, from.read_to_end(&mut got)).await.unwrap().unwrap();
    writer.await.unwrap();
    assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
}

#[tokio::test]
async fn the_other_side_knows_who_it_is() {
    let nodes = network(8).await;
    let mut incoming = nodes[2].accept("who").unwrap();
    let asks = connect(&nodes[5], nodes[2].id(), "who");
    let (stream, taken) = tokio::join!(asks, incoming.next());
    let (peer, mut theirs) = taken.unwrap();
    assert_eq!(peer.id, nodes[5].id());
    // What follows at once is not lost, and the end is told after it.
    let mut ours = stream.unwrap();
    ours.write_all(b"last words").await.unwrap();
    drop(ours);
    let mut text = String::new();
    timeout(MINUTE, theirs.read_to_string(&mut text)).await.unwrap().unwrap();
    assert_eq!(text, "last words");
}

/// Who has said and heard all may go: the other one knows at once that all has arrived, and reads
/// what was said to him though nobody is there any more.
#[tokio::test]
async fn regression_who_goes_after_the_end_has_said_that_he_heard_it() {
    let mut nodes = network(12).await;
    while nodes.len() > 3
        && let Some(taker) = nodes.pop()
    {
        let mut incoming = taker.accept("end").unwrap();
        let asks = connect(&nodes[1], taker.id(), "end");
        let (ours, taken) = tokio::join!(asks, incoming.next());
        let (mut ours, (_, mut theirs)) = (ours.unwrap(), taken.unwrap());
        theirs.write_all(&vec![9; 100_000]).await.unwrap();
        theirs.shutdown().await.unwrap();
        ours.write_all(&[1; 3000]).await.unwrap();
        let hears = async {
            let mut all = Vec::new();
            theirs.read_to_end(&mut all).await.unwrap();
            drop(theirs);
            taker.shutdown().await;
            all.len()
        };
        let says = timeout(Duration::from_secs(10), ours.shutdown());
        let (heard, said) = tokio::join!(hears, says);
        assert_eq!(heard, 3000);
        said.expect("it is not known for long whether all has arrived").unwrap();
        let mut all = Vec::new();
        timeout(MINUTE, ours.read_to_end(&mut all)).await.unwrap().unwrap();
        assert_eq!(all.len(), 100_000);
    }
}

/// Whoever does not read stops the one who writes, and nobody else.
#[tokio::test]
async fn a_reader_that_is_slow_holds_the_writer_back() {
    let nodes = network(8).await;
    let mut incoming = nodes[1].accept("slow").unwrap();
    echo(&nodes[1], "echo");
    let asks = connect(&nodes[4], nodes[1].id(), "slow");
    let (ours, taken) = tokio::join!(asks, incoming.next());
    let (mut ours, (_, mut theirs)) = (ours.unwrap(), taken.unwrap());
    let mut written = 0;
    let part = vec![7; 16 << 10];
    while let Ok(count) = timeout(Duration::from_secs(2), ours.write(&part)).await {
        written += count.unwrap();
        assert!(written < 2 << 20, "it goes on for ever");
    }
    // Both buffers and QUIC's window.
    assert!(written >= 128 << 10, "{written}");
    let mut other = connect(&nodes[4], nodes[1].id(), "echo").await.unwrap();
    other.write_all(b"meanwhile").await.unwrap();
    let mut answer = [0; 9];
    timeout(MINUTE, other.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"meanwhile");
    let put = nodes[4].put(vec![1; 60_000], client::poly::PutOptions::default()).await;
    assert!(put.is_ok(), "messages go on beside it: {put:?}");
    let reader = tokio::spawn(async move {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).await.unwrap();
        all.len()
    });
    ours.write_all(b"end").await.unwrap();
    ours.shutdown().await.unwrap();
    let read = timeout(MINUTE, reader).await.unwrap().unwrap();
    assert_eq!(read, written + 3);
}

#[tokio::test]
async fn who_can_not_be_connected_to_is_told_why() {
    let nodes = network(8).await;
    let nobody = Key::new([5; 32]);
    for (to, service, expected) in [
        (nodes[1].id(), "nothing", ConnectError::Refused),
        (nobody, "echo", ConnectError::UnknownNode),
        (nodes[0].id(), "echo", ConnectError::Oneself),
        (nodes[1].id(), "", ConnectError::BadService { length: 0 }),
        (nodes[1].id(), &"x".repeat(65), ConnectError::BadService { length: 65 }),
    ] {
        let error = connect(&nodes[0], to, service).await.err();
        assert_eq!(error, Some(expected), "{service}");
    }
    // One takes a service, and when he is gone another may.
    let first = nodes[2].accept("one").unwrap();
    assert!(nodes[2].accept("one").is_none());
    assert!(nodes[2].accept("").is_none());
    drop(first);
    assert_eq!(connect(&nodes[3], nodes[2].id(), "one").await.err(), Some(ConnectError::Refused));
    let _second = nodes[2].accept("one").unwrap();
    connect(&nodes[3], nodes[2].id(), "one").await.unwrap();
}

#[tokio::test]
async fn who_has_gone_is_waited_for_until_the_deadline_at_most() {
    let mut nodes = network(8).await;
    let gone = nodes.pop().unwrap();
    gone.shutdown().await;
    let deadline = Duration::from_millis(300);
    let asked = nodes[2].connect(gone.id(), "echo".into(), deadline);
    let error = timeout(MINUTE, asked).await.unwrap().err();
    // Unknown if others have found out already.
    let expected = [Some(ConnectError::TimedOut), Some(ConnectError::UnknownNode)];
    assert!(expected.contains(&error), "{error:?}");
}

#[tokio::test]
async fn a_service_that_takes_nothing_is_busy_in_the_end() {
    let nodes = network(14).await;
    let _nobody_reads = nodes[0].accept("full").unwrap();
    let mut open = Vec::new();
    let mut errors = Vec::new();
    // Eight streams a peer, 64 that wait.
    for from in &nodes[1..11] {
        for _ in 0..8 {
            match from.connect(nodes[0].id(), "full".into(), MINUTE).await {
                Ok(stream) => open.push(stream),
                Err(error) => errors.push(error),
            }
        }
    }
    assert_eq!(open.len(), 64);
    assert_eq!(errors, vec![ConnectError::Busy; 16]);
}

#[tokio::test]
async fn a_stream_breaks_off_when_the_other_node_ends() {
    let mut nodes = network(8).await;
    echo(&nodes[7], "echo");
    let mut stream = connect(&nodes[2], nodes[7].id(), "echo").await.unwrap();
    stream.write_all(b"there?").await.unwrap();
    let mut answer = [0; 6];
    stream.read_exact(&mut answer).await.unwrap();
    nodes.pop().unwrap().shutdown().await;
    // Nobody says goodbye: QUIC finds out that it is silent.
    let error = timeout(2 * MINUTE, stream.read(&mut answer)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}
