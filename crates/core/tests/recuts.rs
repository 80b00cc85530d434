//! Editors' files as they come from outside: whole, cut anywhere, and with bytes bent.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "../../../fuzz/src/recut.rs"]
#[allow(unreachable_pub, missing_docs, reason = "public for the fuzzers, which are another crate")]
mod body;

use std::path::PathBuf;

/// Recuts that OpenTimelineIO wrote, and a list of notes.
fn recuts() -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/recuts");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let files: Vec<Vec<u8>> = files.collect();
    assert_eq!(files.len(), 4);
    files
}

#[test]
fn every_recut_holds_what_the_fuzzers_hold_to() {
    for file in recuts() {
        for end in (0..=file.len()).rev().step_by(61) {
            body::recut(&file[..end]);
        }
        for place in (0..file.len()).step_by(53) {
            for byte in [0, b'9', b'"', b'<', b':', 0xFF] {
                let mut bent = file.clone();
                bent[place] = byte;
                body::recut(&bent);
            }
        }
    }
}
