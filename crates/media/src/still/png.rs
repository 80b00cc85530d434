//! PNG (third edition) with its animations: the header, and every chunk's name and length.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::{BufRead, Seek, SeekFrom};

use image::codecs::png::PngDecoder;
use image::{ImageDecoder, Limits};

use seedpost_core::media::{Colour, StillInfo};

use super::{MAX_CHUNKS, MAX_HEADERS, check_sides, fits_memory, orientation, read_exif, translate};
use crate::MediaError;

/// What stands in the chunks around the pixels.
#[derive(Default)]
struct Chunks {
    exif: Vec<u8>,
    /// The frames that acTL promises, where it stands before the pixels.
    promised: Option<u32>,
    /// The frames that are there.
    frames: u32,
    pixels: bool,
}

/// Reads the header and walks over the chunks.
pub(super) fn facts<R: BufRead + Seek>(source: &mut R, length: u64) -> Result<StillInfo, MediaError> {
    let chunks = walk(source, length)?;
    if let Some(promised) = chunks.promised.filter(|promised| *promised != chunks.frames) {
        // There must be as many fcTL chunks as acTL counts frames (11.3.6.1).
        let what = format!("its animation promises {promised} frames and has {}", chunks.frames);
        return Err(MediaError::malformed("png", 0, what));
    }
    source.rewind()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_HEADERS);
    let decoder = PngDecoder::with_limits(source, limits).map_err(|error| translate(error, "png"))?;
    let ((width, height), colours) = (decoder.dimensions(), decoder.color_type());
    Ok(StillInfo {
        width,
        height,
        orientation: orientation(&chunks.exif),
        animated: chunks.promised.is_some_and(|frames| frames > 1),
        colour: Some(if colours.has_color() { Colour::Rgb } else { Colour::Grey }),
        // The decoder turns a transparent colour (tRNS) into alpha.
        alpha: colours.has_alpha(),
        copyable: fits_memory(decoder.total_bytes(), 1),
    })
}

/// Goes from chunk to chunk until IEND.
fn walk<R: BufRead + Seek>(source: &mut R, length: u64) -> Result<Chunks, MediaError> {
    let mut chunks = Chunks::default();
    let mut at: u64 = 8;
    source.seek(SeekFrom::Start(at))?;
    for _ in 0..MAX_CHUNKS {
        let (mut size, mut kind) = ([0; 4], [0; 4]);
        source.read_exact(&mut size)?;
        source.read_exact(&mut kind)?;
        let size = u64::from(u32::from_be_bytes(size));
        let next = at.saturating_add(size).saturating_add(12);
        if next > length {
            return Err(MediaError::malformed("png", at, "a chunk goes past the end: the file was cut short"));
        }
        match &kind {
            // Checked before the library, which counts the bytes of a row first.
            b"IHDR" => {
                let (mut width, mut height) = ([0; 4], [0; 4]);
                source.read_exact(&mut width)?;
                source.read_exact(&mut height)?;
                check_sides(u32::from_be_bytes(width), u32::from_be_bytes(height), "png")?;
            }
            b"IEND" if chunks.pixels => return Ok(chunks),
            b"IEND" => return Err(MediaError::malformed("png", at, "no pixels (IDAT)")),
            b"IDAT" => chunks.pixels = true,
            b"fcTL" => chunks.frames = chunks.frames.saturating_add(1),
            b"eXIf" => chunks.exif = read_exif(source, size)?,
            b"acTL" if !chunks.pixels => {
                let mut frames = [0; 4];
                source.read_exact(&mut frames)?;
                chunks.promised = Some(u32::from_be_bytes(frames));
            }
            _ => {}
        }
        at = next;
        skip_to(source, at)?;
    }
    Err(MediaError::Limit { what: "chunks of a PNG", found: MAX_CHUNKS.saturating_add(1), allowed: MAX_CHUNKS })
}

/// Goes to `at` and keeps what the reader has buffered, if `at` stands in it.
fn skip_to<R: Seek>(source: &mut R, at: u64) -> Result<(), MediaError> {
    let here = source.stream_position()?;
    match i64::try_from(at.saturating_sub(here)) {
        Ok(forward) if at >= here => source.seek_relative(forward)?,
        _ => {
            source.seek(SeekFrom::Start(at))?;
        }
    }
    Ok(())
}
