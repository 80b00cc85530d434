//! The track of sound that goes under the pictures: all its boxes but those that say where its packets lie.

use std::io::{Read, Seek};
use std::ops::Range;

use seedpost_core::time::Samples;

use super::Form;
use crate::MediaError;
use crate::mp4::{Atom, Movie, Track, TrackKind, atoms, child};

/// How many packets a second has, and where they lie.
pub(super) type Second = (u32, Vec<Range<u64>>);

/// A track of sound.
pub(super) struct SoundTrack {
    /// The whole track, as it stood in its file.
    pub(super) trak: Vec<u8>,
    /// What it is made of.
    pub(super) chunks: Vec<Second>,
    /// Where it begins to be heard, in its own ticks.
    pub(super) media_time: u64,
}

/// Reads a file's only track of sound.
pub(super) fn read<R: Read + Seek>(source: &mut R, form: &Form) -> Result<SoundTrack, MediaError> {
    let movie = Movie::read(source)?;
    let track = movie.first(TrackKind::Sound);
    let track = track.ok_or_else(|| MediaError::Unsupported("a file without sound".to_owned()))?;
    if track.timescale != 48_000 {
        return Err(MediaError::Unsupported(format!("a sound that counts {} ticks a second", track.timescale)));
    }
    let bytes = movie.chunks(track)?.chunks;
    let bytes = bytes.iter().fold(0_u64, |sum, chunk| sum.saturating_add(chunk.end.saturating_sub(chunk.start)));
    // Chunks that overlap would let a small file grow without end.
    if bytes > movie.file_len {
        return Err(MediaError::Limit { what: "bytes of its sound", found: bytes, allowed: movie.file_len });
    }
    let trak = movie.moov.get(track.place.clone()).unwrap_or_default().to_vec();
    let media_time = match track.edits.as_slice() {
        [] => 0,
        [edit] => edit.media_time.ok_or_else(unknown_edits)?,
        _ => return Err(unknown_edits()),
    };
    let found = Samples(track.ticks.saturating_sub(media_time));
    if found < form.samples {
        let what = format!("{} samples of sound where {} are needed", found.0, form.samples.0);
        return Err(MediaError::malformed("mp4", 0, what));
    }
    let chunks = match packet_size(&trak)? {
        0 => coded(&movie, track)?,
        size => plain(&movie, track, size)?,
    };
    Ok(SoundTrack { trak, chunks, media_time })
}

fn unknown_edits() -> MediaError {
    MediaError::Unsupported("a sound that is heard in several pieces, or later than it begins".to_owned())
}

/// The size that all packets have; zero where each has its own.
fn packet_size(trak: &[u8]) -> Result<u64, MediaError> {
    let stbl = super::picture::stbl(Atom::whole(trak)?)?;
    child(&atoms(stbl)?, b"stsz", stbl)?.u32(4).map(u64::from)
}

/// Packets that are single samples: any stretch of their bytes is a chunk.
fn plain(movie: &Movie, track: &Track, size: u64) -> Result<Vec<Second>, MediaError> {
    // As many as a second has.
    let second = u64::from(track.timescale).saturating_mul(size);
    let mut chunks: Vec<Second> = Vec::new();
    let mut room: u64 = 0;
    for mut chunk in movie.chunks(track)?.chunks {
        while chunk.start < chunk.end {
            if room == 0 {
                chunks.push((0, Vec::new()));
                room = second;
            }
            let taken = room.min(chunk.end.saturating_sub(chunk.start));
            let end = chunk.start.saturating_add(taken);
            if let Some((packets, ranges)) = chunks.last_mut() {
                ranges.push(chunk.start..end);
                let count = taken.checked_div(size).and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
                *packets = packets.saturating_add(count);
            }
            (room, chunk.start) = (room.saturating_sub(taken), end);
        }
    }
    Ok(chunks)
}

/// Packets of their own sizes, evenly long: as many a chunk as a second has.
fn coded(movie: &Movie, track: &Track) -> Result<Vec<Second>, MediaError> {
    let packets = movie.packets(track)?;
    let ticks = track.ticks.checked_div(packets.len() as u64).unwrap_or(0).max(1);
    let second = u64::from(track.timescale).div_ceil(ticks).max(1);
    let second = usize::try_from(second).unwrap_or(usize::MAX);
    let chunk = |ranges: &[Range<u64>]| (u32::try_from(ranges.len()).unwrap_or(u32::MAX), ranges.to_vec());
    Ok(packets.chunks(second).map(chunk).collect())
}
