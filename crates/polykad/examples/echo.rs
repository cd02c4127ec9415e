//! The bare limit of serving over UDP: answers every datagram, does nothing else.
//!
//! `echo ADDRESS [ANSWER_BYTES]`. It uses the driver's socket and none of its work, so the CPU that
//! it takes per answer is what no node on the same machine can get below.

use std::error::Error;
use std::net::SocketAddr;

use polykad::socket::{Readiness, Received, SendQueue, Socket};

/// Length of an answer to `find_node` with 8 contacts, about.
const ANSWER_BYTES: usize = 300;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("usage: echo ADDRESS [ANSWER_BYTES]")?;
    let answer_bytes = match arguments.next() {
        Some(text) => text.parse()?,
        None => ANSWER_BYTES,
    };
    let socket = Socket::bind(address.parse::<SocketAddr>()?)?;
    println!("{}", socket.local());
    echo(&socket, answer_bytes).await?;
    Ok(())
}

/// Answers each datagram with its own bytes, cut or filled up to `answer_bytes`.
async fn echo(socket: &Socket, answer_bytes: usize) -> std::io::Result<()> {
    let (mut received, mut queue) = (Received::default(), SendQueue::default());
    let mut answer = Vec::new();
    loop {
        socket.readable().await?;
        while socket.receive(&mut received)? == Readiness::More || !received.is_empty() {
            for (from, query) in received.iter() {
                answer.clear();
                answer.extend_from_slice(query);
                answer.resize(answer_bytes, b'.');
                queue.push(from, &mut answer);
            }
            socket.send(&mut queue);
        }
    }
}
