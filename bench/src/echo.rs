//! The bare limit: receives a batch, sends a batch, does nothing else.

use std::net::SocketAddrV4;
use std::time::Duration;

use crate::batch::{Batch, Ends};
use crate::options::Options;

/// `polykad-bench echo`: runs until it is ended.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let listen: SocketAddrV4 = options.required("listen")?;
    let bytes: usize = options.or("bytes", 300)?;
    let mut batch = Batch::bind(listen).map_err(|error| format!("{listen}: {error}"))?;
    let mut waiting: Vec<(Ends, Vec<u8>)> = Vec::new();
    loop {
        let mut used = 0;
        let mut take = |ends: Ends, data: &[u8]| {
            // The buffers are kept: no allocation once they have grown.
            if used == waiting.len() {
                waiting.push((ends, Vec::new()));
            }
            if let Some((to, buffer)) = waiting.get_mut(used) {
                *to = Ends { local: std::net::Ipv4Addr::UNSPECIFIED, ..ends };
                buffer.clear();
                buffer.extend_from_slice(data);
                buffer.resize(bytes, b'.');
            }
            used += 1;
        };
        if batch.receive(&mut take) == 0 {
            batch.wait(Duration::from_millis(100));
            continue;
        }
        for (ends, buffer) in waiting.iter().take(used) {
            batch.push(*ends, |data| crate::message::join(data, &[buffer]));
        }
        batch.send();
    }
}
