//! What stands in the index of a written MP4 or MOV, where the muxer cannot be told all of it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use seedpost_core::time::Rounding;

use super::facts::Shown;
use crate::AvError;

/// Writes how the picture is shown into the header of its track (ISO/IEC 14496-12, 8.3.2).
pub(super) fn patch(path: &Path, shown: &Shown) -> Result<(), AvError> {
    let (wide, high) = shown.pixel_aspect;
    if shown.matrix.is_none() && wide == high {
        return Ok(());
    }
    let (mut file, index) = open(path)?;
    let mut rest = index;
    while let Some(track) = find(&mut file, rest.clone(), *b"trak")? {
        rest.start = track.end;
        if handler(&mut file, track.clone())? != *b"vide" {
            continue;
        }
        let header = find(&mut file, track, *b"tkhd")?.ok_or(MISSING)?;
        let [version] = read(&mut file, header.start)?;
        // Version 1 has three longer times.
        let matrix = header.start + if version == 1 { 52 } else { 40 };
        if matrix + 44 > header.end {
            return Err(MISSING);
        }
        if let Some(cells) = &shown.matrix {
            file.seek(SeekFrom::Start(matrix))?;
            file.write_all(cells)?;
        }
        if wide != high {
            let [a, b, c, d] = read(&mut file, matrix + 36)?;
            let width = u64::from(u32::from_be_bytes([a, b, c, d])) * u64::from(wide) / u64::from(high.max(1));
            file.seek(SeekFrom::Start(matrix + 36))?;
            file.write_all(&u32::try_from(width).unwrap_or(u32::MAX).to_be_bytes())?;
        }
        return Ok(());
    }
    Err(MISSING)
}

/// Makes a timecode as long as its track's header says, which is as long as its picture is shown: the muxer makes it as
/// long as what is stored, which is more than an edit list may show.
pub(super) fn fit_timecode(path: &Path) -> Result<(), AvError> {
    let (mut file, index) = open(path)?;
    let mut rest = index.clone();
    while let Some(track) = find(&mut file, rest.clone(), *b"trak")? {
        rest.start = track.end;
        if handler(&mut file, track.clone())? == *b"tmcd" {
            return fit(&mut file, &index, &track);
        }
    }
    Err(MISSING)
}

fn fit(file: &mut File, index: &Range<u64>, track: &Range<u64>) -> Result<(), AvError> {
    let mut part = |within: &Range<u64>, kinds: &[[u8; 4]]| inside(file, within.clone(), kinds)?.ok_or(MISSING);
    let [movie, header] = [part(index, &[*b"mvhd"])?, part(track, &[*b"tkhd"])?];
    let media = part(track, &[*b"mdia", *b"mdhd"])?;
    let table = part(track, &[*b"mdia", *b"minf", *b"stbl", *b"stts"])?;
    let edits = inside(file, track.clone(), &[*b"edts", *b"elst"])?;
    let shown = Length::of(file, header, [20, 28])?.value;
    if let Some(edits) = edits {
        Length::of(file, edits, [8, 8])?.set(file, shown)?;
    }
    let ticks = u128::from(shown) * u128::from(clock(file, &media)?);
    let ticks = Rounding::Nearest.divide(ticks, clock(file, &movie)?.into()).ok_or(MISSING)?;
    Length::of(file, media, [16, 24])?.set(file, ticks)?;
    // There is one label; this is how long it lasts (ISO/IEC 14496-12, 8.6.1.2).
    Length { at: table.start + 12, is_wide: false, value: 0 }.set(file, ticks)
}

/// The bytes that describe how the picture of a file is coded (ISO/IEC 14496-12, 8.5.2).
pub(crate) fn description(path: &Path) -> Result<Vec<u8>, AvError> {
    const MOST: u64 = 1 << 16;
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut rest = find(&mut file, 0..length, *b"moov")?.ok_or(MISSING)?;
    while let Some(track) = find(&mut file, rest.clone(), *b"trak")? {
        rest.start = track.end;
        if handler(&mut file, track.clone())? == *b"vide" {
            let found = inside(&mut file, track, &[*b"mdia", *b"minf", *b"stbl", *b"stsd"])?.ok_or(MISSING)?;
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(found.start))?;
            file.take((found.end - found.start).min(MOST)).read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
    }
    Err(MISSING)
}

/// Ticks a second of the movie's or a track's header.
fn clock(file: &mut File, header: &Range<u64>) -> Result<u32, AvError> {
    let [version] = read(file, header.start)?;
    Ok(u32::from_be_bytes(read(file, header.start + if version == 1 { 20 } else { 12 })?))
}

/// The inside of a box within a box, and so on.
fn inside(file: &mut File, mut within: Range<u64>, kinds: &[[u8; 4]]) -> Result<Option<Range<u64>>, AvError> {
    for kind in kinds {
        match find(file, within, *kind)? {
            Some(found) => within = found,
            None => return Ok(None),
        }
    }
    Ok(Some(within))
}

/// A length in ticks, of four bytes or in version 1 of eight (ISO/IEC 14496-12, 8.2.2, 8.3.2, 8.4.2, 8.6.6).
struct Length {
    at: u64,
    is_wide: bool,
    value: u64,
}

impl Length {
    /// Of a box; `places` are its places in version 0 and 1.
    fn of(file: &mut File, within: Range<u64>, places: [u64; 2]) -> Result<Length, AvError> {
        let [version] = read(file, within.start)?;
        let is_wide = version == 1;
        let at = within.start + if is_wide { places[1] } else { places[0] };
        let value =
            if is_wide { u64::from_be_bytes(read(file, at)?) } else { u32::from_be_bytes(read(file, at)?).into() };
        Ok(Length { at, is_wide, value })
    }

    fn set(&self, file: &mut File, value: u64) -> Result<(), AvError> {
        file.seek(SeekFrom::Start(self.at))?;
        match u32::try_from(value) {
            _ if self.is_wide => file.write_all(&value.to_be_bytes())?,
            Ok(value) => file.write_all(&value.to_be_bytes())?,
            Err(_) => return Err(AvError::Request("its picture lasts too long")),
        }
        Ok(())
    }
}

const MISSING: AvError = AvError::Request("there is no picture track in its index");

/// Opens a file, and finds the inside of its index.
fn open(path: &Path) -> Result<(File, Range<u64>), AvError> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let index = find(&mut file, 0..length, *b"moov")?.ok_or(MISSING)?;
    Ok((file, index))
}

/// What a track is for.
fn handler(file: &mut File, track: Range<u64>) -> Result<[u8; 4], AvError> {
    match inside(file, track, &[*b"mdia", *b"hdlr"])? {
        Some(handler) => read(file, handler.start + 8),
        None => Ok([0; 4]),
    }
}

/// The inside of the first box of a kind within a range.
fn find(file: &mut File, within: Range<u64>, kind: [u8; 4]) -> Result<Option<Range<u64>>, AvError> {
    let mut at = within.start;
    while at + 8 <= within.end {
        let [a, b, c, d, name @ ..] = read::<8>(file, at)?;
        let (head, length) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (8, within.end - at),
            1 => (16, u64::from_be_bytes(read(file, at + 8)?)),
            length => (8, length.into()),
        };
        let end = at.saturating_add(length);
        if length < head || end > within.end {
            return Ok(None);
        }
        if name == kind {
            return Ok(Some(at + head..end));
        }
        at = end;
    }
    Ok(None)
}

fn read<const N: usize>(file: &mut File, at: u64) -> Result<[u8; N], AvError> {
    let mut bytes = [0; N];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
