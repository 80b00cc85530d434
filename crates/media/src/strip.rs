//! An MP4 without sound: the picture's packets and tables byte for byte, the index in front.
//!
//! Only chunk offsets change, and the movie's own length where the sound was longer. The tracks that the picture
//! refers to for timecode and chapters stay with it. Deliberately absent: re-encoding, fragmented files (FFmpeg takes
//! those), other tracks, and boxes outside the index.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;

use crate::MediaError;
use crate::mp4::{ChunkTable, Movie, Track, TrackKind};

/// Copies `source` to `out` without sound; answers the bytes written.
///
/// # Errors
/// `Unsupported` for files without a picture, fragmented or encrypted ones; `Malformed` for tables
/// that point outside the file. What was written by then must be thrown away.
pub fn strip<R: Read + Seek, W: Write>(source: &mut R, out: &mut W) -> Result<u64, MediaError> {
    let movie = Movie::read(source)?;
    let tracks = pictured(&movie)?;
    extract(source, &movie, &tracks, out)
}

/// Whether a file can be stripped here; where it cannot, FFmpeg may do it.
///
/// # Errors
/// `Malformed` and `Limit`, which are final.
pub fn is_possible(movie: &Movie) -> Result<bool, MediaError> {
    match pictured(movie).and_then(|tracks| Copy::plan(movie, &tracks)) {
        Ok(_) => Ok(true),
        Err(MediaError::Unsupported(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The first picture, and behind it what it refers to.
pub(crate) fn pictured(movie: &Movie) -> Result<Vec<&Track>, MediaError> {
    let picture = movie.first(TrackKind::Picture);
    let picture = picture.ok_or_else(|| MediaError::Unsupported("a file without picture".to_owned()))?;
    let referred = |track: &&Track| track.kind == TrackKind::Other && picture.refers.contains(&track.id);
    Ok(std::iter::once(picture).chain(movie.tracks.iter().filter(referred)).collect())
}

/// Copies `source` to `out` with nothing but some tracks, the media of one behind that of the other.
pub(crate) fn extract<R: Read + Seek, W: Write>(
    source: &mut R,
    movie: &Movie,
    tracks: &[&Track],
    out: &mut W,
) -> Result<u64, MediaError> {
    let copy = Copy::plan(movie, tracks)?;
    out.write_all(&copy.head)?;
    for run in copy.tables.iter().flat_map(|table| runs(&table.chunks)) {
        pour(source, out, &run)?;
    }
    Ok(copy.length)
}

/// A file that is about to be written.
pub(crate) struct Copy {
    /// All that stands before the media.
    pub(crate) head: Vec<u8>,
    /// Where the media of each track lies in the source; it follows in this order.
    pub(crate) tables: Vec<ChunkTable>,
    /// The file's length.
    length: u64,
}

impl Copy {
    pub(crate) fn plan(movie: &Movie, tracks: &[&Track]) -> Result<Copy, MediaError> {
        let tables = tracks.iter().map(|track| movie.chunks(track)).collect::<Result<Vec<_>, _>>()?;
        let chunks = tables.iter().flat_map(|table| &table.chunks);
        let payload = chunks.fold(0_u64, |sum, chunk| sum.saturating_add(chunk.end.saturating_sub(chunk.start)));
        // Chunks that overlap would let a small file grow without end.
        if payload > movie.file_len {
            return Err(MediaError::Limit { what: "bytes of its tracks", found: payload, allowed: movie.file_len });
        }
        let (mut moov, places) = index_of(movie, tracks)?;
        let header = mdat_header(payload);
        let mut head = movie.ftyp.clone();
        // A size of zero means "to the end of the file", which is now elsewhere.
        if !head.is_empty() {
            set_size(&mut head).ok_or_else(|| MediaError::malformed("mp4", 0, "the first box is cut"))?;
        }
        let lengths = [head.len(), moov.len(), header.len()];
        let mut at = lengths.iter().fold(0_u64, |sum, length| sum.saturating_add(*length as u64));
        for (table, place) in tables.iter().zip(places) {
            at = point_at(&mut moov, place.saturating_add(table.offsets_at), table, at)?;
        }
        head.extend_from_slice(&moov);
        head.extend_from_slice(&header);
        Ok(Copy { head, tables, length: at })
    }
}

/// The index with these tracks alone, and where each of them stands in it.
fn index_of(movie: &Movie, keep: &[&Track]) -> Result<(Vec<u8>, Vec<usize>), MediaError> {
    let limit = || MediaError::malformed("mp4", 0, "the index contradicts itself");
    let mut whole = movie.moov.clone();
    shorten(&mut whole, movie, keep);
    let mut moov = Vec::with_capacity(whole.len());
    let mut places = vec![0; keep.len()];
    let mut at = 0;
    for track in &movie.tracks {
        moov.extend_from_slice(whole.get(at..track.place.start).ok_or_else(limit)?);
        let kept = keep.iter().position(|kept| kept.place == track.place);
        if let Some(place) = kept.and_then(|index| places.get_mut(index)) {
            *place = moov.len();
            moov.extend_from_slice(whole.get(track.place.clone()).ok_or_else(limit)?);
        }
        at = track.place.end;
    }
    moov.extend_from_slice(whole.get(at..).ok_or_else(limit)?);
    set_size(&mut moov).ok_or_else(limit)?;
    Ok((moov, places))
}

/// Lets the movie last as long as the longest of its tracks (`mvhd`, 8.2.2), where it was longer.
fn shorten(moov: &mut [u8], movie: &Movie, keep: &[&Track]) {
    let Some(longest) = keep.iter().map(|track| track.shown_length).max() else { return };
    let Some(duration) = movie.duration_place.clone().and_then(|place| moov.get_mut(place)) else { return };
    if let Ok(wide) = <&mut [u8; 8]>::try_from(&mut *duration) {
        *wide = u64::from_be_bytes(*wide).min(longest).to_be_bytes();
    } else if let (Ok(narrow), Ok(longest)) = (<&mut [u8; 4]>::try_from(duration), u32::try_from(longest)) {
        *narrow = u32::from_be_bytes(*narrow).min(longest).to_be_bytes();
    }
}

/// Writes the length of a whole box into its header, which may be of either width.
fn set_size(atom: &mut [u8]) -> Option<()> {
    let length = atom.len();
    let (narrow, rest) = atom.split_first_chunk_mut::<4>()?;
    if *narrow == 1_u32.to_be_bytes() {
        let wide = rest.get_mut(4..12)?;
        wide.copy_from_slice(&(length as u64).to_be_bytes());
    } else {
        *narrow = u32::try_from(length).ok()?.to_be_bytes();
    }
    Some(())
}

fn mdat_header(payload: u64) -> Vec<u8> {
    match u32::try_from(payload.saturating_add(8)) {
        Ok(size) => [size.to_be_bytes(), *b"mdat"].concat(),
        Err(_) => [&1_u32.to_be_bytes()[..], b"mdat", &payload.saturating_add(16).to_be_bytes()].concat(),
    }
}

/// Points a track's chunks at their new places, one after the other from `first` on; answers the place behind them.
fn point_at(moov: &mut [u8], offsets_at: usize, table: &ChunkTable, first: u64) -> Result<u64, MediaError> {
    let width = if table.wide { 8 } else { 4 };
    let slots = moov.get_mut(offsets_at..).unwrap_or_default().chunks_exact_mut(width);
    let mut place = first;
    for (slot, chunk) in slots.zip(&table.chunks) {
        if table.wide {
            slot.copy_from_slice(&place.to_be_bytes());
        } else {
            let narrow = u32::try_from(place).map_err(|_| MediaError::Limit {
                what: "bytes before a chunk",
                found: place,
                allowed: u32::MAX.into(),
            })?;
            slot.copy_from_slice(&narrow.to_be_bytes());
        }
        place = place.saturating_add(chunk.end.saturating_sub(chunk.start));
    }
    Ok(place)
}

/// Joins chunks that touch, so that each run is read in one go.
fn runs(chunks: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for chunk in chunks {
        match runs.last_mut() {
            Some(last) if last.end == chunk.start => last.end = chunk.end,
            _ => runs.push(chunk.clone()),
        }
    }
    runs
}

fn pour<R: Read + Seek, W: Write>(source: &mut R, out: &mut W, run: &Range<u64>) -> Result<(), MediaError> {
    let length = run.end.saturating_sub(run.start);
    source.seek(SeekFrom::Start(run.start))?;
    let copied = std::io::copy(&mut source.by_ref().take(length), out)?;
    if copied != length {
        return Err(MediaError::malformed("mp4", run.start, "the file shrank while it was read"));
    }
    Ok(())
}
