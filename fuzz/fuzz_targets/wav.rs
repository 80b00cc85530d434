//! Any bytes as if they were sounds in RIFF.
#![no_main]

libfuzzer_sys::fuzz_target!(init: seedpost_fuzz::begin(), |data: &[u8]| seedpost_fuzz::bodies::wav(data));
