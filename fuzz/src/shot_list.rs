//! Everything that a user's shot list reaches in `core`, and what must hold whatever it says. Fuzzers and
//! tests share it.

use std::collections::BTreeSet;

use seedpost_core::shot::{Draft, MAX_SHOTS, ShotList};

/// Reads a list leniently and strictly; both must agree on whether it is well.
///
/// # Panics
/// An invariant is broken.
pub fn shot_list(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let strict = ShotList::parse(text);
    let Ok(draft) = Draft::parse(text) else {
        assert_eq!(strict.expect_err("a text that cannot be read is no list").len(), 1);
        return;
    };
    assert_eq!(draft.shot_faults.len(), draft.list.shots.len());
    let faults = draft.shot_faults.iter().fold(draft.faults.len(), |sum, faults| sum + faults.len());
    match strict {
        Err(told) => assert_eq!(told.len(), faults),
        Ok(list) => {
            assert_eq!(faults, 0);
            assert!((1..=MAX_SHOTS).contains(&list.shots.len()));
            let names: BTreeSet<&str> = list.shots.iter().map(|shot| shot.id.as_str()).collect();
            assert_eq!(names.len(), list.shots.len(), "two shots of one name");
            assert!(list.shots.iter().all(|shot| list.shot(&shot.id).is_some()));
        }
    }
}
