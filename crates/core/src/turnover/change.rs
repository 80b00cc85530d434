//! What each shot of a cut is, against the version that sound people have: and what of their work it invalidates.
//!
//! Picture and guide are invalid where other frames are used than before; frames that were taken off change a length
//! alone. Deliberately absent: what stands in the files. Two deliveries differ where their digests do.

mod pair;
mod words;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{ManifestClip, ManifestStem};
use crate::timeline::{Colour, Role};
use pair::{Fate, Origin, Pairs, Part};

/// What became of a shot, the weightiest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The same frames at the same place.
    Unchanged,
    /// The same frames at another place.
    Moved,
    /// Other ends.
    Trimmed,
    /// Another take, or the same one delivered anew.
    ReRendered,
    /// Not in the version before.
    New,
    /// No longer in the cut.
    Dropped,
}

/// What a change invalidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invalid {
    /// What is seen.
    Picture,
    /// The guide or mix that was worked against.
    Guide,
    /// Which stems there are, or what lane it is on.
    Stems,
    /// Where it lies in the cut.
    Place,
    /// How long it is.
    Length,
    /// What it cost: nothing for sound to do.
    Cost,
}

/// A shot of either version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShotChange {
    /// The shot.
    pub shot: String,
    /// The take in this version, or, where it was dropped, in the one before.
    pub take: String,
    /// What became of it.
    pub what: What,
    /// What that invalidates, each once.
    pub invalidates: Vec<Invalid>,
    /// The frame since midnight at which it begins in this version; of a dropped shot, in the one before.
    pub record_start: u64,
    /// How many frames it has there.
    pub frames: u64,
    /// In a sentence, with timecode-free numbers: `12 frames later`, `head 12 frames shorter`; empty where there is
    /// nothing to say.
    pub note: String,
}

impl What {
    /// All of them.
    pub const ALL: [What; 6] =
        [What::Unchanged, What::Moved, What::Trimmed, What::ReRendered, What::New, What::Dropped];

    /// The word, as in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            What::Unchanged => "unchanged",
            What::Moved => "moved",
            What::Trimmed => "trimmed",
            What::ReRendered => "re-rendered",
            What::New => "new",
            What::Dropped => "dropped",
        }
    }

    /// The colour that editors know it by.
    #[must_use]
    pub fn colour(self) -> Colour {
        match self {
            What::Unchanged => Colour::Blue,
            What::Moved => Colour::Green,
            What::Trimmed => Colour::Yellow,
            What::ReRendered => Colour::Purple,
            What::New => Colour::Orange,
            What::Dropped => Colour::Red,
        }
    }
}

impl Invalid {
    /// The word, as in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Invalid::Picture => "picture",
            Invalid::Guide => "guide",
            Invalid::Stems => "stems",
            Invalid::Place => "place",
            Invalid::Length => "length",
            Invalid::Cost => "cost",
        }
    }
}

/// Tells the clips of a version against those of the version before: in the order of the cut, what was dropped after
/// what it stood behind.
#[must_use]
pub fn changes(before: &[ManifestClip], after: &[ManifestClip]) -> Vec<ShotChange> {
    let parts = |clips| <[ManifestClip]>::iter(clips).map(Part::new).collect::<Vec<_>>();
    let (before, after) = (parts(before), parts(after));
    let pairs = Pairs::find(&before, &after);
    let told = Told { in_row: pairs.in_row(), before: &before, after: &after, pairs: &pairs };
    // What was dropped behind each clip of the new cut, and before the first.
    let mut dropped = vec![Vec::new(); after.len() + 1];
    let mut behind = 0;
    for (a, fate) in pairs.fates.iter().enumerate() {
        match fate {
            Fate::Gone => dropped[behind].push(a),
            Fate::Became(b) | Fate::Joined(b) => behind = b + 1,
        }
    }
    let (takes, shots) = (|part: &Part<'_>| part.take().to_owned(), |part: &Part<'_>| part.clip.shot.clone());
    let were: [HashSet<String>; 2] = [before.iter().map(takes).collect(), before.iter().map(shots).collect()];
    let are: HashSet<String> = after.iter().map(takes).collect();
    let gone = |a: &usize| {
        let part = &before[*a];
        let still = are.contains(part.take());
        let note = if still { "one use less of a take that is still in the cut" } else { "no longer in the cut" };
        change(part, What::Dropped, all(part.clip), note.to_owned())
    };
    let mut changes: Vec<ShotChange> = dropped[0].iter().map(gone).collect();
    for (b, part) in after.iter().enumerate() {
        changes.push(match pairs.origins[b] {
            Origin::None => change(part, What::New, all(part.clip), new(part, &were).to_owned()),
            Origin::Clip(a) | Origin::Piece(a) => told.kept(a, b),
        });
        changes.extend(dropped[b + 1].iter().map(gone));
    }
    changes
}

fn change(part: &Part<'_>, what: What, invalidates: Vec<Invalid>, note: String) -> ShotChange {
    let ManifestClip { shot, take, record_start, frames, .. } = part.clip;
    let (shot, take) = (shot.clone(), take.clone());
    ShotChange { shot, take, what, invalidates, record_start: *record_start, frames: *frames, note }
}

fn new(part: &Part<'_>, [takes, shots]: &[HashSet<String>; 2]) -> &'static str {
    if takes.contains(part.take()) {
        "one use more of a take that was in the cut"
    } else if shots.contains(&part.clip.shot) {
        "one clip more of a shot that was in the cut"
    } else {
        "was not in the cut"
    }
}

/// All that a clip has, which comes or goes with it.
fn all(clip: &ManifestClip) -> Vec<Invalid> {
    let has = [
        (Invalid::Picture, true),
        (Invalid::Guide, has_guide(clip)),
        (Invalid::Stems, !clip.stems.is_empty()),
        (Invalid::Place, true),
        (Invalid::Length, true),
    ];
    has.into_iter().filter_map(|(invalid, has)| has.then_some(invalid)).collect()
}

fn has_guide(clip: &ManifestClip) -> bool {
    clip.stems.iter().any(|stem| Role::parse(&stem.role).is_some_and(Role::is_whole))
}

/// A clip of the version before as the new one sees it: with what was joined to it, or the piece of it.
struct Was {
    from: i128,
    end: i128,
    record: i128,
    /// The place of its first clip in that version.
    index: usize,
}

/// What is told of clips that are in both versions.
struct Told<'a> {
    before: &'a [Part<'a>],
    after: &'a [Part<'a>],
    pairs: &'a Pairs,
    in_row: Vec<bool>,
}

impl Told<'_> {
    fn kept(&self, a: usize, b: usize) -> ShotChange {
        let (was, old, part) = (self.was(a, b), &self.before[a], &self.after[b]);
        let (head, tail) = (part.from - was.from, was.end - part.end());
        let anew = words::rendered(old.clip, part.clip);
        // Frames that are still there are what sound was laid against: they count, not where the clip begins.
        let content = if anew.is_some() { 0 } else { head };
        let by = part.record - was.record - content;
        let is_slip = anew.is_none() && head != 0 && head == -tail;
        let place = (by != 0).then(|| if is_slip { None } else { Some(self.place(&was, b, by, content)) });
        let stems = words::stems(old.clip, part.clip);
        let cost = words::cost(&old.clip.provenance.cost, &part.clip.provenance.cost);
        let other_frames = anew.is_some() || head < 0 || tail < 0;
        let found = [
            (Invalid::Picture, other_frames),
            (Invalid::Guide, other_frames && (has_guide(old.clip) || has_guide(part.clip))),
            (Invalid::Stems, stems.is_some() || (anew.is_some() && !part.clip.stems.is_empty())),
            (Invalid::Place, place.is_some()),
            (Invalid::Length, part.frames != was.end - was.from),
            (Invalid::Cost, cost.is_some()),
        ];
        let invalidates = found.into_iter().filter_map(|(invalid, is_so)| is_so.then_some(invalid)).collect();
        let trimmed = (head, tail) != (0, 0);
        let what = match (&anew, trimmed, &place) {
            (Some(_), _, _) => What::ReRendered,
            (None, true, _) => What::Trimmed,
            (None, false, Some(_)) => What::Moved,
            (None, false, None) => What::Unchanged,
        };
        let notes = [anew, trimmed.then(|| words::ends(head, tail)), self.parts(a, b), place.flatten(), stems, cost];
        change(part, what, invalidates, notes.into_iter().flatten().collect::<Vec<_>>().join("; "))
    }

    fn was(&self, a: usize, b: usize) -> Was {
        let old = &self.before[a];
        let joined = self.pairs.joined.get(&b).into_iter().flatten();
        let whole = Was { from: old.from, end: old.end(), record: old.record, index: a };
        joined.fold(whole, |whole, other| {
            let part = &self.before[*other];
            let first = part.from < whole.from;
            Was {
                from: whole.from.min(part.from),
                end: whole.end.max(part.end()),
                record: if first { part.record } else { whole.record },
                index: if first { *other } else { whole.index },
            }
        })
    }

    /// Whether it is one of several that one clip was, or one of what several were.
    fn parts(&self, a: usize, b: usize) -> Option<String> {
        let pieces = self.pairs.pieces.get(&a).map(|pieces| format!("one of {} pieces of a clip", pieces + 1));
        let joined = self.pairs.joined.get(&b).map(|joined| format!("{} clips joined", joined.len() + 1));
        pieces.or(joined)
    }

    /// How far its frames moved, and why: its order, its own head, what came before it, or the gap before it.
    fn place(&self, was: &Was, b: usize, frames: i128, head: i128) -> String {
        let by = words::later(frames);
        if let Origin::Piece(_) = self.pairs.origins[b] {
            return by;
        }
        if !self.in_row[b] {
            let numbers = (was.index != b).then(|| format!(": clip {} instead of clip {}", b + 1, was.index + 1));
            return format!("another order{}, {by}", numbers.unwrap_or_default());
        }
        match gap(self.after, b) - gap(self.before, was.index) {
            _ if head != 0 && frames == -head => format!("{by}, by its own head"),
            _ if (was.index, b) == (0, 0) => by,
            0 => format!("{by}, shifted by what changed before it"),
            longer => format!("{by}, the gap before it {}", words::longer(longer)),
        }
    }
}

/// How many frames are empty before a clip; before the first one none are known.
fn gap(parts: &[Part<'_>], index: usize) -> i128 {
    let before = index.checked_sub(1).map(|before| &parts[before]);
    before.map_or(0, |before| parts[index].record - (before.record + before.frames))
}

#[cfg(test)]
mod tests;
