//! TIFF (revision 6.0): the tags of its first picture, and whether its strips or tiles are there.

use std::io::{BufRead, Seek, SeekFrom};

use image::ImageDecoder;
use image::codecs::tiff::TiffDecoder;
use tiff::decoder::Decoder;
use tiff::tags::Tag;
use tiff::{TiffError, TiffResult};

use seedpost_core::media::{Colour, StillInfo};

use super::fits_memory;
use crate::MediaError;

/// The most bytes of one tag's values: the offsets of 130,000 strips.
const MAX_VALUES: u64 = 1 << 20;
/// Tags from here on do not describe the pixels, and are not read: layers of other programs may be large.
const FIRST_OTHER: u64 = 700;
/// The most tags of a directory.
const MAX_TAGS: u64 = 4096;

/// Reads the first directory.
pub(super) fn facts<R: BufRead + Seek>(source: &mut R, length: u64) -> Result<StillInfo, MediaError> {
    check_tags(source, length)?;
    source.rewind()?;
    let mut decoder = Decoder::new(&mut *source).map_err(translate)?;
    let (info, end) = read(&mut decoder).map_err(translate)?;
    if end > length {
        return Err(MediaError::malformed("tiff", length, "the pixels go past the end: the file was cut short"));
    }
    source.rewind()?;
    // Not every kind of pixel that the format has is decoded.
    let bytes = TiffDecoder::new(source).map(|decoder| decoder.total_bytes());
    let copyable = info.copyable && bytes.is_ok_and(|bytes| fits_memory(bytes, 2));
    Ok(StillInfo { copyable, ..info })
}

/// Compressions (tag 259) that are decoded: none, Fax4, LZW, Deflate, PackBits, and Deflate's older number. Not JPEG,
/// whose size may differ from the picture's and is not limited by the library.
const DECODED: [u16; 6] = [1, 4, 5, 8, 32_773, 32_946];

/// Goes over the tags of the first directory (section 2; BigTIFF has 64 bits for each number), since the library
/// makes room for as many values as a tag counts before it looks whether they are there.
fn check_tags<R: BufRead + Seek>(source: &mut R, length: u64) -> Result<(), MediaError> {
    source.rewind()?;
    let mut mark = [0; 4];
    source.read_exact(&mut mark)?;
    let (little, big) = (mark[0] == b'I', mark.contains(&43));
    let number = |source: &mut R, bytes: usize| -> Result<u64, MediaError> {
        let mut read = [0; 8];
        source.read_exact(&mut read[..bytes])?;
        let wide = if little { u64::from_le_bytes(read) } else { u64::from_be_bytes(read) >> (64 - 8 * bytes) };
        Ok(wide)
    };
    let wide = if big { 8 } else { 4 };
    if big {
        number(source, 4)?;
    }
    let at = number(source, wide)?;
    source.seek(SeekFrom::Start(at))?;
    let tags = number(source, if big { 8 } else { 2 })?;
    if tags > MAX_TAGS {
        return Err(MediaError::Limit { what: "tags of a TIFF", found: tags, allowed: MAX_TAGS });
    }
    for _ in 0..tags {
        let (tag, kind, count) = (number(source, 2)?, number(source, 2)?, number(source, wide)?);
        number(source, wide)?;
        let size = match kind {
            1 | 2 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            _ => 8,
        };
        let bytes = count.saturating_mul(size);
        if bytes > length {
            return Err(MediaError::malformed("tiff", at, format!("a tag of {count} values: the file was cut short")));
        }
        if tag < FIRST_OTHER && bytes > MAX_VALUES {
            return Err(MediaError::Limit { what: "bytes of one tag of a TIFF", found: bytes, allowed: MAX_VALUES });
        }
    }
    Ok(())
}

/// The facts, and the byte behind the last strip or tile.
fn read<R: BufRead + Seek>(decoder: &mut Decoder<R>) -> TiffResult<(StillInfo, u64)> {
    let (width, height) = decoder.dimensions()?;
    let orientation = decoder.find_tag_unsigned::<u8>(Tag::Orientation)?.filter(|turn| (1..=8).contains(turn));
    let colour = match decoder.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation)? {
        Some(0 | 1) => Some(Colour::Grey),
        Some(2 | 3 | 6) => Some(Colour::Rgb),
        Some(5) => Some(Colour::Cmyk),
        _ => None,
    };
    // Of what a pixel has besides its colours, 1 and 2 are alpha; 0 is anything else.
    let extra = decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples)?.unwrap_or_default();
    let alpha = extra.iter().any(|kind| matches!(kind, 1 | 2));
    let mut end = 0;
    for (offsets, counts) in [(Tag::StripOffsets, Tag::StripByteCounts), (Tag::TileOffsets, Tag::TileByteCounts)] {
        let offsets = decoder.find_tag_unsigned_vec::<u64>(offsets)?.unwrap_or_default();
        let counts = decoder.find_tag_unsigned_vec::<u64>(counts)?.unwrap_or_default();
        let last = offsets.iter().zip(&counts).map(|(offset, count)| offset.saturating_add(*count)).max();
        end = end.max(last.unwrap_or(0));
    }
    let orientation = orientation.unwrap_or(1);
    let compression = decoder.find_tag_unsigned::<u16>(Tag::Compression)?.unwrap_or(1);
    // Integers of 32 bits are taken for floats.
    let bits = decoder.find_tag_unsigned_vec::<u16>(Tag::BitsPerSample)?.unwrap_or_default();
    let float = decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat)?.is_some_and(|kinds| kinds.contains(&3));
    let copyable = DECODED.contains(&compression) && (float || !bits.contains(&32));
    Ok((StillInfo { width, height, orientation, animated: false, colour, alpha, copyable }, end))
}

fn translate(error: TiffError) -> MediaError {
    match error {
        TiffError::IoError(error) => MediaError::Io(error),
        TiffError::UnsupportedError(what) => MediaError::Unsupported(format!("a TIFF of a rare kind: {what}")),
        TiffError::LimitsExceeded => {
            MediaError::Limit { what: "bytes of one tag of a TIFF", found: MAX_VALUES + 1, allowed: MAX_VALUES }
        }
        other => MediaError::malformed("tiff", 0, other.to_string()),
    }
}
