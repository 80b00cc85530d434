//! What an editor's file says of a recut: OpenTimelineIO, edit decision lists or Final Cut Pro 7 XML, text in and
//! one picture track out, or everything that is wrong with it; and lists of [`notes`], which are no cut.
//!
//! Deliberately absent: laying it beside the present cut, which is [`crate::recut`]; retimes, nested sequences and a
//! second picture track, which a cut cannot hold and which are refused; and guesses about shortened names.

mod clue;
mod draft;
mod edl;
pub mod notes;
mod otio;
mod xmeml;

use std::borrow::Cow;

use serde::Serialize;

pub use clue::{Clue, Takes};

use crate::time::{FrameRate, Frames, TimeRange};
use crate::timeline::Timeline;

/// A form that is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// OpenTimelineIO JSON.
    Otio,
    /// An edit decision list, with reels of 8 or of 32 characters.
    Edl,
    /// Final Cut Pro 7 XML.
    Xmeml,
}

impl Kind {
    /// The forms by the endings of their files' names.
    pub const ALLOWED: &str = ".otio, .edl or .xml";

    /// Tells the form by a file's name; case does not matter.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Kind> {
        let (_, ending) = name.rsplit_once('.')?;
        match ending.to_ascii_lowercase().as_str() {
            "otio" => Some(Kind::Otio),
            "edl" => Some(Kind::Edl),
            "xml" | "xmeml" => Some(Kind::Xmeml),
            _ => None,
        }
    }
}

/// What an editor's file says, before it is laid beside the cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// Its title.
    pub name: String,
    /// Its rate, which is the cut's.
    pub rate: FrameRate,
    /// The frame since midnight at which it begins, where the form tells it.
    pub start: Option<Frames>,
    /// The picture track in the order of its places, without overlaps; black and disabled clips are not in it.
    pub events: Vec<Event>,
    /// The sound tracks, which only tell whether sound has slid against its picture.
    pub sound: Vec<Event>,
    /// What is not taken over.
    pub notes: Vec<Note>,
}

/// A stretch of a file at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What may tell the take.
    pub clue: Clue,
    /// Where it stands in the editor's file.
    pub place: Place,
    /// Its first frame, in its file.
    pub source: Source,
    /// Where it lies in the cut, counted from midnight in the cut's counting.
    pub record: TimeRange<Frames>,
    /// How many frames before its first one a transition shows.
    pub shown_before: u64,
    /// How many frames after its last one a transition shows.
    pub shown_after: u64,
}

impl Event {
    /// How many frames it lasts.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.record.end.0.saturating_sub(self.record.start.0)
    }
}

/// A frame of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Counted from the file's first frame; negative where more is asked for than there is.
    Media(i64),
    /// Counted from midnight in the timecode that somebody's export gave the file.
    Timecode(i64),
}

/// Where in an editor's file something stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Its line, from 1, where the form has lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Names joined by ` · `.
    pub path: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) if self.path.is_empty() => write!(f, "line {line}"),
            Some(line) => write!(f, "line {line}: {}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

/// Something that is not taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Where it stands; empty where it is of the whole file.
    pub place: Place,
    /// What it is.
    pub what: String,
}

/// Why an editor's file cannot be taken: where, what was found, what is allowed, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportFault {
    /// Where.
    pub place: Place,
    /// What stands there.
    pub found: String,
    /// What may stand there.
    pub allowed: String,
    /// What to do.
    pub fix: String,
}

impl std::fmt::Display for ImportFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.place)?;
        writeln!(f, "    found    {}", self.found)?;
        writeln!(f, "    allowed  {}", self.allowed)?;
        write!(f, "    fix      {}", self.fix)
    }
}

/// Reads an editor's file that is meant for a cut, whose rate and start it has to share.
///
/// # Errors
/// Everything that is wrong with it, up to a thousand faults.
pub fn read(bytes: &[u8], kind: Kind, cut: &Timeline) -> Result<Sequence, Vec<ImportFault>> {
    let text = text(bytes, kind).map_err(|fault| vec![fault])?;
    let draft = match kind {
        Kind::Otio => otio::read(&text, cut),
        Kind::Edl => edl::read(&text, cut),
        Kind::Xmeml => xmeml::read(&text, cut),
    };
    draft.finish(cut)
}

/// The text of a file: UTF-8 with or without a mark, or one byte a letter where a form is that old.
fn text(bytes: &[u8], kind: Kind) -> Result<Cow<'_, str>, ImportFault> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let fault = |line: Option<u32>, found: &str| ImportFault {
        place: Place { line, path: String::new() },
        found: found.to_owned(),
        allowed: "text in UTF-8".to_owned(),
        fix: "export it again, or save it as UTF-8".to_owned(),
    };
    if bytes.starts_with(b"\xFE\xFF") || bytes.starts_with(b"\xFF\xFE") {
        return Err(fault(None, "text in UTF-16"));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(wrong) if kind == Kind::Otio => {
            let before = bytes.get(..wrong.valid_up_to()).unwrap_or_default();
            let lines = before.iter().filter(|byte| **byte == b'\n').count();
            Err(fault(u32::try_from(lines + 1).ok(), "bytes that are not UTF-8"))
        }
        Err(_) => Ok(Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect())),
    }
}

/// A text of somebody else's for a message: its first 80 characters without control characters.
pub(crate) fn shown(text: &str) -> String {
    let mut kept: String = text.chars().filter(|c| !c.is_control()).take(81).collect();
    if let Some((end, _)) = kept.char_indices().nth(80) {
        kept.truncate(end);
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests;
