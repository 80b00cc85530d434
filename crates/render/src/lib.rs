//! Money and network: the only crate that has either.
//!
//! Deliberately absent: anything about media. A clip is bytes with a checksum here.

mod cut;

mod http;

pub mod fetch;

pub mod provider;

pub mod ledger;

pub mod fleet;

pub mod runner;

pub mod slots;

pub mod store;

pub mod webhook;

pub mod wake;

pub use http::{Secret, is_this_machine, set_patience};
