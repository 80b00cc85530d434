//! GIF (89a): its screen, and its frames counted without unpacking one.

use std::io::{BufRead, Seek};

use gif::{DecodeOptions, DecodingError, MemoryLimit};

use seedpost_core::media::{Colour, StillInfo};

use super::{MAX_HEADERS, fits_memory};
use crate::MediaError;

/// Goes over all blocks to the trailer (section 27), without which the file was cut.
pub(super) fn facts<R: BufRead + Seek>(source: &mut R) -> Result<StillInfo, MediaError> {
    let mut options = DecodeOptions::new();
    options.skip_frame_decoding(true);
    // A frame must lie within the screen (section 20): one far larger would take its own memory.
    options.check_frame_consistency(true);
    if let Some(limit) = std::num::NonZeroU64::new(MAX_HEADERS) {
        options.set_memory_limit(MemoryLimit::Bytes(limit));
    }
    let mut decoder = options.read_info(source).map_err(translate)?;
    let (mut frames, mut alpha) = (0_u64, false);
    while let Some(frame) = decoder.next_frame_info().map_err(translate)? {
        frames += 1;
        alpha |= frame.transparent.is_some();
    }
    if frames == 0 {
        return Err(MediaError::malformed("gif", 0, "no picture"));
    }
    Ok(StillInfo {
        width: decoder.width().into(),
        height: decoder.height().into(),
        orientation: 1,
        animated: frames > 1,
        colour: Some(Colour::Rgb),
        alpha,
        copyable: fits_memory(u64::from(decoder.width()) * u64::from(decoder.height()) * 4, 2),
    })
}

fn translate(error: DecodingError) -> MediaError {
    match error {
        DecodingError::Io(error) => MediaError::Io(error),
        DecodingError::UnexpectedEof => MediaError::Io(std::io::ErrorKind::UnexpectedEof.into()),
        DecodingError::MemoryLimit | DecodingError::OutOfMemory => MediaError::Limit {
            what: "bytes of a GIF's extensions",
            found: MAX_HEADERS.saturating_add(1),
            allowed: MAX_HEADERS,
        },
        other => MediaError::malformed("gif", 0, other.to_string()),
    }
}
