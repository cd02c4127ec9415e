//! The smallest node: listens, serves, and prints how it is doing each ten seconds.
//!
//! `serve ADDRESS [DATA_FOLDER]`, without any bootstrap and without rate limits: what is measured
//! against the echo example.

use std::error::Error;
use std::time::Duration;

use polykad::Node;
use polykad::client::Client;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("usage: serve ADDRESS [DATA_FOLDER]")?;
    let builder = Node::builder().listen(address.parse()?).no_default_bootstrap();
    let builder = match arguments.next() {
        Some(folder) => builder.data_dir(folder),
        None => builder,
    };
    let node = builder.rate_limit(None).spawn().await?;
    loop {
        println!("{:?}", node.status().await?);
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
}
