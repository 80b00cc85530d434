//! HEIC and AVIF (ISO/IEC 23008-12): only how large the picture is.

use std::io::{BufRead, Seek};

use imagesize::ImageError;

use seedpost_core::media::StillInfo;

use super::Budget;
use crate::{MediaError, mp4};

/// The most bytes of box headers that are read; what the boxes hold is skipped.
const MAX_BOXES: u64 = 1 << 20;

/// Reads the size. It is already upright: these files turn by a property of their own (`irot`), which the
/// library has applied to it.
pub(super) fn facts<R: BufRead + Seek>(source: &mut R) -> Result<StillInfo, MediaError> {
    mp4::check_boxes(source)?;
    source.rewind()?;
    let mut reader = Budget::new(source, MAX_BOXES);
    let size = imagesize::reader_size(&mut reader).map_err(|error| reader.fault(translate(error)))?;
    // A side too large for its type is too large for the limit as well.
    let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
    let (width, height) = (side(size.width), side(size.height));
    Ok(StillInfo { width, height, orientation: 1, animated: false, colour: None, alpha: false, copyable: false })
}

fn translate(error: ImageError) -> MediaError {
    match error {
        ImageError::IoError(error) => MediaError::Io(error),
        other => MediaError::malformed("heic", 0, other.to_string()),
    }
}
