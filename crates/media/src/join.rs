//! Pictures of many MP4s and one sound, as one movie: coded bytes untouched, only tables are written anew.
//!
//! All pictures become one track, with a sample entry for each way in which they are coded, and an edit list that shows
//! exactly the frames that are used. Deliberately absent: any decoding or encoding, fragmented files, and pictures
//! whose frames are not evenly spaced.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod boxes;
mod index;
mod picture;
mod sound;

use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;

use seedpost_core::time::{FrameRate, Frames, Samples, Timecode};
use sha2::{Digest as _, Sha256};

use crate::MediaError;
use crate::mp4::{Movie, TrackKind};
use crate::pass::Coded;
use index::{Chunk, Layout, Source};
use picture::Picture;

/// The most packets of picture in one movie: 13 hours at 60 frames a second.
const MAX_PACKETS: usize = 3_000_000;

/// What is used of a picture, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The first frame that is used, counted from where the file's picture begins to be shown.
    pub from: Frames,
    /// How many frames are used.
    pub frames: Frames,
    /// The frame of the movie at which it begins. Each begins where the one before ends, the first at 0.
    pub at: Frames,
}

/// What kind of movie is written.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// QuickTime, else MP4.
    pub quicktime: bool,
    /// Frames a second of all pictures.
    pub rate: FrameRate,
    /// The label of the first frame; a timecode track carries it, which only QuickTime has.
    pub start: Option<Timecode>,
    /// How many 48 kHz samples of the sound are heard.
    pub samples: Samples,
}

/// Joins pictures and lays a sound under them; answers the coded picture of each part, as it was copied: its packets
/// from the first one of its file to the last one that is needed for what is used.
///
/// `open` opens the file of a part: twice for each, one at a time. `sound` is a file with one track of sound, of the
/// kind of movie that is written; with its own edit list it begins with the first frame.
///
/// # Errors
/// `Unsupported` where a picture's frames are not evenly spaced at the rate, where pictures are not of one codec or
/// turned by different angles, where there are gaps between parts, or trimmed ones that are coded in several ways, and
/// for tables that are not known here; `Malformed` for a part that its picture does not
/// have, and for tables that point outside their file. What was written by then must be thrown away.
pub fn join<P: Read + Seek, S: Read + Seek, W: Write>(
    parts: &[Part],
    open: &mut dyn FnMut(usize) -> std::io::Result<P>,
    sound: &mut S,
    form: &Form,
    out: &mut W,
) -> Result<Vec<Coded>, MediaError> {
    let mut pictures = Vec::with_capacity(parts.len());
    let mut packets: usize = 0;
    for (number, part) in parts.iter().enumerate() {
        let picture = picture::read(&mut open(number)?, part, form.rate)?;
        packets = packets.saturating_add(picture.packets.len());
        if packets > MAX_PACKETS {
            let (found, allowed) = (packets as u64, MAX_PACKETS as u64);
            return Err(MediaError::Limit { what: "packets of picture", found, allowed });
        }
        pictures.push(picture);
    }
    let track = sound::read(sound, form)?;
    let layout = Layout::plan(&pictures, parts, &track, form)?;
    out.write_all(&layout.head)?;
    pour(&layout.chunks, &pictures, open, sound, out)
}

/// Copies the media, chunk by chunk; answers what was copied of each picture.
fn pour<P: Read + Seek, S: Read + Seek, W: Write>(
    chunks: &[Chunk],
    pictures: &[Picture],
    open: &mut dyn FnMut(usize) -> std::io::Result<P>,
    sound: &mut S,
    out: &mut W,
) -> Result<Vec<Coded>, MediaError> {
    let mut hashes: Vec<Sha256> = pictures.iter().map(|_| Sha256::new()).collect();
    let mut opened: Option<(usize, P)> = None;
    for chunk in chunks {
        match &chunk.source {
            Source::Picture { part, packets } => {
                let mut file = match opened.take().filter(|(of, _)| of == part) {
                    Some((_, file)) => file,
                    None => open(*part)?,
                };
                let ranges = pictures.get(*part).and_then(|picture| picture.packets.get(packets.clone()));
                let hash = hashes.get_mut(*part);
                if let Some((ranges, hash)) = ranges.zip(hash) {
                    copy(&mut file, ranges, &mut |bytes| {
                        hash.update(bytes);
                        out.write_all(bytes)
                    })?;
                }
                opened = Some((*part, file));
            }
            Source::Sound { ranges } => copy(sound, ranges, &mut |bytes| out.write_all(bytes))?,
            Source::Bytes(bytes) => out.write_all(bytes)?,
        }
    }
    let counts = pictures.iter().map(|picture| picture.packets.len() as u64);
    Ok(counts.zip(hashes).map(|(packets, hash)| coded(packets, hash)).collect())
}

fn coded(packets: u64, hash: Sha256) -> Coded {
    Coded { packets, sha256: format!("{:x}", hash.finalize()) }
}

/// Copies stretches of a file, those that touch in one go.
fn copy<R: Read + Seek>(
    source: &mut R,
    ranges: &[Range<u64>],
    take: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<(), MediaError> {
    let mut ranges = ranges.iter().peekable();
    let mut block = Vec::new();
    while let Some(first) = ranges.next() {
        let mut end = first.end;
        while let Some(next) = ranges.next_if(|next| next.start == end) {
            end = next.end;
        }
        let mut left = end.saturating_sub(first.start);
        source.seek(SeekFrom::Start(first.start))?;
        while left > 0 {
            block.clear();
            source.by_ref().take(left.min(1 << 18)).read_to_end(&mut block)?;
            if block.is_empty() {
                return Err(MediaError::malformed("mp4", first.start, "the file shrank while it was read"));
            }
            take(&block)?;
            left = left.saturating_sub(block.len() as u64);
        }
    }
    Ok(())
}

/// Reads the coded picture of a movie again, as parts of so many packets in the order of decoding. What is more in the
/// file is a part of its own.
///
/// # Errors
/// `Unsupported` for files that [`Movie`] does not read, `Malformed` for tables that point outside the file.
pub fn coded_parts<R: Read + Seek>(source: &mut R, counts: &[u64]) -> Result<Vec<Coded>, MediaError> {
    let movie = Movie::read(source)?;
    let track = movie.first(TrackKind::Picture);
    let track = track.ok_or_else(|| MediaError::Unsupported("a file without picture".to_owned()))?;
    let packets = movie.packets(track)?;
    let mut rest = packets.as_slice();
    let mut found = Vec::new();
    let mut counts = counts.iter().map(|count| usize::try_from(*count).unwrap_or(usize::MAX));
    while let Some(count) = counts.next().or((!rest.is_empty()).then_some(rest.len())) {
        let (these, after) = rest.split_at(count.min(rest.len()));
        rest = after;
        let mut hash = Sha256::new();
        copy(source, these, &mut |bytes| {
            hash.update(bytes);
            Ok(())
        })?;
        found.push(coded(these.len() as u64, hash));
    }
    Ok(found)
}
