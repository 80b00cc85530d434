//! Any bytes as if they were still pictures.
#![no_main]

libfuzzer_sys::fuzz_target!(init: seedpost_fuzz::begin(), |data: &[u8]| seedpost_fuzz::bodies::still(data));
