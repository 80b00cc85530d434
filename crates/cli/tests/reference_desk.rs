//! Supplied assets before money is spent: checked, cut and refused as the rules say, by facts from outside.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

#[path = "reference_desk/assets.rs"]
mod assets;
#[path = "reference_desk/faults.rs"]
mod faults;
#[path = "reference_desk/kept.rs"]
mod kept;
#[path = "reference_desk/limits.rs"]
mod limits;
#[path = "reference_desk/odd.rs"]
mod odd;
#[path = "reference_desk/plans.rs"]
mod plans;
#[path = "reference_desk/sounds.rs"]
mod sounds;
#[path = "reference_desk/wave.rs"]
mod wave;
