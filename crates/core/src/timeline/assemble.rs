//! Shots laid end to end, in the order of their list.

use std::collections::BTreeSet;

use super::{Clip, Picture, Provenance, Role, Stem, Timeline, record_samples};
use crate::lane::Lane;
use crate::shot::TakeId;
use crate::time::{Frames, Samples, Timecode};

/// Names of reels that stand for something else in edit decision lists: no reel at all, black, bars.
const RESERVED: [&str; 4] = ["AX", "BL", "BLACK", "BARS"];

/// How many names with a number there are.
const NUMBERS: u32 = 1_000_000;

/// What one shot brings to a cut, before it has a place there.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// The take.
    pub take: TakeId,
    /// What became of the baked sound.
    pub lane: Lane,
    /// The picture. Its `start` is what the file says.
    pub picture: Picture,
    /// Role, file, channels and sides of each stem.
    pub stems: Vec<(Role, String, u16, Vec<String>)>,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// Lays pieces end to end, whole, without cues and markers; stems are stamped with their places. `None` when a length
/// overflows or a picture has no frame.
#[must_use]
pub fn assemble(title: &str, start: Timecode, pieces: Vec<Piece>) -> Option<Timeline> {
    let mut reels = BTreeSet::from(RESERVED.map(str::to_owned));
    let mut record = start.frames();
    let mut clips = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let frames = Some(piece.picture.frames).filter(|frames| frames.0 > 0)?;
        let time_reference = record_samples(record, start)?;
        let end = Frames(record.0.checked_add(frames.0)?);
        let samples = Samples(record_samples(end, start)?.0 - time_reference.0);
        let stem = |(role, file, channels, sides)| Stem { role, file, channels, samples, time_reference, sides };
        clips.push(Clip {
            reel: unique_reel(&piece.take, &mut reels),
            take: piece.take,
            lane: piece.lane,
            from: Frames(0),
            frames,
            record_start: record,
            picture: piece.picture,
            stems: piece.stems.into_iter().map(stem).collect(),
            provenance: piece.provenance,
        });
        record = end;
    }
    Some(Timeline { title: title.to_owned(), start, clips, markers: Vec::new(), cues: Vec::new() })
}

/// The last seven letters and digits of the shot and a letter for the take, where nobody has them yet, else a number made of
/// the take's name, so that shots that come or go leave most reels alone.
fn unique_reel(take: &TakeId, taken: &mut BTreeSet<String>) -> String {
    let name: Vec<char> = take.shot.as_str().to_ascii_uppercase().chars().filter(char::is_ascii_alphanumeric).collect();
    let short: String = name[name.len().saturating_sub(7)..].iter().collect();
    let letter = take.number.checked_sub(1).and_then(|index| ('A'..='Z').nth(usize::try_from(index).ok()?));
    let short = letter.map(|letter| format!("{short}{letter}"));
    let first = take.to_string().bytes().fold(0, |sum: u32, byte| (sum * 31 + u32::from(byte)) % 1_000_003) % NUMBERS;
    let numbered = (0..NUMBERS).map(|further| format!("SP{:06}", (first + further) % NUMBERS));
    let reel = short.into_iter().chain(numbered).find(|reel| !taken.contains(reel));
    let reel = reel.expect("a cut has fewer takes than there are names");
    taken.insert(reel.clone());
    reel
}
