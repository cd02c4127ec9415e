//! The Python module `polykad._native`: nodes in the process (`node.rs`), and what signs and checks
//! values (`author.rs`, `check.rs`). The package around it is in `python/`; it talks to the nodes
//! here as to any other, over their API, so that all of it is written once.

mod author;
mod check;
mod node;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    #[pymodule_export]
    use super::author::Author;
    #[pymodule_export]
    use super::check::{blob_key, check_entry, check_record, check_value, record_key, topic_key};
    #[pymodule_export]
    use super::node::{Node, start};
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
