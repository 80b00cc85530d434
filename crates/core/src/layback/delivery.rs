//! The manifest of a delivery: what was laid under what, and how it was proved.

use serde::{Deserialize, Serialize};

use super::{Check, Heard, Mix, Target};
use crate::time::Samples;
use crate::turnover::ManifestFile;

/// What a delivery holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// [`super::SCHEMA`].
    pub schema: String,
    /// The cut's title.
    pub title: String,
    /// When it was made: RFC 3339 in UTC, whole seconds.
    pub date: String,
    /// The package that the pictures are from.
    pub turnover: Turnover,
    /// The mix.
    pub mix: MixFile,
    /// What was measured in it.
    pub heard: Heard,
    /// What it was judged by, where that was asked for.
    pub target: Option<Target>,
    /// All that was looked at.
    pub checks: Vec<Check>,
    /// The clips in cutting order.
    pub clips: Vec<LaidClip>,
    /// Every file of the delivery but this one and those of `ascmhl/`, by path.
    pub files: Vec<ManifestFile>,
}

/// The package that the pictures are from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turnover {
    /// Its folder's name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// SHA-256 of its manifest, in hex.
    pub manifest_sha256: String,
}

/// The mix as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MixFile {
    /// Where its copy lies in the delivery.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 in hex.
    pub sha256: String,
    /// What its header says.
    #[serde(flatten)]
    pub form: Mix,
}

/// A clip with its stretch of the mix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaidClip {
    /// The shot.
    pub shot: String,
    /// The take.
    pub take: String,
    /// Its picture in the package.
    pub picture: String,
    /// SHA-256 of that file, in hex.
    pub picture_sha256: String,
    /// The frame since midnight at which it begins.
    pub record_start: u64,
    /// How many frames are used.
    pub frames: u64,
    /// Its first sample in the mix.
    pub mix_start: Samples,
    /// How many samples of the mix belong to it.
    pub samples: Samples,
    /// The files that it is in.
    pub movies: Vec<Laid>,
}

/// A clip in a finished file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Laid {
    /// The file.
    pub path: String,
    /// The packets of its picture in it.
    pub packets: u64,
    /// SHA-256 of those packets in the package's file, in the order of decoding, in hex.
    pub packets_before: String,
    /// The same in the finished file.
    pub packets_after: String,
    /// How much later than in the mix the sound is heard, in samples, as it was measured in the finished file; none
    /// where the mix is too soft there to tell.
    pub sound_offset: Option<i64>,
    /// The same of the whole file, by its loudest stretch.
    pub movie_offset: Option<i64>,
    /// Whether the sound is the mix, bit by bit.
    pub sound_is_identical: bool,
}
