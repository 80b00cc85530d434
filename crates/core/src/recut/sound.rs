//! Sound that no longer lies with its picture; it is told and not taken over.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Wanted, signed};
use crate::import::{Event, Note, Place, Sequence, Takes};
use crate::timeline::{Clip, Role, Timeline};

/// One note for each sound and each distance.
pub(super) fn slid(cut: &Timeline, takes: &Takes<'_>, wanted: &[Wanted<'_>], sequence: &Sequence) -> Vec<Note> {
    // Where each take's first frame would lie, for each time that it is in the cut.
    let mut origins: HashMap<String, BTreeSet<i64>> = HashMap::new();
    for wanted in wanted {
        origins.entry(wanted.clip.take.to_string()).or_default().insert(wanted.record - wanted.from);
    }
    let mut slid: BTreeMap<(String, Option<i64>), Place> = BTreeMap::new();
    for event in &sequence.sound {
        let Some((clip, role)) = takes.find_sound(&event.clue) else { continue };
        let take = clip.take.to_string();
        let found = signed(event.record.start) - first(clip, role, event, cut);
        let nearest = origins.get(&take).and_then(|origins| nearest(origins, found));
        let name = role.map_or(take.clone(), |role| format!("{take}_{role}"));
        match nearest {
            Some(0) => (),
            other => {
                slid.entry((name, other)).or_insert_with(|| event.place.clone());
            }
        }
    }
    let note = |((name, by), place): ((String, Option<i64>), Place)| {
        let what = match by {
            Some(by) => format!("the sound {name} lies {by} frame(s) off its picture: not taken over"),
            None => format!("the sound {name} lies without its picture: not taken over"),
        };
        Note { place, what }
    };
    slid.into_iter().map(note).collect()
}

/// How far a place is from the nearest of some.
fn nearest(origins: &BTreeSet<i64>, found: i64) -> Option<i64> {
    let before = origins.range(..=found).next_back();
    let after = origins.range(found..).next();
    before.into_iter().chain(after).map(|origin| found - origin).min_by_key(|distance| distance.abs())
}

/// The sound's first frame, counted from its file's.
fn first(clip: &Clip, role: Option<Role>, event: &Event, cut: &Timeline) -> i64 {
    let stem = clip.stems.iter().find(|stem| Some(stem.role) == role);
    let own = stem.map_or(clip.picture.start, |stem| cut.stem_start(stem));
    super::from(event.source, own, clip.picture.frames, cut.start)
}
