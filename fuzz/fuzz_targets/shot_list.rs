//! Any text as if it were a shot list.
#![no_main]

libfuzzer_sys::fuzz_target!(init: seedpost_fuzz::begin(), |data: &[u8]| seedpost_fuzz::shot_list::shot_list(data));
