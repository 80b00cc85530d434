//! The supplied recording laid over the render: which part of it goes where, so that it fits the lips.
//!
//! - No cut lies inside a phrase. Each takes with it up to half of the pause on either side, at most [`MOST_PAUSE`],
//!   and fades in that pause.
//! - Each recording is a track of its own: phrases of one follow each other as in the recording and never overlap;
//!   those of another may sound at the same time.
//! - What cannot be laid whole is left out, and the map says why.
//!
//! Deliberately absent: any change of pitch, and any placing of a phrase that was neither heard nor free to lie where
//! it was asked for.

mod place;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{PhraseSync, apart};
use crate::time::{Samples, TimeRange};

pub use place::plan;

/// The most of a pause that a phrase takes with it on one side: 100 ms.
pub const MOST_PAUSE: Samples = Samples(4800);
/// How long a fade is, where the pause has the room: 5 ms.
pub const FADE: Samples = Samples(240);
/// How much earlier than it fits best a phrase that was heard is laid, to end with the clip: at most 100 ms.
pub const MOST_PULL: Samples = Samples(4800);
/// How much later than it fits best a phrase that was heard is laid, behind the one before it: at most 0.5 s.
pub const MOST_PUSH: Samples = Samples(24_000);
/// How much longer or shorter a phrase may be made, in hundredths of its length: 4 %.
pub const MOST_STRETCH_PERCENT: u64 = 4;

/// What may be done to a phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It is moved only. Its middle lies where the middle was heard, so that beginning and end are off alike; of an
    /// odd number of samples it lies half a one earlier.
    Rigid,
    /// It is moved and made as long as it was heard, by at most [`MOST_STRETCH_PERCENT`]; beyond that as long as
    /// allowed, around the same middle.
    Stretched,
}

/// The recordings laid over a clip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditMap {
    /// What was allowed.
    pub mode: Mode,
    /// The clip's length in samples at 48 kHz.
    pub clip: Samples,
    /// What is laid, by recording and then in order.
    pub events: Vec<EditEvent>,
    /// What is not, by the phrases' order.
    pub left_out: Vec<LeftOut>,
}

/// A part of a recording and where it lies in the clip; all in samples at 48 kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditEvent {
    /// The phrase, from 0 as it was given.
    pub phrase: usize,
    /// The recording, from 1.
    pub reference: u32,
    /// What is taken of it, with the pauses around the phrase.
    pub source: TimeRange<Samples>,
    /// Where that lies in the clip; longer or shorter than `source` only where it is stretched, evenly throughout.
    pub record: TimeRange<Samples>,
    /// Where the phrase itself lies in the clip; what `record` has besides is pause.
    pub words: TimeRange<Samples>,
    /// The fade at the beginning of `record`, within the pause.
    pub fade_in: Samples,
    /// The fade at the end of `record`, within the pause.
    pub fade_out: Samples,
    /// Whether the phrase was heard. If not it lies where it was asked for, and nobody knows whether it fits.
    pub measured: bool,
    /// Samples that it lies later than it fits best, since the phrase before it or the clip's beginning was in the
    /// way; negative where it lies earlier to end with the clip.
    pub moved: i64,
    /// Samples that its beginning is later than it was heard; absent where it was not.
    pub start_error: Option<i64>,
    /// Samples that its end is later than it was heard; absent where it was not.
    pub end_error: Option<i64>,
}

/// A phrase that is not laid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The phrase, from 0 as it was given.
    pub phrase: usize,
    /// The recording, from 1.
    pub reference: u32,
    /// Where the phrase is in it.
    pub source: TimeRange<Samples>,
    /// Why.
    pub why: Why,
}

/// Why a phrase is not laid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// There is no recording of that number.
    NoRecording,
    /// The phrase is empty or does not lie within the recording.
    OutsideRecording,
    /// It would have to be cut at the clip's end.
    PastTheEnd {
        /// The samples of it that would be lost.
        lost: Samples,
    },
    /// Where it was heard, or else asked for, another phrase of its recording lies, or one that comes after it.
    InTheWay,
}

impl Why {
    /// The word in [`csv`].
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Why::NoRecording => "no_recording",
            Why::OutsideRecording => "outside_recording",
            Why::PastTheEnd { .. } => "past_the_end",
            Why::InTheWay => "in_the_way",
        }
    }
}

impl EditEvent {
    /// How much longer it is made, in parts per million toward zero; negative where shorter, 0 where it is not.
    #[must_use]
    pub fn stretch_ppm(&self) -> i64 {
        let (source, record) = (i128::from(self.source.length().0), i128::from(self.record.length().0));
        let ppm = ((record - source) * 1_000_000).checked_div(source);
        ppm.and_then(|ppm| i64::try_from(ppm).ok()).unwrap_or(0)
    }
}

/// Writes the map as a table (RFC 4180, lines end in CR LF): what is laid, then what is left out. Times are samples
/// at 48 kHz from the beginning of the recording or the clip, ends exclusive; phrases count from 1; what does not
/// apply is empty.
#[must_use]
pub fn csv(map: &EditMap) -> String {
    let mut text = "Phrase,Reference,State,Source Start,Source End,Record Start,Record End,Words Start,Words End,\
                    Fade In,Fade Out,Moved,Start Error,End Error,Stretch ppm,Lost\r\n"
        .to_owned();
    for event in &map.events {
        let state = if event.measured { "measured" } else { "unmeasured" };
        let error = |error: Option<i64>| error.map_or(String::new(), |error| error.to_string());
        let ranges =
            [event.source, event.record, event.words].map(|range| format!("{},{}", range.start.0, range.end.0));
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "{},REF{},{state},{},{},{},{},{},{},{},\r\n",
            event.phrase + 1,
            event.reference,
            ranges.join(","),
            event.fade_in.0,
            event.fade_out.0,
            event.moved,
            error(event.start_error),
            error(event.end_error),
            event.stretch_ppm(),
        );
    }
    for left in &map.left_out {
        let lost = if let Why::PastTheEnd { lost } = left.why { lost.0.to_string() } else { String::new() };
        let (phrase, source) = (left.phrase + 1, left.source);
        let why = left.why.as_str();
        let _ = write!(
            text,
            "{phrase},REF{},left out: {why},{},{},,,,,,,,,,,{lost}\r\n",
            left.reference, source.start.0, source.end.0
        );
    }
    text
}

#[cfg(test)]
mod tests;
