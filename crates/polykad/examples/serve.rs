//! The smallest node: serves, and prints how it is doing each ten seconds.
//!
//! `POLYKAD_LISTEN=ADDRESS [POLYKAD_BOOTSTRAP=ADDRESS] [POLYKAD_DATA=FOLDER] serve`, without public
//! bootstrap hosts and without rate limits: what is measured against the echo example.

use std::error::Error;
use std::time::Duration;

use polykad::client::Client;
use polykad::config::Layer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings =
        Layer { no_default_bootstrap: Some(true), no_rate_limit: Some(true), ..Layer::from_env()? };
    let node = settings.builder()?.spawn().await?;
    loop {
        println!("{:?}", node.status().await?);
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
}
