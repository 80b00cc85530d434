//! WebP (RFC 9649): the chunks of its RIFF, and the picture's own header.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::{BufRead, Seek, SeekFrom};

use image::ImageDecoder;
use image::codecs::webp::WebPDecoder;

use seedpost_core::media::{Colour, StillInfo};

use super::{MAX_CHUNKS, fits_memory, orientation, read_exif, translate};
use crate::MediaError;

/// Reads the header and walks over the chunks, so that no later reader meets a length that lies.
pub(super) fn facts<R: BufRead + Seek>(source: &mut R, length: u64) -> Result<StillInfo, MediaError> {
    let exif = walk(source, length)?;
    source.rewind()?;
    let decoder = WebPDecoder::new(source).map_err(|error| translate(error, "webp"))?;
    let (width, height) = decoder.dimensions();
    Ok(StillInfo {
        width,
        height,
        orientation: orientation(&exif),
        animated: decoder.has_animation(),
        colour: Some(Colour::Rgb),
        alpha: decoder.color_type().has_alpha(),
        copyable: fits_memory(decoder.total_bytes(), 2),
    })
}

/// The byte behind the RIFF; what follows is no part of the picture.
pub(super) fn end<R: BufRead + Seek>(source: &mut R) -> Result<u64, MediaError> {
    let mut size = [0; 4];
    source.seek(SeekFrom::Start(4))?;
    source.read_exact(&mut size)?;
    Ok(u64::from(u32::from_le_bytes(size)).saturating_add(8))
}

/// Goes from chunk to chunk, and answers the Exif.
fn walk<R: BufRead + Seek>(source: &mut R, length: u64) -> Result<Vec<u8>, MediaError> {
    let cut = |at: u64| MediaError::malformed("webp", at, "a chunk goes past the end: the file was cut short");
    let end = end(source)?;
    if end > length {
        return Err(cut(4));
    }
    let mut exif = Vec::new();
    let mut at: u64 = 12;
    for _ in 0..MAX_CHUNKS {
        if end.saturating_sub(at) < 8 {
            return Ok(exif);
        }
        source.seek(SeekFrom::Start(at))?;
        let (mut kind, mut size) = ([0; 4], [0; 4]);
        source.read_exact(&mut kind)?;
        source.read_exact(&mut size)?;
        let size = u64::from(u32::from_le_bytes(size));
        let next = at.saturating_add(8).saturating_add(size);
        if next > end {
            return Err(cut(at));
        }
        if &kind == b"EXIF" {
            exif = read_exif(source, size)?;
        }
        at = next.saturating_add(size & 1);
    }
    Err(MediaError::Limit { what: "chunks of a WebP", found: MAX_CHUNKS.saturating_add(1), allowed: MAX_CHUNKS })
}
