//! Publishes and resolves a name through a relay with the crate `pkarr`, unchanged.
//!
//! `cargo run --manifest-path interop/pkarr/Cargo.toml -- http://127.0.0.1:6880`, with any node that
//! serves HTTP and has contacts on Mainline.

use std::error::Error;

use pkarr::{Client, Keypair, ResolvePolicy, SignedPacket, Timestamp};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let relay = std::env::args().nth(1).ok_or("which relay? http://IP:PORT")?;
    let mut builder = Client::builder();
    builder.no_default_network().relays(&[relay.as_str()])?;
    let client = builder.build()?;
    let keys = Keypair::random();
    let packet = |text: &str, at| {
        SignedPacket::builder()
            .txt("_test".try_into()?, text.try_into()?, 300)
            .timestamp(at)
            .sign(&keys)
            .map_err(Box::<dyn Error>::from)
    };
    let now = Timestamp::now();
    client.publish(&packet("first", now)?).await?;
    println!("ok 1 a packet is published");
    // Another client, whose cache is empty.
    let mut builder = Client::builder();
    builder.no_default_network().relays(&[relay.as_str()])?;
    let other = builder.build()?;
    let name = keys.public_key();
    let resolve = || other.resolve(&name, ResolvePolicy::NetworkOnly);
    assert_eq!(resolve().await?.timestamp(), now);
    println!("ok 2 and resolved by another client");
    let later = now + 1_000_000;
    client.publish(&packet("second", later)?).await?;
    assert_eq!(resolve().await?.timestamp(), later);
    println!("ok 3 a newer one replaces it");
    assert!(client.publish(&packet("late", now)?).await.is_err());
    println!("ok 4 an older one is refused");
    println!("4 passed, 0 failed");
    Ok(())
}
