//! The report of a turnover: one page for people, and the same facts for programs.
//!
//! Deliberately absent: gathering the facts, and drawing, which `cli` does.

mod page;

use serde::Serialize;

use crate::content::Loudness;
use crate::export::Loss;
use crate::spec::{DurationCheck, Finding};
use crate::sync::{PhraseSync, Tolerance, Verdict};
use crate::time::{FrameRate, Samples, TimeRange};
use crate::timeline::Provenance;
use crate::turnover::{ManifestReel, Reference, ShotChange, Supplied};

/// The report's form, first key of the file; changes when a field changes its meaning.
pub const SCHEMA: &str = "seedpost.report/1";
/// What a person has to judge in each clip: the name in a sign-off, and the words.
pub const CHECKS: [(&str, &str); 4] = [
    ("lip_sync", "Lip sync holds, by eye"),
    ("diction", "Every word is the right one and can be understood"),
    ("picture", "Picture is free of faults: hands, faces, text, jumps"),
    ("rights", "Rights in what was supplied and made are cleared"),
];

/// All that a report tells. Paths are those of the package, with `/`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The package's folder, such as `Kitchen_at_seven_v001`.
    pub package: String,
    /// The cut's title.
    pub title: String,
    /// Which package of this title it is.
    pub version: u32,
    /// When it was made: RFC 3339 in UTC.
    pub date: String,
    /// SHA-256 of all that shaped it.
    pub made_of: String,
    /// Frames a second.
    pub rate: FrameRate,
    /// Whether labels count drop-frame.
    pub drop_frame: bool,
    /// The cut's first frame.
    pub start: Place,
    /// The frame after its last one.
    pub end: Place,
    /// The cut as one reel, and where its parts begin.
    pub reel: Option<Reel>,
    /// What it cost.
    pub cost: Cost,
    /// The version that `changes` are told against.
    pub changed_since: Option<u32>,
    /// What of its making is other than then, in words.
    pub reasons: Vec<String>,
    /// What became of each shot since then.
    pub changes: Vec<Change>,
    /// The clips in cutting order.
    pub clips: Vec<Clip>,
    /// Every host that a supplied file was sent to.
    pub hosts: Vec<Host>,
    /// What each timeline file could not carry.
    pub losses: Vec<Loss>,
    /// The files of the package but the report, manifest and history.
    pub files: Vec<File>,
}

/// A frame of the cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Frames since midnight.
    pub frame: u64,
    /// Its label.
    pub timecode: String,
}

/// The cut as one reel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reel {
    /// As the manifest has it.
    #[serde(flatten)]
    pub manifest: ManifestReel,
    /// Leader, pops and tail, by name.
    pub places: Vec<(String, Place)>,
}

/// What was paid, or may have been, in US dollars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// The takes of the cut, each once.
    pub cut: String,
    /// All takes of the project, those that are not in the cut too.
    pub project: String,
    /// The most that may be spent.
    pub limit: Option<String>,
}

/// A change, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What became of the shot.
    #[serde(flatten)]
    pub change: ShotChange,
    /// Where it begins.
    pub at: Place,
    /// Its clip, from 0; absent where it was dropped.
    pub clip: Option<usize>,
}

/// A clip of the cut.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Clip {
    /// The shot.
    pub shot: String,
    /// The take.
    pub take: String,
    /// The reel in lists.
    pub reel: String,
    /// Its first frame in the cut.
    pub record_in: Place,
    /// The frame after its last one.
    pub record_out: Place,
    /// Its first frame in the picture's own timecode.
    pub source_in: Place,
    /// How many frames.
    pub frames: u64,
    /// Frames that the picture has before and after what is used.
    pub handles: (u64, u64),
    /// The picture for the cut.
    pub picture: String,
    /// Width and height of it.
    pub size: (u32, u32),
    /// What is used of it, with burnt-in timecode.
    pub reference: Option<Reference>,
    /// A still of it.
    pub still: Option<String>,
    /// Who speaks.
    pub character: Option<String>,
    /// What is said.
    pub line: Option<String>,
    /// The language spoken.
    pub language: Option<String>,
    /// `keep` or `strip`.
    pub lane: String,
    /// What was promised and delivered.
    pub delivered: Vec<Delivered>,
    /// What is wrong.
    pub findings: Vec<Found>,
    /// The clip beside the sounds that were supplied for it.
    pub durations: Vec<DurationCheck>,
    /// Its phrases beside those that were supplied; absent where none were.
    pub sync: Option<Sync>,
    /// What was heard; absent where there was no sound, or nobody listened.
    pub sound: Option<Heard>,
    /// Its stems.
    pub stems: Vec<Stem>,
    /// What has to be spoken anew.
    pub cues: Vec<Cue>,
    /// What was left out of its sound, in words.
    pub notes: Vec<String>,
    /// How it was made, and what that cost.
    pub provenance: Provenance,
    /// What was supplied for it.
    pub references: Vec<Supplied>,
    /// What is said about rights; empty where nothing is.
    pub rights: String,
    /// The other takes of its shot.
    pub other_takes: Vec<OtherTake>,
    /// Its sound as a drawing. Not among the facts.
    #[serde(skip)]
    pub drawing: Option<Drawing>,
}

/// The inside of an SVG that uses the page's classes; every text in it is escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawing {
    /// Elements.
    pub body: String,
    /// Where it begins to be drawn, units down.
    pub top: u64,
    /// Units across.
    pub width: u64,
    /// How far down it is drawn, from 0.
    pub height: u64,
}

/// A property of the clip as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// Which one.
    pub name: &'static str,
    /// What was promised; empty where nothing was.
    pub promised: String,
    /// What came.
    pub delivered: String,
}

/// A finding, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// What is wrong.
    #[serde(flatten)]
    pub finding: Finding,
    /// Where the rule comes from.
    pub source: String,
}

/// A clip beside the sounds that were supplied for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sync {
    /// The worst of its phrases.
    pub verdict: Verdict,
    /// By which it was judged.
    pub tolerance: Tolerance,
    /// How many samples at 48 kHz its middle phrase is late.
    pub median_offset: Option<i64>,
    /// How the offset grows over the clip, in parts per million.
    pub drift_ppm: Option<i64>,
    /// Each phrase.
    pub phrases: Vec<Phrase>,
}

/// A phrase of a supplied sound.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Phrase {
    /// Where it was asked for and heard, in samples at 48 kHz.
    #[serde(flatten)]
    pub sync: PhraseSync,
    /// Where it was asked for in the cut; absent where that is not used.
    pub at: Option<Place>,
    /// Its own verdict.
    pub verdict: Verdict,
    /// How far its beginning is off, in milliseconds and frames.
    pub begins: String,
    /// How far its end is off.
    pub ends: String,
}

/// What was heard in a clip; times are samples at 48 kHz from the picture's first frame.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Heard {
    /// How many samples there are.
    pub samples: Samples,
    /// Silence before the first sound, below −60 dBFS.
    pub silent_head: Samples,
    /// Silence after the last sound.
    pub silent_tail: Samples,
    /// Where someone speaks, and how sure that is (estimated); absent where nobody listened for it.
    pub speech: Option<Vec<(TimeRange<Samples>, f32)>>,
    /// Whether there is music (estimated); absent where nobody listened for it or could tell.
    pub music: Option<bool>,
    /// Where notes are held.
    pub music_at: Vec<TimeRange<Samples>>,
    /// How loud the clip as delivered is.
    pub loudness: Loudness,
}

/// A stem of the package.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stem {
    /// `MIX`, `GUIDE`, `REF1` and so on.
    pub role: String,
    /// Its file.
    pub file: String,
    /// A file of one channel for each side.
    pub sides: Vec<String>,
    /// 1 or 2.
    pub channels: u16,
    /// Samples per channel, at 48 kHz.
    pub samples: u64,
    /// Whether a model guessed what belongs to it.
    pub estimated: bool,
    /// Whether a model made what is heard in it.
    pub model_audio: bool,
    /// What was done to the sound; empty where it is as it came.
    pub treatment: String,
    /// How loud it is.
    pub loudness: Option<Loudness>,
}

/// What has to be spoken anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cue {
    /// Such as `HO101`.
    pub number: String,
    /// Where it begins.
    pub at: Place,
    /// The frame after its last one.
    pub until: Place,
    /// Who speaks.
    pub character: String,
    /// What is said.
    pub line: String,
    /// Why.
    pub reason: &'static str,
    /// 1 to 3.
    pub priority: u8,
    /// What else there is to know.
    pub note: String,
}

/// A take that is not in the cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OtherTake {
    /// Its name.
    pub take: String,
    /// Where it stands.
    pub state: String,
    /// What it cost, or may have.
    pub cost: String,
}

/// A host that supplied files were sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Host {
    /// Its name.
    pub host: String,
    /// What went there.
    pub files: Vec<HostFile>,
}

/// A supplied file that was sent to a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostFile {
    /// The file.
    pub file: String,
    /// SHA-256 of what was sent, in hex.
    pub sha256: String,
    /// The takes that it went for.
    pub takes: Vec<String>,
}

/// A file of the package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    /// Its path.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// The takes whose model sound is in it.
    pub model_audio: Vec<String>,
}

impl Report {
    /// The report as JSON, ending with a line end.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report is plain values") + "\n"
    }

    /// The report as one HTML page that asks for nothing but the package's own pictures.
    #[must_use]
    pub fn html(&self) -> String {
        page::render(self)
    }
}

#[cfg(test)]
mod tests;
