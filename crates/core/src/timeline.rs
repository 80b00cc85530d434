//! The one edit that every export reads: shots in a row on one picture track, each with its stems.
//!
//! Deliberately absent: transitions, gaps, speed changes and more than one picture track.

use std::collections::BTreeSet;

use crate::lane::Lane;
use crate::shot::TakeId;
use crate::time::{Frames, Rounding, SampleRate, Samples, Timecode};

/// A cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// Its title.
    pub title: String,
    /// The record timecode of its first frame; carries the rate.
    pub start: Timecode,
    /// The clips, each beginning where the one before it ends.
    pub clips: Vec<Clip>,
}

/// One shot in a cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// The take, which names the clip.
    pub take: TakeId,
    /// A name of at most eight characters `A–Z 0–9`, once in the cut.
    pub reel: String,
    /// What became of the baked sound.
    pub lane: Lane,
    /// How many frames there are: all are used, from frame 0, so there are no handles.
    pub frames: Frames,
    /// The frame since midnight at which the clip begins in the cut.
    pub record_start: Frames,
    /// The picture's file, relative to the package.
    pub picture: String,
    /// The stems, relative to the package.
    pub stems: Vec<Stem>,
    /// What the model was told.
    pub prompt: String,
}

/// A stem: 48 kHz, 24 bit, exactly as long as its picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Stem {
    /// What it holds.
    pub role: Role,
    /// Its file, relative to the package.
    pub file: String,
    /// The number of channels: 1 or 2.
    pub channels: u16,
    /// Its length per channel.
    pub samples: Samples,
    /// Samples since midnight at its first sample, as in its `bext` chunk.
    pub time_reference: Samples,
}

/// What a stem holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The clip's own sound, delivered.
    Mix,
    /// The clip's own sound, to work against and not to deliver.
    Guide,
    /// A supplied sound, by its number from 1.
    Reference(u32),
}

impl std::fmt::Display for Role {
    /// The code in file names: `MIX`, `GUIDE`, `REF1`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Role::Mix => f.write_str("MIX"),
            Role::Guide => f.write_str("GUIDE"),
            Role::Reference(number) => write!(f, "REF{number}"),
        }
    }
}

/// What one shot brings to a cut, before it has a place there.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// The take.
    pub take: TakeId,
    /// What became of the baked sound.
    pub lane: Lane,
    /// How many frames there are.
    pub frames: Frames,
    /// The picture's file, relative to the package.
    pub picture: String,
    /// Role, file and channels of each stem.
    pub stems: Vec<(Role, String, u16)>,
    /// What the model was told.
    pub prompt: String,
}

/// Lays pieces end to end. `None` when a length overflows, which no real cut does.
#[must_use]
pub fn assemble(title: &str, start: Timecode, pieces: Vec<Piece>) -> Option<Timeline> {
    let mut reels = BTreeSet::new();
    let mut record = start.frames();
    let mut clips = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let time_reference = record_samples(record, start)?;
        let samples = record_samples(Frames(record.0.checked_add(piece.frames.0)?), start)?;
        let samples = Samples(samples.0 - time_reference.0);
        let stem = |(role, file, channels)| Stem { role, file, channels, samples, time_reference };
        let clip = Clip {
            reel: unique_reel(&piece.take, &mut reels),
            take: piece.take,
            lane: piece.lane,
            frames: piece.frames,
            record_start: record,
            picture: piece.picture,
            stems: piece.stems.into_iter().map(stem).collect(),
            prompt: piece.prompt,
        };
        record = Frames(record.0 + piece.frames.0);
        clips.push(clip);
    }
    Some(Timeline { title: title.to_owned(), start, clips })
}

/// The 48 kHz sample since midnight at which a record frame begins, to the nearest.
#[must_use]
pub fn record_samples(frame: Frames, start: Timecode) -> Option<Samples> {
    start.rate().samples(frame, SampleRate::HZ_48000, Rounding::Nearest)
}

/// The last eight letters and digits of the take's name where nobody has them yet, else a number.
fn unique_reel(take: &TakeId, taken: &mut BTreeSet<String>) -> String {
    let name: Vec<char> = take.shot.as_str().to_ascii_uppercase().chars().filter(char::is_ascii_alphanumeric).collect();
    let short: String = name[name.len().saturating_sub(8)..].iter().collect();
    let numbered = (1..).map(|number: u32| format!("SP{number:06}"));
    let reel = std::iter::once(short).chain(numbered).find(|reel| !taken.contains(reel));
    let reel = reel.expect("a million and one names are not all taken");
    taken.insert(reel.clone());
    reel
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::FrameRate;

    fn piece(take: &str, frames: u64) -> Piece {
        let take: TakeId = take.parse().expect("a take");
        let stems = vec![(Role::Guide, format!("audio/{take}_GUIDE.wav"), 2)];
        let picture = format!("picture/{take}.mp4");
        Piece { take, lane: Lane::Strip, frames: Frames(frames), picture, stems, prompt: String::new() }
    }

    fn cut(pieces: Vec<Piece>) -> Timeline {
        let start = Timecode::parse("01:00:00:00", FrameRate::FPS_24).expect("a timecode");
        assemble("Cut", start, pieces).expect("a short cut")
    }

    #[test]
    fn clips_lie_end_to_end_and_stems_begin_with_them() {
        let timeline = cut(vec![piece("A_T01", 96), piece("B_T01", 121), piece("C_T02", 360)]);
        let starts: Vec<u64> = timeline.clips.iter().map(|clip| clip.record_start.0).collect();
        assert_eq!(starts, [86_400, 86_496, 86_617]);
        let stem = &timeline.clips[2].stems[0];
        assert_eq!((stem.time_reference.0, stem.samples.0), (86_617 * 2000, 720_000));
    }

    #[test]
    fn reels_are_short_and_never_shared() {
        let names = ["SC010_SH010_T01", "XSC010_SH010_T01", "sc010-sh010_T01", "A_T01"];
        let timeline = cut(names.iter().map(|name| piece(name, 96)).collect());
        let reels: BTreeSet<&str> = timeline.clips.iter().map(|clip| clip.reel.as_str()).collect();
        assert_eq!(reels.len(), names.len(), "{reels:?}");
        let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
        assert!(reels.iter().all(|reel| reel.len() <= 8 && reel.chars().all(allowed)), "{reels:?}");
    }
}
