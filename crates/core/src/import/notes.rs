//! Lists of markers that people wrote: an event for each, then its note, `|C:` colour, `|M:` name and `|D:` frames.
//!
//! DaVinci Resolve writes and reads such lists, and so do the report of a package and [`crate::export`]. A list is one
//! where each event has such a line, and none has what only a cut has: a clip's name, a locator, a speed. Deliberately
//! absent: which take a marker lies in; that is known to whoever knows the cut that the list is titled after.

use super::draft::Faults;
use super::edl::label;
use super::edl::line::{Line, parse};
use super::{ImportFault, Kind, Note, Place, shown, text};
use crate::export::looks_like_a_line;
use crate::time::{Frames, Timecode};
use crate::timeline::Colour;

/// The most markers of one list.
const MOST: usize = 10_000;
/// The longest note and name, in letters.
const LONGEST: usize = 4000;

/// A list of markers before its labels are read, since only its title may tell how they count.
#[derive(Debug, Default)]
pub struct List {
    title: String,
    drop: Option<bool>,
    events: Vec<Listed>,
    /// Lines that are none of such a list.
    strays: Vec<(u32, String)>,
    more: usize,
}

/// An event with its fields as they stand.
#[derive(Debug)]
struct Listed {
    line: u32,
    times: [String; 2],
    note: String,
    fields: Fields,
}

#[derive(Debug)]
struct Fields {
    colour: String,
    name: String,
    length: String,
}

/// A marker that somebody set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Where it stands in the list.
    pub place: Place,
    /// The frame since midnight, in the counting of the cut that it was set in.
    pub frame: Frames,
    /// How many frames it is long; at least 1.
    pub length: Frames,
    /// Its name.
    pub name: String,
    /// What it says.
    pub note: String,
    /// Its colour, or the nearest that a cut's markers have.
    pub colour: Colour,
}

impl List {
    /// Tells a list of markers from a cut; `None` where it is no such list.
    #[must_use]
    pub fn find(bytes: &[u8]) -> Option<List> {
        let text = text(bytes, Kind::Edl).ok()?;
        let mut list = List::default();
        let mut open: Option<Open> = None;
        // Lists of old systems end lines with a carriage return alone.
        let ending = if text.contains('\n') { '\n' } else { '\r' };
        for (number, line) in (1..).zip(text.split(ending)) {
            if let Some((note, fields)) = fields(line) {
                match open.take() {
                    Some(event) => list.push(event, note, fields),
                    None => list.stray(number, line),
                }
                continue;
            }
            match (parse(line), &mut open) {
                (Line::Event(event), None) => {
                    let times = [event.times[2], event.times[3]].map(str::to_owned);
                    open = Some(Open { line: number, times, note: Words::default() });
                }
                (Line::Event(_) | Line::Comment(..) | Line::Marker | Line::Speed(_) | Line::Freeze, _) => return None,
                (Line::Title(title), None) if list.title.is_empty() => title.clone_into(&mut list.title),
                (Line::Counting(drop), None) => list.drop = Some(drop),
                (Line::Broken, None) => list.stray(number, line),
                (_, Some(event)) => event.note.add(line),
                (Line::Title(_) | Line::Other, None) => (),
            }
        }
        (open.is_none() && !list.events.is_empty()).then_some(list)
    }

    /// What it is a list of: a package's name, where its report wrote it.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Its markers in a cut that starts at `start`, and what is not as it stands there.
    ///
    /// # Errors
    /// Everything that is wrong with it, up to a thousand faults.
    pub fn read(&self, start: Timecode) -> Result<(Vec<Mark>, Vec<Note>), Vec<ImportFault>> {
        let mut reader = Reader { start, drop: self.drop, faults: Faults::default(), notes: Vec::new() };
        let marks: Vec<Mark> = self.events.iter().filter_map(|event| reader.mark(event)).collect();
        for (line, found) in &self.strays {
            reader.fault(*line, found, "an event, then its line with |C: and |M:", "export the list of markers again");
        }
        if self.more > 0 {
            let found = format!("{} markers or lines more than {MOST}", self.more);
            let fix = "export the markers in several lists";
            reader.faults.push(&Place::default(), found, "ten thousand of each", fix);
        }
        if reader.faults.is_empty() { Ok((marks, reader.notes)) } else { Err(reader.faults.into_list()) }
    }

    fn push(&mut self, event: Open, note: &str, fields: Fields) {
        if self.events.len() >= MOST {
            self.more += 1;
            return;
        }
        let Open { line, times, note: mut before } = event;
        before.add(note);
        self.events.push(Listed { line, times, note: before.text, fields });
    }

    fn stray(&mut self, line: u32, text: &str) {
        if self.strays.len() < MOST { self.strays.push((line, shown(text.trim()))) } else { self.more += 1 }
    }
}

/// An event whose marker has not come yet.
struct Open {
    line: u32,
    times: [String; 2],
    /// Lines of a note that has several.
    note: Words,
}

/// Words with a space between, up to a letter more than may be.
#[derive(Debug, Default)]
struct Words {
    text: String,
    letters: usize,
}

impl Words {
    fn of(line: &str) -> String {
        let mut words = Words::default();
        words.add(line);
        words.text
    }

    fn add(&mut self, line: &str) {
        let words = line.split(|letter: char| letter.is_whitespace() || letter.is_control());
        for word in words.filter(|word| !word.is_empty()) {
            let space = (!self.text.is_empty()).then_some(' ');
            for letter in space.into_iter().chain(word.chars()) {
                if self.letters > LONGEST {
                    return;
                }
                self.text.push(letter);
                self.letters += 1;
            }
        }
    }
}

/// The note before the fields, and the fields.
fn fields(line: &str) -> Option<(&str, Fields)> {
    let (note, rest) = line.split_once("|C:ResolveColor").or_else(|| line.split_once("|C:"))?;
    let (colour, rest) = rest.split_once("|M:")?;
    let (name, length) = rest.rsplit_once("|D:").unwrap_or((rest, "1"));
    let cut = |text: &str| text.trim().chars().take(81).collect::<String>();
    Some((note, Fields { colour: cut(colour), name: Words::of(name), length: cut(length) }))
}

struct Reader {
    start: Timecode,
    drop: Option<bool>,
    faults: Faults,
    notes: Vec<Note>,
}

impl Reader {
    fn fault(&mut self, line: u32, found: &str, allowed: &str, fix: &str) {
        let place = Place { line: Some(line), path: String::new() };
        self.faults.push(&place, found, allowed, fix);
    }

    fn mark(&mut self, event: &Listed) -> Option<Mark> {
        let Listed { line, times, note, fields } = event;
        let frame = self.frame(*line, &times[0]);
        let end = self.frame(*line, &times[1]);
        let length = self.length(*line, &fields.length);
        let texts = [("note", note), ("name", &fields.name)];
        let long: Vec<_> = texts.into_iter().filter(|(_, text)| text.chars().count() > LONGEST).collect();
        for (what, _) in &long {
            self.fault(*line, &format!("a {what} of more than {LONGEST} letters"), "shorter ones", "shorten it");
        }
        let (frame, end, length) = (frame?, end?, length?);
        let lasts = end.0.checked_sub(frame.0);
        // At midnight labels begin anew.
        if end.0 != 0 && lasts != Some(1) && lasts != Some(length.0) {
            let found = match lasts {
                Some(frames) => format!("an event of {frames} frame(s)"),
                None => "an out point before its in point".to_owned(),
            };
            self.fault(*line, &found, "one frame, or as many as |D: says", "export the list of markers again");
            return None;
        }
        let place = Place { line: Some(*line), path: shown(&fields.name) };
        let colour = self.colour(&place, &fields.colour);
        let (note, name) = (plain(note), plain(&fields.name));
        long.is_empty().then_some(Mark { place, frame, length, name, note, colour })
    }

    fn frame(&mut self, line: u32, text: &str) -> Option<Frames> {
        let rate = self.start.rate();
        match label(text, rate, self.drop) {
            Ok(label) => Some(label.frames()),
            Err(wrong) => {
                let allowed = format!("labels at {rate} frames a second, the cut's rate");
                self.fault(line, &wrong, &allowed, "export the list from a timeline of the cut's rate");
                None
            }
        }
    }

    fn length(&mut self, line: u32, text: &str) -> Option<Frames> {
        let length = text.parse().ok().filter(|length| (1..=self.start.midnight().0).contains(length));
        if length.is_none() {
            let found = format!("a marker of {} frames", shown(text));
            self.fault(line, &found, "a frame or more, and less than a day", "set the marker's length anew");
        }
        length.map(Frames)
    }

    /// A colour of Resolve's, or the nearest; blue, as new markers are there, where nobody knows it.
    fn colour(&mut self, place: &Place, name: &str) -> Colour {
        let (colour, is_own) = match name {
            "Blue" => (Colour::Blue, true),
            "Cyan" => (Colour::Cyan, true),
            "Green" => (Colour::Green, true),
            "Yellow" => (Colour::Yellow, true),
            "Red" => (Colour::Red, true),
            "Purple" => (Colour::Purple, true),
            // What an orange one is written as.
            "Sand" => (Colour::Orange, true),
            "Pink" | "Rose" => (Colour::Red, false),
            "Fuchsia" | "Lavender" => (Colour::Purple, false),
            "Sky" => (Colour::Cyan, false),
            "Mint" => (Colour::Green, false),
            "Lemon" | "Cream" => (Colour::Yellow, false),
            "Cocoa" => (Colour::Orange, false),
            _ => (Colour::Blue, false),
        };
        if !is_own {
            let what = format!("{} becomes {}", shown(name), colour.as_str().to_ascii_lowercase());
            self.notes.push(Note { place: place.clone(), what });
        }
        colour
    }
}

/// A text as it was before it was written in such a list: its bars, and no apostrophe that kept it from being read as
/// another line.
#[must_use]
pub fn plain(text: &str) -> String {
    let words = Words::of(text);
    let bare = words.strip_prefix('\'').filter(|bare| looks_like_a_line(bare)).unwrap_or(&words);
    bare.replace('¦', "|")
}

#[cfg(test)]
mod tests;
