//! The manifest of a turnover package: every clip, every file, every checksum.

use serde::{Deserialize, Serialize};

use crate::export::Loss;
use crate::timeline::Timeline;

/// The manifest's form, first key of the file; changes when a field changes its meaning.
pub const SCHEMA: &str = "seedpost.turnover/2";

/// What a package holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: String,
    /// The cut's title.
    pub title: String,
    /// 1 for the first package of this title, then one more each time.
    pub version: u32,
    /// Frames a second, as `24` or `24000/1001`.
    pub frame_rate: String,
    /// The record timecode of the first frame.
    pub start_timecode: String,
    /// The clips in cutting order.
    pub clips: Vec<ManifestClip>,
    /// What each timeline file could not carry.
    pub losses: Vec<Loss>,
    /// Every file of the package but this one, by path.
    pub files: Vec<ManifestFile>,
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
    /// Its stems.
    pub stems: Vec<ManifestStem>,
}

/// A stem of the package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestStem {
    /// `MIX`, `GUIDE`, `REF1` and so on.
    pub role: String,
    /// Its file.
    pub file: String,
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

/// Describes the clips of a cut.
#[must_use]
pub fn clips(timeline: &Timeline) -> Vec<ManifestClip> {
    let stem = |stem: &crate::timeline::Stem| ManifestStem {
        role: stem.role.to_string(),
        file: stem.file.clone(),
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
        stems: clip.stems.iter().map(stem).collect(),
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
