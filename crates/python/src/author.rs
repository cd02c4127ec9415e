//! Who signs: an Ed25519 key.

use client::http::json::unhex;
use client::poly::value::{Entry, Record, SigningKey};
use polykad::networks::mainline::{MutableItem, Salt};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

use crate::check::{key_of, wrong};

/// Who signs. Secrets stay in this process.
#[pyclass(frozen, module = "polykad")]
pub(crate) struct Author {
    key: SigningKey,
}

#[pymethods]
impl Author {
    #[new]
    #[pyo3(signature = (seed=None))]
    fn new(seed: Option<[u8; 32]>) -> PyResult<Self> {
        let seed = match seed {
            Some(seed) => seed,
            None => random()?,
        };
        Ok(Self { key: SigningKey::from_bytes(&seed) })
    }

    /// The author of a key file that `polykad mainline keygen` has made.
    #[staticmethod]
    fn from_key_file(path: &str) -> PyResult<Self> {
        let text = std::fs::read_to_string(path)?;
        let mut lines = text.lines().map(str::trim);
        let seed = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
        let seed = seed.and_then(unhex).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let seed = seed.ok_or_else(|| {
            PyValueError::new_err(format!(
                "{path} is no key file: 64 hexadecimal digits are missing"
            ))
        })?;
        Self::new(Some(seed))
    }

    #[getter]
    fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    #[getter]
    fn seed(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// Signs a version of a value of Mainline, one bencoded element.
    fn sign_item(&self, value: &[u8], salt: &[u8], seq: i64) -> PyResult<[u8; 64]> {
        let salt = Salt::new(salt).map_err(wrong)?;
        let item = MutableItem::sign(&self.key, salt, seq, value).map_err(wrong)?;
        Ok(item.signature)
    }

    /// Signs a version of a record of poly, or its deletion.
    #[pyo3(signature = (value, salt, seq, expires))]
    fn sign_record(&self, value: Option<&[u8]>, salt: &[u8], seq: u64, expires: u64) -> [u8; 64] {
        Record::sign(&self.key, salt, seq, expires, value).signature
    }

    /// Signs an entry of a topic of poly, or its removal.
    #[pyo3(signature = (topic, payload, slot, seq, expires))]
    fn sign_entry(
        &self,
        topic: &str,
        payload: Option<&[u8]>,
        slot: u16,
        seq: u64,
        expires: u64,
    ) -> PyResult<[u8; 64]> {
        let topic = key_of(topic)?;
        Ok(Entry::sign(&self.key, topic, slot, seq, expires, payload).signature)
    }

    fn __repr__(&self) -> String {
        let public_key = client::http::json::hex_bytes(self.key.verifying_key().as_bytes());
        format!("<Author {public_key}>")
    }
}

/// Bytes that nobody can guess.
pub(crate) fn random<const N: usize>() -> PyResult<[u8; N]> {
    let mut bytes = [0; N];
    let filled = getrandom::fill(&mut bytes);
    filled
        .map_err(|error| PyOSError::new_err(format!("no randomness from the system: {error}")))?;
    Ok(bytes)
}
