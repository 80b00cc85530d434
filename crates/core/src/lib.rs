//! The rules of seedpost: values in, values out.
//!
//! Nothing here opens a file, asks the clock, reads the environment or talks to a network; the
//! `clippy.toml` beside this crate holds it to that. Modules stand in the order data passes.

pub mod time;

pub mod fault;

pub mod rule;

pub mod shot;

pub mod tag;

mod document;

pub mod catalog;

pub mod reference;

pub mod trim;

pub mod change;

pub mod cost;

pub mod job;

pub mod audit;

pub mod media;

pub mod spec;

pub mod content;

pub mod sync;

pub mod lane;

pub mod cue;

pub mod timeline;

pub mod export;

pub mod import;

pub mod recut;

pub mod turnover;

pub mod layback;

pub mod mhl;

pub mod report;
