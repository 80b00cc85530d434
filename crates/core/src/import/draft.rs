//! What a reader found, before it is known where the cut begins in it.

use std::collections::BTreeMap;

use super::{Clue, Event, ImportFault, Note, Place, Sequence, Source, shown};
use crate::time::{Frames, TimeRange, Timecode};
use crate::timeline::Timeline;

/// The most faults that are told.
const MOST: usize = 1000;
/// No time in a file may be longer, in frames: more than five years at 60 a second.
pub(super) const LONGEST: i64 = 1 << 33;

/// What a reader found.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) name: String,
    /// The first frame, as the file counts.
    pub(super) start: Option<i64>,
    /// Whether the file counts drop-frame, where its times are labels.
    pub(super) drop: Option<bool>,
    pub(super) picture: Vec<Laid>,
    pub(super) sound: Vec<Laid>,
    pub(super) notes: Vec<Note>,
    pub(super) faults: Faults,
    /// How many clips have an effect of a name.
    pub(super) effects: BTreeMap<String, usize>,
    pub(super) markers: usize,
}

/// An event whose place is counted as the file counts.
#[derive(Debug, Clone)]
pub(super) struct Laid {
    pub(super) clue: Clue,
    pub(super) place: Place,
    pub(super) source: Source,
    pub(super) record: i64,
    /// At least 1.
    pub(super) frames: i64,
    pub(super) before: i64,
    pub(super) after: i64,
}

/// What is wrong.
#[derive(Debug, Default)]
pub(super) struct Faults {
    list: Vec<ImportFault>,
    more: usize,
}

impl Faults {
    pub(super) fn push(&mut self, place: &Place, found: impl Into<String>, allowed: &str, fix: &str) {
        if self.list.len() >= MOST {
            self.more += 1;
            return;
        }
        let (allowed, fix) = (allowed.to_owned(), fix.to_owned());
        self.list.push(ImportFault { place: place.clone(), found: found.into(), allowed, fix });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn into_list(mut self) -> Vec<ImportFault> {
        if self.more > 0 {
            let place = Place::default();
            let found = format!("{} faults more", self.more);
            let (allowed, fix) = ("none".to_owned(), "mend those that are told first".to_owned());
            self.list.push(ImportFault { place, found, allowed, fix });
        }
        self.list
    }
}

impl Draft {
    pub(super) fn note(&mut self, place: &Place, what: impl Into<String>) {
        self.notes.push(Note { place: place.clone(), what: what.into() });
    }

    /// Counts a clip with an effect that is not taken over.
    pub(super) fn effect(&mut self, name: &str) {
        *self.effects.entry(shown(name)).or_default() += 1;
    }

    /// The events in their places in the cut, or all that is wrong.
    pub(super) fn finish(mut self, cut: &Timeline) -> Result<Sequence, Vec<ImportFault>> {
        self.picture.sort_by_key(|laid| laid.record);
        self.overlaps();
        if self.picture.is_empty() && self.faults.is_empty() {
            let whole = Place::default();
            self.faults.push(&whole, "no picture clip", "a clip or more on one picture track", "export the cut itself");
        }
        let shift = self.shift(cut);
        let events = self.settled(shift);
        if !self.faults.is_empty() {
            return Err(self.faults.into_list());
        }
        for (name, clips) in std::mem::take(&mut self.effects) {
            self.note(&Place::default(), format!("effect {name} on {clips} clip(s): not taken over"));
        }
        if self.markers > 0 {
            self.note(&Place::default(), format!("{} marker(s): not taken over", self.markers));
        }
        let sound = self.sound.iter().filter_map(|laid| event(laid, shift)).collect();
        let start = self.start.and_then(|start| u64::try_from(start).ok()).map(Frames);
        Ok(Sequence { name: self.name, rate: cut.start.rate(), start, events, sound, notes: self.notes })
    }

    fn overlaps(&mut self) {
        for pair in self.picture.windows(2) {
            let [first, next] = pair else { continue };
            if first.record + first.frames > next.record {
                let frames = first.record + first.frames - next.record;
                let found = format!("it begins {frames} frame(s) before {} ends", shown(first.clue.name()));
                self.faults.push(&next.place, found, "one picture at a time", "lay all pictures on one track");
            }
        }
    }

    fn settled(&mut self, shift: i64) -> Vec<Event> {
        let mut events = Vec::with_capacity(self.picture.len());
        for laid in std::mem::take(&mut self.picture) {
            match event(&laid, shift) {
                Some(event) => events.push(event),
                None => self.faults.push(
                    &laid.place,
                    "it begins before 00:00:00:00 of the cut's day",
                    "clips after the cut's start",
                    "set the sequence's start timecode to that of the cut",
                ),
            }
        }
        events
    }

    /// What to add to the file's places to have the cut's. Labels near the cut's start are meant as they stand;
    /// others are counted from the sequence's own start. Where the form does not tell that, it is the full hour before
    /// the first clip, or the first clip.
    fn shift(&mut self, cut: &Timeline) -> i64 {
        let (Some(first), Some(last)) = (self.picture.first(), self.picture.last()) else { return 0 };
        let (first, last) = (first.record, last.record + last.frames);
        let start = signed(cut.start.frames());
        let counted = self.drop.filter(|drop| *drop != cut.start.is_drop());
        // Where the counting is another one, the cut's start is the frame itself, or the one of the same digits.
        let counted = counted.filter(|_| first != start);
        let start_in_file = counted.and_then(|drop| relabelled(cut.start, drop)).map_or(start, signed);
        let hour = hour(cut.start, self.drop.unwrap_or(cut.start.is_drop()));
        let minute = hour / 60;
        let end = start_in_file + signed(cut.end()) - start;
        let close = start_in_file - minute..end + minute;
        let near = |frame: i64| frame == start_in_file || (frame > 0 && close.contains(&frame));
        let same_hour = first > start_in_file && first / hour == start_in_file / hour;
        let meant = last > start_in_file && self.start.map_or(near(first) || same_hour, near);
        let base = match self.start {
            _ if meant => start_in_file,
            Some(begin) => begin,
            // What begins late in an hour is more likely to begin with the sequence than after so long a gap.
            None if first % hour > (10 * minute).max(end - start_in_file) => first,
            None => first - first.rem_euclid(hour),
        };
        if !meant && base != start {
            let what = format!("places are counted from frame {base} of the file, and laid from the cut's start");
            self.note(&Place::default(), what);
        }
        start - base
    }
}

fn event(laid: &Laid, shift: i64) -> Option<Event> {
    let start = u64::try_from(laid.record.checked_add(shift)?).ok()?;
    let frames = u64::try_from(laid.frames).ok()?;
    let shown = |frames: i64| u64::try_from(frames).unwrap_or(0);
    Some(Event {
        clue: laid.clue.clone(),
        place: laid.place.clone(),
        source: laid.source,
        record: TimeRange { start: Frames(start), end: Frames(start.checked_add(frames)?) },
        shown_before: shown(laid.before),
        shown_after: shown(laid.after),
    })
}

fn signed(frames: Frames) -> i64 {
    i64::try_from(frames.0).unwrap_or(i64::MAX).min(LONGEST)
}

/// The frame that has the same digits in the other way of counting.
fn relabelled(start: Timecode, drop: bool) -> Option<Frames> {
    let text: String = start.to_string().replace(';', ":");
    let (head, frames) = text.rsplit_once(':')?;
    let text = format!("{head}{}{frames}", if drop { ';' } else { ':' });
    Timecode::parse(&text, start.rate()).ok().map(Timecode::frames)
}

/// How many frames an hour of labels has.
fn hour(start: Timecode, drop: bool) -> i64 {
    let label = if drop { "01:00:00;00" } else { "01:00:00:00" };
    let hour = Timecode::parse(label, start.rate()).map(|label| signed(label.frames()));
    hour.unwrap_or(i64::from(start.rate().nominal()) * 3600)
}
