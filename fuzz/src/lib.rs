//! What the fuzz targets check. Each takes any bytes and panics if a promise is broken.
//!
//! `cargo xtask fuzz` runs them; `cargo run -p fuzz --bin TARGET FILE…` replays inputs without
//! libFuzzer.
#![expect(clippy::missing_panics_doc, reason = "panicking is how a body reports a finding")]

mod node;
mod poly;
mod secure;

use std::{fs, io};

use mainline::wire::Message;
use mainline::wire::bencode::{MAX_DEPTH, Reader, is_one_element};

pub use self::poly::{poly_message, poly_node};
pub use node::node;
pub use secure::secure;

/// The bencode reader: it reads within the input, and what is canonical is also readable.
pub fn bencode(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let element = reader.element(MAX_DEPTH);
    let whole = element.is_ok_and(|element| {
        assert!(bytes.starts_with(element), "an element is what was read");
        assert_eq!(element.len() + reader.rest().len(), bytes.len());
        element.len() == bytes.len()
    });
    assert!(whole || !is_one_element(bytes), "canonical, yet not readable");
    let _ = Reader::new(bytes).integer();
}

/// Messages: what decodes encodes to the same message, and answers to what does not are messages.
pub fn message(bytes: &[u8]) {
    let mut encoded = Vec::new();
    match Message::decode(bytes) {
        Ok(message) => {
            message.encode(&mut encoded);
            assert_eq!(Message::decode(&encoded), Ok(message));
            assert!(encoded.len() <= bytes.len() + DECORATION_BYTES, "encoding adds nothing");
            visit(&message);
        }
        Err(malformed) => {
            if let Some(answer) = malformed.answer() {
                answer.encode(&mut encoded);
                assert_eq!(Message::decode(&encoded), Ok(Message::Error(answer)));
            }
        }
    }
}

/// What an encoded message may have more than the one it was read from: `y`, a port that
/// `implied_port` had made unnecessary, `find_node`'s `target` for an unknown method's `info_hash`.
const DECORATION_BYTES: usize = 32;

/// Reads all that a message carries.
fn visit(message: &Message<'_>) {
    let Message::Response(response) = message else {
        return;
    };
    assert!(response.contacts_v4().all(|contact| contact.address.port() != 0));
    assert!(response.contacts_v6().all(|contact| contact.address.port() != 0));
    assert!(response.peers().all(|peer| peer.port() != 0));
    let _ = response.sampled().count();
}

/// Runs a body on the files that the command line names.
pub fn replay(body: fn(&[u8])) -> io::Result<()> {
    for path in std::env::args_os().skip(1) {
        body(&fs::read(path)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
