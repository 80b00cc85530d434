//! The manifest of a turnover package: every clip, every file, every checksum.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::export::Loss;
use crate::timeline::{Provenance, Timeline};

mod change;
pub mod order;
mod reel;

pub use change::{Invalid, ShotChange, What, changes};
pub use reel::ReelLayout;

/// The manifest's form, first key of the file; changes when a field changes its meaning.
pub const SCHEMA: &str = "seedpost.turnover/3";

/// What a package holds. Fields that forms 1 and 2 did not have are empty where such a manifest is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: String,
    /// The cut's title.
    pub title: String,
    /// 1 for the first package of this title, then one more each time.
    pub version: u32,
    /// When it was made: RFC 3339 in UTC, whole seconds.
    #[serde(default)]
    pub date: String,
    /// SHA-256 of what shaped it but version and date, part by part: the same again makes no new package.
    #[serde(default)]
    pub made_of: BTreeMap<String, String>,
    /// What of that is other than in the version before, in words; empty for the first one.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// Frames a second, as `24` or `24000/1001`.
    pub frame_rate: String,
    /// The record timecode of the first frame.
    pub start_timecode: String,
    /// The cut as one reel, with leader and tail.
    #[serde(default)]
    pub reel: Option<ManifestReel>,
    /// The clips in cutting order.
    pub clips: Vec<ManifestClip>,
    /// What each clip is, against the version before; empty for the first one.
    #[serde(default)]
    pub changes: Vec<ShotChange>,
    /// The version that `changes` are told against.
    #[serde(default)]
    pub changed_since: Option<u32>,
    /// The files that hold sound which a model made.
    #[serde(default)]
    pub model_audio: Vec<ModelAudio>,
    /// What each timeline file could not carry.
    pub losses: Vec<Loss>,
    /// Forms that could not be written, and why.
    #[serde(default)]
    pub refused: Vec<String>,
    /// Every file of the package but this one and those of `ascmhl/`, by path.
    pub files: Vec<ManifestFile>,
}

/// The cut as one reel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestReel {
    /// Its number in the programme.
    pub number: u32,
    /// Where leader, pops and tail lie.
    #[serde(flatten)]
    pub layout: ReelLayout,
    /// The picture reference, where one was made.
    pub reference: Option<Reference>,
    /// The whole cut's stems, all of one length, with leader, pops and tail; `time_reference` is that of the leader.
    pub stems: Vec<ManifestStem>,
}

/// A picture for sound people, with burnt-in timecode: the same pictures and sound in two forms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// QuickTime in an editing codec, with PCM and a timecode track.
    pub edit: String,
    /// H.264 and AAC in MP4, for viewing.
    pub view: String,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// A file with sound that a model made, as a whole or in part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelAudio {
    /// The file's path in the package.
    pub path: String,
    /// The takes whose sound is in it: their provenance stands with the clips.
    pub takes: Vec<String>,
    /// Whether it was also taken apart by an estimate.
    pub estimated: bool,
}

/// A clip of the package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestClip {
    /// The shot.
    pub shot: String,
    /// The take, which names the clip in every timeline.
    pub take: String,
    /// The reel in the CMX3600 list.
    pub reel: String,
    /// `keep` or `strip`.
    pub lane: String,
    /// The first frame used, in the picture's own timecode.
    pub source_start: u64,
    /// How many frames.
    pub frames: u64,
    /// Frames that the picture has before and after what is used: none, for a whole clip.
    pub handles: (u64, u64),
    /// The frame since midnight at which it begins.
    pub record_start: u64,
    /// Its picture.
    pub picture: String,
    /// Its picture reference, of what is used, where one was made.
    #[serde(default)]
    pub reference: Option<Reference>,
    /// Its stems.
    pub stems: Vec<ManifestStem>,
    /// How it was made.
    #[serde(default)]
    pub provenance: Provenance,
    /// What was supplied for it.
    #[serde(default)]
    pub references: Vec<Supplied>,
    /// What the shot list says about rights; empty where it says nothing.
    #[serde(default)]
    pub rights: String,
}

/// A file that was supplied for a shot and sent to the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supplied {
    /// Its path, as the shot list has it.
    pub source: String,
    /// SHA-256 of the source, in hex.
    pub sha256: String,
}

/// A stem of the package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestStem {
    /// `MIX`, `GUIDE`, `REF1` and so on.
    pub role: String,
    /// Its file.
    pub file: String,
    /// A file of one channel for each side, left before right.
    #[serde(default)]
    pub sides: Vec<String>,
    /// Whether a model guessed what belongs to it.
    #[serde(default)]
    pub estimated: bool,
    /// 1 or 2.
    pub channels: u16,
    /// Samples per channel, at 48 kHz.
    pub samples: u64,
    /// 48 kHz samples since midnight at its first sample.
    pub time_reference: u64,
}

/// A file of the package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Its path from the package's top, with `/`.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 in hex.
    pub sha256: String,
}

/// Describes the clips of a cut; references, supplied files and rights are not known to it.
#[must_use]
pub fn clips(timeline: &Timeline) -> Vec<ManifestClip> {
    let stem = |stem: &crate::timeline::Stem| ManifestStem {
        role: stem.role.to_string(),
        file: stem.file.clone(),
        sides: stem.sides.clone(),
        estimated: stem.role.is_estimated(),
        channels: stem.channels,
        samples: stem.samples.0,
        time_reference: stem.time_reference.0,
    };
    let clip = |clip: &crate::timeline::Clip| ManifestClip {
        shot: clip.take.shot.to_string(),
        take: clip.take.to_string(),
        reel: clip.reel.clone(),
        lane: clip.lane.as_str().to_owned(),
        source_start: clip.source().start.0,
        frames: clip.frames.0,
        handles: (clip.handles().0.0, clip.handles().1.0),
        record_start: clip.record_start.0,
        picture: clip.picture.file.clone(),
        reference: None,
        stems: clip.stems.iter().map(stem).collect(),
        provenance: clip.provenance.clone(),
        references: Vec::new(),
        rights: String::new(),
    };
    timeline.clips.iter().map(clip).collect()
}

/// A title as a safe folder and file name: letters, digits, `-` and `_`, at most 40 of them.
#[must_use]
pub fn safe_title(title: &str) -> String {
    let mut safe = String::new();
    for c in title.chars().take(40) {
        let c = if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        if c != '_' || !safe.ends_with('_') {
            safe.push(c);
        }
    }
    let safe = safe.trim_matches('_');
    if safe.is_empty() { "Untitled".to_owned() } else { safe.to_owned() }
}

/// Says whether a manifest's path stays inside its package and needs no escape on any system.
#[must_use]
pub fn is_safe_path(path: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':', '\0']);
    !path.is_empty() && path.len() <= 512 && path.split('/').all(part)
}
