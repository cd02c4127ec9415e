//! Whole simulations: that they repeat, that checkers catch what is planted, that random lists of
//! operations end well, and that the scenarios of the repository can be read.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod interactions;
mod planted;
mod repeat;
mod scenarios;
