//! Any bytes as if they were an editor's recut.
#![no_main]

libfuzzer_sys::fuzz_target!(init: seedpost_fuzz::begin(), |data: &[u8]| seedpost_fuzz::recut::recut(data));
