//! The header of a picture's track in a written MP4 or MOV, where the muxer cannot be told all of it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use super::facts::Shown;
use crate::AvError;

/// Writes how the picture is shown into the header of its track (ISO/IEC 14496-12, 8.3.2).
pub(super) fn patch(path: &Path, shown: &Shown) -> Result<(), AvError> {
    let (wide, high) = shown.pixel_aspect;
    if shown.matrix.is_none() && wide == high {
        return Ok(());
    }
    const MISSING: AvError = AvError::Request("the file that was written has no picture track");
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let index = find(&mut file, 0..length, *b"moov")?.ok_or(MISSING)?;
    let mut rest = index;
    while let Some(track) = find(&mut file, rest.clone(), *b"trak")? {
        rest.start = track.end;
        if !is_picture(&mut file, track.clone())? {
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

fn is_picture(file: &mut File, track: Range<u64>) -> Result<bool, AvError> {
    let Some(media) = find(file, track, *b"mdia")? else { return Ok(false) };
    let Some(handler) = find(file, media, *b"hdlr")? else { return Ok(false) };
    Ok(read(file, handler.start + 8)? == *b"vide")
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
