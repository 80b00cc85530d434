//! TIFF (revision 6.0): the tags of its first picture, and whether its strips or tiles are there.

use std::io::{BufRead, Seek};

use image::ImageDecoder;
use image::codecs::tiff::TiffDecoder;
use tiff::decoder::Decoder;
use tiff::tags::Tag;
use tiff::{TiffError, TiffResult};

use seedpost_core::media::{Colour, StillInfo};

use super::is_decoded;
use crate::MediaError;

/// Reads the first directory. The library keeps each tag's value below a mebibyte.
pub(super) fn facts<R: BufRead + Seek>(source: &mut R, length: u64) -> Result<StillInfo, MediaError> {
    let mut decoder = Decoder::new(&mut *source).map_err(translate)?;
    let (info, end) = read(&mut decoder).map_err(translate)?;
    if end > length {
        return Err(MediaError::malformed("tiff", length, "the pixels go past the end: the file was cut short"));
    }
    source.rewind()?;
    // Not every kind of pixel that the format has is decoded.
    let bytes = TiffDecoder::new(source).map(|decoder| decoder.total_bytes());
    let copyable = info.copyable && bytes.is_ok_and(|bytes| is_decoded(bytes, 2));
    Ok(StillInfo { copyable, ..info })
}

/// Compressions (tag 259) that are decoded: none, Fax4, LZW, Deflate, PackBits, and Deflate's older number. Not JPEG,
/// whose size may differ from the picture's and is not limited by the library.
const DECODED: [u16; 6] = [1, 4, 5, 8, 32_773, 32_946];

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
            MediaError::Limit { what: "bytes of one tag of a TIFF", found: (1 << 20) + 1, allowed: 1 << 20 }
        }
        other => MediaError::malformed("tiff", 0, other.to_string()),
    }
}
