//! BMP: its header, and whether its pixels are there.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::{BufRead, Read, Seek};

use image::ImageDecoder;
use image::codecs::bmp::BmpDecoder;

use seedpost_core::media::{Colour, StillInfo};

use super::{fits_memory, translate};
use crate::MediaError;

/// The header of a file (14 bytes) and the part of the picture's header that all versions since 3 share.
const HEAD: u64 = 54;

/// Reads the headers.
pub(super) fn facts<R: BufRead + Seek>(source: &mut R, length: u64) -> Result<StillInfo, MediaError> {
    let mut head = Vec::new();
    source.by_ref().take(HEAD).read_to_end(&mut head)?;
    source.rewind()?;
    let decoder = BmpDecoder::new(source).map_err(|error| translate(error, "bmp"))?;
    let ((width, height), colours) = (decoder.dimensions(), decoder.color_type());
    if pixels_end(&head, width, height).is_some_and(|end| end > length) {
        return Err(MediaError::malformed("bmp", length, "the pixels go past the end: the file was cut short"));
    }
    let (colour, alpha) = (Some(Colour::Rgb), colours.has_alpha());
    let copyable = fits_memory(decoder.total_bytes(), 1);
    Ok(StillInfo { width, height, orientation: 1, animated: false, colour, alpha, copyable })
}

/// The byte behind the last row, where rows are not packed: each is padded to four bytes.
fn pixels_end(head: &[u8], width: u32, height: u32) -> Option<u64> {
    let u16_at = |at: usize| head.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes));
    let u32_at = |at: usize| head.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    let old = u32_at(14)? == 12;
    let bits = u16_at(if old { 24 } else { 28 })?;
    if !old && matches!(u32_at(30)?, 1 | 2) {
        // Packed rows: their header says how many bytes they take.
        return u64::from(u32_at(10)?).checked_add(u32_at(34)?.into());
    }
    if !old && !matches!(u32_at(30)?, 0 | 3 | 6) {
        return None;
    }
    let row = u64::from(width).checked_mul(bits.into())?.div_ceil(32).checked_mul(4)?;
    row.checked_mul(height.into())?.checked_add(u32_at(10)?.into())
}
