//! What an editor changed: a sequence laid beside the present cut, as edits of its takes and the list of what is
//! other than before.
//!
//! A trim that moves what follows is one change; order is that of the longest row of clips that kept theirs.
//! Deliberately absent: renders. What a take lacks is told with the length that a new one would have to have.

mod handle;
mod pair;
mod sound;

use serde::{Serialize, Serializer};

pub use handle::Handle;
pub(crate) use pair::longest;

use crate::import::{Event, ImportFault, Note, Sequence, Source, Takes};
use crate::shot::TakeId;
use crate::time::{FrameRate, Frames, TimeRange, Timecode};
use crate::timeline::{Clip, Edit, Timeline};

/// A sequence beside the cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recut {
    /// The new cut, for [`Timeline::recut`] of the whole takes.
    pub edits: Vec<Edit>,
    /// What is other than before: what is gone first, then in the new order.
    pub changes: Vec<Change>,
    /// What each clip has beyond its ends, where more is wanted than there is, or where handles are asked for.
    pub handles: Vec<Handle>,
    /// What is not taken over.
    pub notes: Vec<Note>,
    /// What cannot be cut; without edits and changes, then.
    pub faults: Vec<ImportFault>,
}

/// Something that is other than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Another place among the clips; those that it passed are not told.
    Moved {
        /// The take.
        #[serde(serialize_with = "by_name")]
        take: TakeId,
        /// Its number among the clips before, from 1.
        from: usize,
        /// Its number among the clips after, from 1.
        to: usize,
    },
    /// Other ends.
    Trimmed {
        /// The take.
        #[serde(serialize_with = "by_name")]
        take: TakeId,
        /// How many frames its beginning lost; negative where it gained some.
        head: i64,
        /// How many frames its end lost; negative where it gained some.
        tail: i64,
    },
    /// No longer in the cut, or once less often.
    Dropped {
        /// The take.
        #[serde(serialize_with = "by_name")]
        take: TakeId,
        /// Where it began.
        record_start: Frames,
    },
    /// In the cut once more.
    Repeated {
        /// The take.
        #[serde(serialize_with = "by_name")]
        take: TakeId,
        /// Where it begins.
        record_start: Frames,
    },
    /// A take that was not in the cut.
    Added {
        /// The take.
        #[serde(serialize_with = "by_name")]
        take: TakeId,
        /// Where it begins.
        record_start: Frames,
    },
    /// One clip became several, in their order.
    Split {
        /// The take.
        #[serde(serialize_with = "by_name")]
        take: TakeId,
        /// How many there are now.
        parts: usize,
        /// Frames between them that are gone.
        lost: Frames,
    },
    /// Several clips, each the next one's beginning, became fewer.
    Joined {
        /// The take.
        #[serde(serialize_with = "by_name")]
        take: TakeId,
        /// How many there are now.
        parts: usize,
    },
    /// Another distance to the clip before, or to the cut's start.
    Gap {
        /// The take after it.
        #[serde(serialize_with = "by_name")]
        before: TakeId,
        /// How long it is.
        frames: Frames,
        /// How long it was.
        was: Frames,
    },
    /// A clip that is none of the takes; its place stays empty.
    Foreign {
        /// What it is called.
        name: String,
        /// Where it lies.
        record: TimeRange<Frames>,
    },
}

fn by_name<T: std::fmt::Display, S: Serializer>(name: &T, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(name)
}

/// A stretch of a take at a place, as it is wanted: its first frame may lie before the take's.
#[derive(Debug, Clone)]
struct Wanted<'a> {
    clip: &'a Clip,
    event: &'a Event,
    from: i64,
    frames: i64,
    record: i64,
}

impl Wanted<'_> {
    fn record_end(&self) -> i64 {
        self.record + self.frames
    }
}

/// Lays a sequence beside the present cut. `base` has all takes that there are, whole; `handles` is how many frames
/// each clip should have beyond its ends.
#[must_use]
pub fn compare(cut: &Timeline, base: &Timeline, sequence: &Sequence, handles: Frames) -> Recut {
    let takes = Takes::of(&[base, cut]);
    let mut recut = Recut {
        edits: Vec::new(),
        changes: Vec::new(),
        handles: Vec::new(),
        notes: sequence.notes.clone(),
        faults: Vec::new(),
    };
    let mut wanted = Vec::with_capacity(sequence.events.len());
    let mut foreign = Vec::new();
    for event in &sequence.events {
        if let Some((one, other)) = takes.contradiction(&event.clue) {
            recut.faults.push(contradicts(event, &one.take, &other.take));
        }
        match takes.find(&event.clue) {
            Some(clip) => wanted.push(wanted_of(clip, event, cut)),
            None => match takes.of_the_shot(&event.clue) {
                Some((clip, other)) => {
                    recut
                        .notes
                        .push(Note { place: event.place.clone(), what: format!("{} stands for {other}", clip.take) });
                    wanted.push(wanted_of(clip, event, cut));
                }
                None => foreign.push(event),
            },
        }
    }
    let start = signed(cut.start.frames());
    recut.faults.extend(wanted.iter().filter(|wanted| wanted.record < start).map(|wanted| early(wanted, cut)));
    if !recut.faults.is_empty() {
        return recut;
    }
    recut.changes = pair::changes(cut, &wanted, &foreign);
    for wanted in &wanted {
        recut.edits.extend(edit(wanted));
        recut.handles.extend(handle::of(wanted, handles, cut.start.rate()));
        recut.notes.extend(handle::transition(wanted));
    }
    recut.notes.extend(sound::slid(cut, &takes, &wanted, sequence));
    recut
}

fn contradicts(event: &Event, one: &TakeId, other: &TakeId) -> ImportFault {
    ImportFault {
        place: event.place.clone(),
        found: format!("a clip whose name and file say {one} and {other}"),
        allowed: "one take a clip".to_owned(),
        fix: "give the clip the name of its file, or link it to its own file again".to_owned(),
    }
}

fn early(wanted: &Wanted<'_>, cut: &Timeline) -> ImportFault {
    ImportFault {
        place: wanted.event.place.clone(),
        found: format!("{} begins before the cut's start", wanted.clip.take),
        allowed: format!("clips from {} on", cut.start),
        fix: "set the sequence's start timecode to that of the cut, or move the clip".to_owned(),
    }
}

fn wanted_of<'a>(clip: &'a Clip, event: &'a Event, cut: &Timeline) -> Wanted<'a> {
    let from = from(event.source, clip.picture.start, clip.picture.frames, cut.start);
    Wanted { clip, event, from, frames: signed(Frames(event.frames())), record: signed(event.record.start) }
}

/// The first frame, counted from the file's. Some writers put a label where a form counts from the file's first frame;
/// nothing here is an hour long.
fn from(source: Source, own: Frames, length: Frames, start: Timecode) -> i64 {
    let hour = i64::from(start.rate().nominal()) * 3500;
    match source {
        Source::Media(frame) if frame < hour || frame < signed(length) => frame,
        Source::Media(frame) | Source::Timecode(frame) => from_timecode(frame, own, length, start),
    }
}

/// Counts a label's frame from the file's first: its own timecode may be that of the present files, begin at
/// 00:00:00:00, or at a full minute from 01:00:00:00 on, whatever export the editor had.
fn from_timecode(frame: i64, own: Frames, length: Frames, start: Timecode) -> i64 {
    let (own, length) = (signed(own), signed(length));
    let minute = i64::from(start.rate().nominal()) * 60;
    // Half a minute leaves the next file's minute alone.
    let near = |first: i64| (first - minute / 2..first + length + minute / 2).contains(&frame);
    if own > 0 && near(own) {
        return frame - own;
    }
    if frame < length + minute / 2 || frame < minute * 58 {
        return frame;
    }
    minute_before(frame, start).map_or(frame, |first| frame - first)
}

/// The first frame of the minute of labels that a frame is in.
fn minute_before(frame: i64, start: Timecode) -> Option<i64> {
    let label = Timecode::from_frames(Frames(u64::try_from(frame).ok()?), start.rate(), start.is_drop())?.to_string();
    let (head, separator) = (label.get(..6)?, label.get(8..9)?);
    // Drop-frame counting has no 00 in most minutes.
    let first = (0..=4).find_map(|first| Timecode::parse(&format!("{head}00{separator}{first:02}"), start.rate()).ok());
    first.map(|first| signed(first.frames()))
}

/// What there is of what is wanted; nothing shifts for what there is not.
fn edit(wanted: &Wanted<'_>) -> Option<Edit> {
    let there = signed(wanted.clip.picture.frames);
    let first = wanted.from.max(0);
    let last = wanted.from.saturating_add(wanted.frames).min(there);
    let frames = u64::try_from(last - first).ok().filter(|frames| *frames > 0)?;
    let record_start = u64::try_from(wanted.record + first - wanted.from).ok()?;
    Some(Edit {
        take: wanted.clip.take.clone(),
        from: Frames(u64::try_from(first).ok()?),
        frames: Frames(frames),
        record_start: Frames(record_start),
    })
}

fn signed(frames: Frames) -> i64 {
    // Far below the end, so that sums of a few have room.
    i64::try_from(frames.0).unwrap_or(i64::MAX).min(1 << 60)
}

fn whole_seconds(frames: i64, rate: FrameRate) -> Option<u64> {
    let frames = u128::try_from(frames).ok()?;
    crate::time::Rounding::Up.divide(frames * u128::from(rate.den()), u128::from(rate.num()))
}

impl Change {
    /// The take that it is of; none for a clip that is no take.
    #[must_use]
    pub fn take(&self) -> Option<&TakeId> {
        match self {
            Change::Moved { take, .. }
            | Change::Trimmed { take, .. }
            | Change::Dropped { take, .. }
            | Change::Repeated { take, .. }
            | Change::Added { take, .. }
            | Change::Split { take, .. }
            | Change::Joined { take, .. }
            | Change::Gap { before: take, .. } => Some(take),
            Change::Foreign { .. } => None,
        }
    }

    /// The change in words, with labels of the cut.
    #[must_use]
    pub fn words(&self, cut: &Timeline) -> String {
        match self {
            Change::Moved { take, from, to } => format!("{take} moved from place {from} to place {to}"),
            Change::Trimmed { take, head, tail } => format!("{take} trimmed: {}", trims(*head, *tail)),
            Change::Dropped { take, record_start } => format!("{take} dropped from {}", cut.label(*record_start)),
            Change::Repeated { take, record_start } => format!("{take} once more at {}", cut.label(*record_start)),
            Change::Added { take, record_start } => format!("{take} added at {}", cut.label(*record_start)),
            Change::Split { take, parts, lost: Frames(0) } => format!("{take} split into {parts}"),
            Change::Split { take, parts, lost } => format!("{take} split into {parts}, {} frame(s) lost", lost.0),
            Change::Joined { take, parts } => format!("{take} joined, in {parts} part(s) now"),
            Change::Gap { before, frames, was } => {
                format!("a gap of {} frame(s) before {before}, where {} had been", frames.0, was.0)
            }
            Change::Foreign { name, record } => {
                format!("{name} at {} is none of the takes; its place stays empty", cut.label(record.start))
            }
        }
    }
}

fn trims(head: i64, tail: i64) -> String {
    if head == -tail {
        return format!("slipped by {head} frame(s)");
    }
    let side = |name: &str, frames: i64| match frames {
        0 => None,
        frames if frames > 0 => Some(format!("{name} {frames} frame(s) shorter")),
        frames => Some(format!("{name} {} frame(s) longer", -frames)),
    };
    [side("head", head), side("tail", tail)].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
