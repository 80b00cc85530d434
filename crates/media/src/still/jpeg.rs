//! JPEG (ITU-T T.81): the markers before the first scan, and whether the file has an end.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::{BufRead, Read, Seek, SeekFrom};

use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use seedpost_core::media::{Colour, StillInfo};

use super::{Budget, MAX_HEADERS, fits_memory, orientation};
use crate::MediaError;

/// How near its end a JPEG is first looked through for its end marker, in bytes.
const TAIL: u64 = 64 << 10;

/// Reads the headers, and looks for the end marker.
pub(super) fn facts<R: BufRead + Seek>(source: &mut R) -> Result<StillInfo, MediaError> {
    let mut reader = Budget::new(&mut *source, MAX_HEADERS);
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(&mut reader, options);
    let read = decoder.decode_headers().map_err(translate);
    let known = (decoder.info(), decoder.input_colorspace());
    let orientation = decoder.exif().map_or(1, |exif| orientation(exif));
    read.map_err(|error| reader.fault(error))?;
    let (Some(info), Some(space)) = known else {
        return Err(MediaError::malformed("jpeg", 0, "no picture before the first scan"));
    };
    find_end(source)?;
    let colour = match space {
        ColorSpace::Luma | ColorSpace::LumaA => Some(Colour::Grey),
        ColorSpace::CMYK | ColorSpace::YCCK => Some(Colour::Cmyk),
        ColorSpace::YCbCr | ColorSpace::RGB => Some(Colour::Rgb),
        _ => None,
    };
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    // A progressive picture's coefficients are held beside its pixels.
    let times = if info.sof.is_progressive() { 3 } else { 1 };
    let copyable = fits_memory(u64::from(width).saturating_mul(height.into()).saturating_mul(3), times);
    Ok(StillInfo { width, height, orientation, animated: false, colour, alpha: false, copyable })
}

fn translate(error: DecodeErrors) -> MediaError {
    match error {
        DecodeErrors::Unsupported(what) => MediaError::Unsupported(format!("a JPEG of a rare kind: {what:?}")),
        other => MediaError::malformed("jpeg", 0, format!("{other:?}")),
    }
}

/// Looks for the end marker (EOI, B.1.1.3) behind the start of the first scan: near the file's end, and
/// if it is not there, everywhere, since telephones append whole films to their photographs.
fn find_end<R: BufRead + Seek>(source: &mut R) -> Result<(), MediaError> {
    let scan = source.stream_position()?;
    let length = source.seek(SeekFrom::End(0))?;
    let tail = length.saturating_sub(TAIL).max(scan);
    for (from, to) in [(tail, length), (scan, tail.saturating_add(1))] {
        source.seek(SeekFrom::Start(from))?;
        if has_end(source.by_ref().take(to.saturating_sub(from)))? {
            return Ok(());
        }
    }
    Err(MediaError::malformed("jpeg", length, "no end marker: the file was cut short"))
}

fn has_end<R: BufRead>(mut source: R) -> Result<bool, MediaError> {
    let mut last = 0;
    loop {
        let buffer = source.fill_buf()?;
        let Some(end) = buffer.last().copied() else { return Ok(false) };
        if (last == 0xff && buffer.first() == Some(&0xd9)) || buffer.windows(2).any(|pair| pair == [0xff, 0xd9]) {
            return Ok(true);
        }
        last = end;
        let read = buffer.len();
        source.consume(read);
    }
}
