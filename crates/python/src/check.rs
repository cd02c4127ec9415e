//! Keys of Polykad's own network, and whether what a node told belongs under them.

use core::fmt;

use client::Key;
use client::http::json::{hex_bytes, unhex};
use client::poly::value::{self, Entry, Record};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The failure of a wrong argument.
pub(crate) fn wrong(error: impl fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn bytes_of(digits: &str) -> PyResult<[u8; 32]> {
    let bytes = unhex(digits).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| wrong(format!("'{digits}': write 64 hexadecimal digits")))
}

/// A key of 256 bits from its digits.
pub(crate) fn key_of(digits: &str) -> PyResult<Key> {
    Ok(Key::new(bytes_of(digits)?))
}

fn digits_of(key: &Key) -> String {
    hex_bytes(key.as_bytes())
}

/// The key of bytes.
#[pyfunction]
pub(crate) fn blob_key(value: &[u8]) -> String {
    digits_of(&value::blob_key(value))
}

/// The key of an author's record.
#[pyfunction]
#[pyo3(signature = (public_key, salt=None))]
pub(crate) fn record_key(public_key: &str, salt: Option<&[u8]>) -> PyResult<String> {
    Ok(digits_of(&value::record_key(&bytes_of(public_key)?, salt.unwrap_or_default())))
}

/// The key of a topic.
#[pyfunction]
pub(crate) fn topic_key(name: &[u8]) -> String {
    digits_of(&value::topic_key(name))
}

fn expect(holds: bool, what: &str) -> PyResult<()> {
    let error = || wrong(format!("the node told a {what} that is not what was asked for"));
    holds.then_some(()).ok_or_else(error)
}

/// Fails unless these are the bytes of the key.
#[pyfunction]
pub(crate) fn check_value(key: &str, value: &[u8]) -> PyResult<()> {
    expect(value::blob_key(value) == key_of(key)?, "value")
}

/// Fails unless it is a record under this key, signed by its author.
#[pyfunction]
#[pyo3(signature = (key, public_key, salt, seq, expires, value, signature))]
pub(crate) fn check_record(
    key: &str,
    public_key: [u8; 32],
    salt: &[u8],
    seq: u64,
    expires: u64,
    value: Option<&[u8]>,
    signature: [u8; 64],
) -> PyResult<()> {
    let (salt, value) = (salt.into(), value.map(Into::into));
    let record = Record { public_key, salt, seq, expires, value, signature };
    // Whether it has expired is for the network to say: clocks may disagree.
    let is_signed = record.verify(expires.saturating_sub(1)).is_ok();
    expect(is_signed && record.key() == key_of(key)?, "record")
}

/// Fails unless it is an entry of this topic, signed by its author.
#[pyfunction]
#[pyo3(signature = (topic, public_key, slot, seq, expires, payload, signature))]
pub(crate) fn check_entry(
    topic: &str,
    public_key: [u8; 32],
    slot: u16,
    seq: u64,
    expires: u64,
    payload: Option<&[u8]>,
    signature: [u8; 64],
) -> PyResult<()> {
    let (topic, payload) = (key_of(topic)?, payload.map(Into::into));
    let entry = Entry { topic, public_key, slot, seq, expires, payload, signature };
    expect(entry.verify(expires.saturating_sub(1)).is_ok(), "entry")
}
