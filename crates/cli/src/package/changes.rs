//! The change list of a package: as a table, and as markers.
//!
//! The table is RFC 4180 in UTF-8. A field that a spreadsheet would compute gets an apostrophe before it, as in the
//! table of cues. Deliberately absent: a table of what is the first version, which has nothing before it.

use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::path::Path;

use seedpost_core::export::{self, Format, Links, Loss, Of};
use seedpost_core::time::Frames;
use seedpost_core::timeline::{Marker, Timeline};
use seedpost_core::turnover::{Invalid, ShotChange, What};

use crate::output::{Failure, note};
use crate::project::{make_folder, write_whole};

const HEADER: [&str; 8] = ["shot", "take", "change", "invalidates", "record in", "record out", "frames", "note"];

/// How the titles of its lists of markers end.
pub(crate) const CHANGES: &str = " changes";

/// What was written into `changes/`.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) paths: Vec<String>,
    /// What the lists of markers could not carry of the changes.
    pub(crate) losses: Vec<Loss>,
}

/// Writes it into `changes/`. There is nothing where there is nothing to tell.
pub(crate) fn write(draft: &Path, name: &str, timeline: &Timeline, changes: &[ShotChange]) -> Result<Written, Failure> {
    let mut written = Written::default();
    if changes.is_empty() {
        return Ok(written);
    }
    make_folder(&draft.join("changes"))?;
    let mut file = |end: &str, content: &[u8]| {
        let path = format!("changes/{name}_changes{end}");
        let whole = draft.join(&path);
        let done = write_whole(&whole, |out| out.write_all(content));
        done.map_err(|error: std::io::Error| Failure::disk("write", &whole, &error))?;
        written.paths.push(path);
        Ok(())
    };
    file(".csv", table(timeline, changes).as_bytes())?;
    let marked = Timeline {
        title: format!("{name}{CHANGES}"),
        markers: markers(timeline, changes),
        cues: Vec::new(),
        ..timeline.clone()
    };
    for (end, format) in [("_resolve.edl", Format::ResolveMarkers), ("_avid.txt", Format::AvidMarkers)] {
        match export::write(&marked, format, Links("../")) {
            Ok(export) => {
                file(end, &export.content)?;
                written.losses.extend(export.losses.into_iter().filter(|loss| loss.of == Of::Marker));
            }
            Err(refusal) => note(format_args!("warning: no change list in the package: {refusal}")),
        }
    }
    Ok(written)
}

fn table(timeline: &Timeline, changes: &[ShotChange]) -> String {
    let row = |change: &ShotChange| {
        let ShotChange { shot, take, what, record_start, frames, note, .. } = change;
        let end = record_start.saturating_add(*frames);
        let [from, to] = [*record_start, end].map(|frame| timeline.label(Frames(frame)));
        [
            shot.clone(),
            take.clone(),
            what.as_str().to_owned(),
            invalid(change),
            from,
            to,
            frames.to_string(),
            note.clone(),
        ]
        .map(|text| field(&text))
        .join(",")
    };
    let rows = changes.iter().map(row);
    std::iter::once(HEADER.join(",")).chain(rows).map(|row| row + "\r\n").collect()
}

fn invalid(change: &ShotChange) -> String {
    change.invalidates.iter().map(|invalid| Invalid::as_str(*invalid)).collect::<Vec<_>>().join(" ")
}

/// A field that no spreadsheet takes for a formula.
fn field(text: &str) -> String {
    let computes = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if computes { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// A marker of each change, as long as its clip. What was dropped has one frame, at its old place or the next one that
/// no other change has, since editors keep one marker a frame.
fn markers(timeline: &Timeline, changes: &[ShotChange]) -> Vec<Marker> {
    let mut free = Free::new(timeline, changes);
    let marker = |change: &ShotChange| {
        let ShotChange { take, what, record_start, frames, note, .. } = change;
        let gone = *what == What::Dropped;
        let was = gone.then(|| format!("was at {}, {frames} frame(s)", timeline.label(Frames(*record_start))));
        let invalid = (!gone && !change.invalidates.is_empty()).then(|| format!("invalidates {}", invalid(change)));
        let words = [invalid, was, Some(note.clone()).filter(|note| !note.is_empty())];
        Marker {
            frame: if gone { free.take(*record_start) } else { Frames(*record_start) },
            length: if gone { Frames(1) } else { Frames((*frames).max(1)) },
            name: format!("{} {take}", what.as_str().to_uppercase()),
            note: words.into_iter().flatten().collect::<Vec<_>>().join("; "),
            colour: what.colour(),
        }
    };
    let mut markers: Vec<Marker> = changes.iter().map(marker).collect();
    markers.sort_by_key(|marker| marker.frame);
    markers
}

/// The frames of the cut that have no marker yet.
struct Free {
    first: u64,
    last: u64,
    taken: HashSet<u64>,
    /// How far was searched from a frame, up and down: the next search goes on there.
    searched: HashMap<u64, (u64, u64)>,
}

impl Free {
    fn new(timeline: &Timeline, changes: &[ShotChange]) -> Free {
        let there = changes.iter().filter(|change| change.what != What::Dropped);
        Free {
            first: timeline.start.frames().0,
            last: timeline.end().0.saturating_sub(1).max(timeline.start.frames().0),
            taken: there.map(|change| change.record_start).collect(),
            searched: HashMap::new(),
        }
    }

    /// The wanted frame, where it is in the cut and free, else the next one that is, else the last one before it.
    fn take(&mut self, wanted: u64) -> Frames {
        let wanted = wanted.clamp(self.first, self.last);
        let (up, down) = self.searched.get(&wanted).copied().unwrap_or((wanted, wanted));
        let free = |frame: &u64| !self.taken.contains(frame);
        let after = (up..=self.last).find(free);
        let before = if after.is_none() { (self.first..down).rev().find(free) } else { Some(down) };
        let searched = (after.unwrap_or(self.last.saturating_add(1)), before.unwrap_or(self.first));
        self.searched.insert(wanted, searched);
        let frame = after.or(before).unwrap_or(wanted);
        self.taken.insert(frame);
        Frames(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_quoted_and_computes_nothing() {
        let cases = [
            ("a", "a"),
            ("a, b", "\"a, b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=1+1", "'=1+1"),
            ("-x,y", "\"'-x,y\""),
        ];
        for (text, expected) in cases {
            assert_eq!(field(text), expected);
        }
    }

    #[test]
    fn each_shot_that_was_dropped_has_a_frame_of_its_own_while_there_are_any() {
        let mut free = Free { first: 10, last: 14, taken: HashSet::from([10, 13]), searched: HashMap::new() };
        let frames = [10, 10, 99, 10, 10].map(|wanted| free.take(wanted).0);
        assert_eq!(frames, [11, 12, 14, 10, 10]);
        let mut free = Free { first: 10, last: 12, taken: HashSet::from([12]), searched: HashMap::new() };
        assert_eq!([99, 99, 99].map(|wanted| free.take(wanted).0), [11, 10, 12]);
    }
}
