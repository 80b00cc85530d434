//! Any bytes as if they were clips.
#![no_main]

libfuzzer_sys::fuzz_target!(init: seedpost_fuzz::begin(), |data: &[u8]| seedpost_fuzz::bodies::strip(data));
