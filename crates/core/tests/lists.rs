//! Shot lists as they come from outside: the good, the bad, and each cut anywhere.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "../../../fuzz/src/shot_list.rs"]
#[allow(unreachable_pub, missing_docs, reason = "public for the fuzzers, which are another crate")]
mod body;

use std::path::PathBuf;

/// Every list of the fixtures.
fn lists() -> Vec<String> {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let mut lists = vec![std::fs::read_to_string(fixtures.join("demo/shots.toml")).unwrap()];
    for entry in std::fs::read_dir(fixtures.join("shots")).unwrap() {
        lists.push(std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    assert!(lists.len() > 2);
    lists
}

#[test]
fn every_list_holds_what_the_fuzzers_hold_to() {
    for list in lists() {
        body::shot_list(list.as_bytes());
        for end in (0..list.len()).step_by(7) {
            body::shot_list(&list.as_bytes()[..end]);
        }
    }
}

#[test]
fn lists_that_nest_without_end_are_faults() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [100, 127, 128, 100_000] {
            let nested = open.repeat(depth) + "1" + &close.repeat(depth);
            body::shot_list(format!("{{\"shot\": {nested}}}").as_bytes());
        }
    }
    for depth in [60, 80, 100_000] {
        body::shot_list(format!("shot = {}{}", "[".repeat(depth), "]".repeat(depth)).as_bytes());
        body::shot_list(format!("{}a = 1\n", "a.".repeat(depth)).as_bytes());
        body::shot_list(format!("[{}a]\n", "a.".repeat(depth)).as_bytes());
    }
}
