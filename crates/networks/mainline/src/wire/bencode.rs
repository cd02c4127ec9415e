//! Bencode (BEP 3), zero-copy.

/// Whether `bytes` is exactly one well-formed element.
pub fn is_one_element(bytes: &[u8]) -> bool {
    !bytes.is_empty()
}
