//! Where each stem of a cut lies on sound tracks of one channel.
//!
//! Deliberately absent: what is written there.

use std::collections::BTreeMap;

use crate::timeline::{Role, Stem, Timeline};

/// The stems of a role, in their order.
pub(super) struct Sound<'a> {
    pub(super) role: Role,
    /// The place of its first track among all sound tracks, from 1.
    pub(super) track: usize,
    pub(super) places: Vec<Place<'a>>,
    /// How many clips there are on its one or two tracks.
    lengths: [usize; 2],
}

/// A stem at a place.
pub(super) struct Place<'a> {
    /// The number of its clip, from 0.
    pub(super) clip: usize,
    pub(super) stem: &'a Stem,
    /// Where it stands among the clips of its one or two tracks, from 1.
    pub(super) index: [usize; 2],
}

impl Place<'_> {
    /// How many tracks it takes.
    pub(super) fn width(&self) -> usize {
        if self.stem.channels > 1 { 2 } else { 1 }
    }
}

impl Sound<'_> {
    /// How many tracks there are.
    pub(super) fn width(&self) -> usize {
        if self.lengths[1] > 0 { 2 } else { 1 }
    }

    pub(super) fn id(&self, place: &Place<'_>, side: usize) -> String {
        format!("a{}-{}", self.track + side, place.clip + 1)
    }

    pub(super) fn track_name(&self, side: usize) -> String {
        let name = self.role.track_name();
        match (self.width(), side) {
            (1, _) => format!("{} {name}", self.role),
            (_, 0) => format!("{} {name} L", self.role),
            _ => format!("{} {name} R", self.role),
        }
    }
}

/// The sound tracks of a cut. Of several stems of a clip for one track, the first is taken.
pub(super) fn of(timeline: &Timeline) -> Vec<Sound<'_>> {
    let mut sound: BTreeMap<Role, Sound<'_>> = BTreeMap::new();
    for (clip, stems) in timeline.clips.iter().map(|clip| &clip.stems).enumerate() {
        for stem in stems {
            let role = stem.role.track();
            let empty = || Sound { role, track: 0, places: Vec::new(), lengths: [0; 2] };
            let sound = sound.entry(role).or_insert_with(empty);
            if sound.places.last().is_none_or(|last| last.clip != clip) {
                sound.lengths[0] += 1;
                sound.lengths[1] += usize::from(stem.channels > 1);
                sound.places.push(Place { clip, stem, index: sound.lengths });
            }
        }
    }
    let mut free = 1;
    let mut sound: Vec<Sound<'_>> = sound.into_values().collect();
    for sound in &mut sound {
        sound.track = free;
        free += sound.width();
    }
    sound
}
