//! The one edit that every export reads: shots on one picture track, each with its stems.
//!
//! Deliberately absent: transitions, speed changes and more than one picture track.

mod assemble;
mod conform;
mod marker;
mod recut;
mod role;
mod source_time;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize, Serializer};

pub use assemble::{Piece, assemble};
pub use marker::{Colour, Marker};
pub use recut::{CutFault, Edit};
pub use role::Role;
pub use source_time::source_start;

use crate::cue::Cue;
use crate::lane::Lane;
use crate::shot::TakeId;
use crate::time::{Frames, Rounding, SampleRate, Samples, TimeRange, Timecode};

/// A cut.
///
/// - Clips are in the order of their places, and none overlaps the next; between them may be gaps.
/// - Each has a frame or more, all of them within its picture; so have its stems.
/// - A reel belongs to one take; a take may be in the cut more than once, each time with the same stems.
/// - A clip has at most one stem on a track ([`Role::track`]).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeline {
    /// Its title.
    pub title: String,
    /// The record timecode of its first frame; carries the rate.
    #[serde(serialize_with = "start_of")]
    pub start: Timecode,
    /// The clips.
    pub clips: Vec<Clip>,
    /// Places that people should look at. One outside all clips is carried where a format can.
    pub markers: Vec<Marker>,
    /// What has to be spoken anew, in the cut's order.
    pub cues: Vec<Cue>,
}

fn start_of<S: Serializer>(start: &Timecode, out: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Start {
        label: String,
        frame: Frames,
        rate: crate::time::FrameRate,
        drop: bool,
    }
    Start { label: start.to_string(), frame: start.frames(), rate: start.rate(), drop: start.is_drop() }.serialize(out)
}

fn by_name<T: std::fmt::Display, S: Serializer>(name: &T, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(name)
}

/// A stretch of a take in a cut.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Clip {
    /// The take, which names the clip.
    #[serde(serialize_with = "by_name")]
    pub take: TakeId,
    /// A name of at most eight characters `A–Z 0–9`, which no other take has.
    pub reel: String,
    /// What became of the baked sound.
    pub lane: Lane,
    /// The first frame that is used, counted from the picture's first.
    pub from: Frames,
    /// How many frames are used.
    pub frames: Frames,
    /// The frame since midnight at which the clip begins in the cut.
    pub record_start: Frames,
    /// The whole picture.
    pub picture: Picture,
    /// The whole stems.
    pub stems: Vec<Stem>,
    /// Where it comes from.
    pub provenance: Provenance,
}

impl Clip {
    /// The frame since midnight after its last one in the cut.
    #[must_use]
    pub fn record_end(&self) -> Frames {
        Frames(self.record_start.0 + self.frames.0)
    }

    /// What is used of the picture, in the picture's own timecode.
    #[must_use]
    pub fn source(&self) -> TimeRange<Frames> {
        let start = self.picture.start.0 + self.from.0;
        TimeRange { start: Frames(start), end: Frames(start + self.frames.0) }
    }

    /// Frames that the picture has before and after what is used.
    #[must_use]
    pub fn handles(&self) -> (Frames, Frames) {
        let used = self.from.0 + self.frames.0;
        (self.from, Frames(self.picture.frames.0.saturating_sub(used)))
    }

    /// What its stem is called: the take and the stem's role.
    #[must_use]
    pub fn stem_name(&self, stem: &Stem) -> String {
        format!("{}_{}", self.take, stem.role)
    }

    /// Whether a frame since midnight lies in it.
    #[must_use]
    pub fn holds(&self, frame: Frames) -> bool {
        (self.record_start..self.record_end()).contains(&frame)
    }
}

/// A picture file as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Picture {
    /// Its file: an absolute path, or one relative to the folder that the package or the export is.
    pub file: String,
    /// How many frames it has.
    pub frames: Frames,
    /// The frame since midnight that its own timecode gives its first frame, in the cut's counting; 0 where it has
    /// none.
    pub start: Frames,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Channels of the sound that is in the same file; 0 where there is none.
    pub channels: u16,
}

/// A stem: 48 kHz, 24 bit, exactly as long as its picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stem {
    /// What it holds.
    pub role: Role,
    /// Its file: an absolute path, or one relative to the folder that the package or the export is.
    pub file: String,
    /// The number of channels: 1 or 2.
    pub channels: u16,
    /// Its length per channel.
    pub samples: Samples,
    /// Samples since midnight at its first sample, as in its `bext` chunk: the sample of a frame.
    pub time_reference: Samples,
    /// A file of one channel for each side, left before right, where they were made.
    pub sides: Vec<String>,
}

/// Where a take comes from. What nobody knows is empty or absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Which door it came through.
    pub provider: String,
    /// The provider's own name for the model.
    pub model: String,
    /// What the model was told.
    pub prompt: String,
    /// The number that stands for chance, where one was sent.
    pub seed: Option<u32>,
    /// The provider's name for the job.
    pub request_id: Option<String>,
    /// What it cost, or may have, in US dollars, such as `$1.2096`.
    pub cost: String,
    /// Why its lane is what it is.
    pub reason: String,
    /// SHA-256 of the clip as it was delivered, in hex.
    pub sha256: String,
}

impl Provenance {
    /// What is known, by the names of the fields.
    #[must_use]
    pub fn known(&self) -> Vec<(&'static str, String)> {
        let Provenance { provider, model, prompt, seed, request_id, cost, reason, sha256 } = self.clone();
        let all = [
            ("provider", provider),
            ("model", model),
            ("prompt", prompt),
            ("seed", seed.map(|seed| seed.to_string()).unwrap_or_default()),
            ("request_id", request_id.unwrap_or_default()),
            ("cost", cost),
            ("reason", reason),
            ("sha256", sha256),
        ];
        all.into_iter().filter(|(_, text)| !text.is_empty()).collect()
    }

    /// The same with its texts written otherwise.
    #[must_use]
    pub fn map(&self, text: impl Fn(&str) -> String) -> Provenance {
        Provenance {
            provider: text(&self.provider),
            model: text(&self.model),
            prompt: text(&self.prompt),
            seed: self.seed,
            request_id: self.request_id.as_deref().map(&text),
            cost: text(&self.cost),
            reason: text(&self.reason),
            sha256: text(&self.sha256),
        }
    }
}

impl Timeline {
    /// The same cut with cues, each of which is a marker too.
    #[must_use]
    pub fn with_cues(mut self, cues: Vec<Cue>) -> Timeline {
        self.markers.extend(cues.iter().map(Marker::of_cue));
        self.markers.sort_by_key(|marker| marker.frame);
        self.cues.extend(cues);
        self
    }

    /// The label of a frame since midnight, in the cut's counting; past 24 hours it begins anew.
    #[must_use]
    pub fn label(&self, frame: Frames) -> String {
        let midnight = Timecode::from_frames(Frames(0), self.start.rate(), self.start.is_drop());
        midnight.map_or_else(String::new, |label| label.plus(frame).to_string())
    }

    /// The frame since midnight after the last clip.
    #[must_use]
    pub fn end(&self) -> Frames {
        self.clips.last().map_or(self.start.frames(), Clip::record_end)
    }

    /// Whether labels begin anew within it, or at its end: it reaches 24:00:00:00.
    #[must_use]
    pub fn reaches_midnight(&self) -> bool {
        self.end() >= self.start.midnight()
    }

    /// The markers in each clip, and those that are in none.
    #[must_use]
    pub fn markers_by_clip(&self) -> (Vec<Vec<&Marker>>, Vec<&Marker>) {
        let mut within = vec![Vec::new(); self.clips.len()];
        let mut outside = Vec::new();
        for marker in &self.markers {
            let after = self.clips.partition_point(|clip| clip.record_start <= marker.frame);
            let clip = after.checked_sub(1).filter(|index| self.clips[*index].holds(marker.frame));
            match clip.and_then(|index| within.get_mut(index)) {
                Some(markers) => markers.push(marker),
                None => outside.push(marker),
            }
        }
        (within, outside)
    }

    /// The roles of all stems, each once.
    #[must_use]
    pub fn roles(&self) -> BTreeSet<Role> {
        self.clips.iter().flat_map(|clip| clip.stems.iter().map(|stem| stem.role)).collect()
    }

    /// The sound tracks below the picture, in their order, each named by its role ([`Role::track`]).
    #[must_use]
    pub fn sound_tracks(&self) -> Vec<Role> {
        self.roles().into_iter().map(Role::track).collect::<BTreeSet<Role>>().into_iter().collect()
    }

    /// What is used of a stem, in frames of the stem's own timecode.
    #[must_use]
    pub fn stem_source(&self, clip: &Clip, stem: &Stem) -> TimeRange<Frames> {
        let first = self.stem_start(stem).0 + clip.from.0;
        TimeRange { start: Frames(first), end: Frames(first + clip.frames.0) }
    }

    /// The frame since midnight at a stem's first sample.
    #[must_use]
    pub fn stem_start(&self, stem: &Stem) -> Frames {
        let frame = self.start.rate().frames(stem.time_reference, SampleRate::HZ_48000, Rounding::Nearest);
        frame.unwrap_or_default()
    }

    /// Where each clip lies in a reel, in samples at 48 kHz from the reel's first. Each end is rounded from its own
    /// frame, so nothing adds up.
    #[must_use]
    pub fn places(&self) -> Option<Vec<TimeRange<Samples>>> {
        let sample = |frame: Frames| record_samples(frame, self.start);
        let first = sample(self.start.frames())?;
        let place = |clip: &Clip| {
            let end = Frames(clip.record_start.0.checked_add(clip.frames.0)?);
            let (start, end) = (sample(clip.record_start)?, sample(end)?);
            Some(TimeRange { start: Samples(start.0 - first.0), end: Samples(end.0 - first.0) })
        };
        self.clips.iter().map(place).collect()
    }
}

impl Clip {
    /// Its stem on a track ([`Timeline::sound_tracks`]).
    #[must_use]
    pub fn stem_on(&self, track: Role) -> Option<&Stem> {
        self.stems.iter().find(|stem| stem.role.track() == track)
    }
}

/// The 48 kHz sample since midnight at which a record frame begins, to the nearest.
#[must_use]
pub fn record_samples(frame: Frames, start: Timecode) -> Option<Samples> {
    start.rate().samples(frame, SampleRate::HZ_48000, Rounding::Nearest)
}

#[cfg(test)]
pub(crate) mod arbitrary;
#[cfg(test)]
mod tests;
