//! An MP4 without sound: the picture's packets and tables byte for byte, the index in front.
//!
//! Only the chunk offsets change. Deliberately absent: re-encoding, fragmented files (FFmpeg takes
//! those), tracks other than the first picture, and boxes outside the index.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;

use crate::MediaError;
use crate::mp4::{ChunkTable, Movie, TrackKind};

/// Copies `source` to `out` without any track but the first picture; answers the bytes written.
///
/// # Errors
/// `Unsupported` for files without a picture, fragmented or encrypted ones; `Malformed` for tables
/// that point outside the file. What was written by then must be thrown away.
pub fn strip<R: Read + Seek, W: Write>(source: &mut R, out: &mut W) -> Result<u64, MediaError> {
    extract(source, TrackKind::Picture, out)
}

/// Copies `source` to `out` with nothing but the first track of a kind.
pub(crate) fn extract<R: Read + Seek, W: Write>(
    source: &mut R,
    kind: TrackKind,
    out: &mut W,
) -> Result<u64, MediaError> {
    let movie = Movie::read(source)?;
    let missing = || MediaError::Unsupported(format!("a file without {kind:?}").to_lowercase());
    let track = movie.first(kind).ok_or_else(missing)?;
    let table = movie.chunks(track)?;
    let (mut moov, offsets_at) = lone_index(&movie, &track.place, table.offsets_at)?;
    let payload =
        table.chunks.iter().try_fold(0_u64, |sum, chunk| sum.checked_add(chunk.end.saturating_sub(chunk.start)));
    let payload =
        payload.ok_or(MediaError::Limit { what: "bytes of one track", found: u64::MAX, allowed: movie.file_len })?;
    if payload > movie.file_len {
        return Err(MediaError::Limit { what: "bytes of one track", found: payload, allowed: movie.file_len });
    }
    let header = mdat_header(payload);
    let mut ftyp = movie.ftyp.clone();
    // A size of zero means "to the end of the file", which is now elsewhere.
    if !ftyp.is_empty() {
        set_size(&mut ftyp).ok_or_else(|| MediaError::malformed("mp4", 0, "the first box is cut"))?;
    }
    let first =
        [ftyp.len(), moov.len(), header.len()].iter().fold(0_u64, |sum, length| sum.saturating_add(*length as u64));
    point_at(&mut moov, offsets_at, &table, first)?;
    for bytes in [&ftyp, &moov, &header] {
        out.write_all(bytes)?;
    }
    for run in runs(&table.chunks) {
        copy(source, out, &run)?;
    }
    Ok(first.saturating_add(payload))
}

/// The index without the other tracks, and where the kept one's chunk offsets then stand.
fn lone_index(movie: &Movie, keep: &Range<usize>, offsets_at: usize) -> Result<(Vec<u8>, usize), MediaError> {
    let limit = || MediaError::malformed("mp4", keep.start as u64, "the index contradicts itself");
    let mut moov = Vec::with_capacity(movie.moov.len());
    let mut at = 0;
    let mut place = 0;
    for track in &movie.tracks {
        moov.extend_from_slice(movie.moov.get(at..track.place.start).ok_or_else(limit)?);
        if track.place == *keep {
            place = moov.len().checked_add(offsets_at).ok_or_else(limit)?;
            moov.extend_from_slice(movie.moov.get(keep.clone()).ok_or_else(limit)?);
        }
        at = track.place.end;
    }
    moov.extend_from_slice(movie.moov.get(at..).ok_or_else(limit)?);
    set_size(&mut moov).ok_or_else(limit)?;
    Ok((moov, place))
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

/// Points the track's chunks at their new places, one after the other from `first` on.
fn point_at(moov: &mut [u8], offsets_at: usize, table: &ChunkTable, first: u64) -> Result<(), MediaError> {
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
    Ok(())
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

fn copy<R: Read + Seek, W: Write>(source: &mut R, out: &mut W, run: &Range<u64>) -> Result<(), MediaError> {
    let length = run.end.saturating_sub(run.start);
    source.seek(SeekFrom::Start(run.start))?;
    let copied = std::io::copy(&mut source.by_ref().take(length), out)?;
    if copied != length {
        return Err(MediaError::malformed("mp4", run.start, "the file shrank while it was read"));
    }
    Ok(())
}
