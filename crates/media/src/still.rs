//! Still pictures: what they are, by their headers alone, and copies of them that a provider takes.
//!
//! Each format's headers are read in the file named after it. Deliberately absent: HEIC and AVIF beyond
//! their size, since no safe decoder of them is well kept; colour management.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use image::ImageError;
use image::metadata::Orientation;

use seedpost_core::media::StillInfo;

use crate::MediaError;
use crate::decode::guard;

mod jpeg;

mod png;

mod webp;

mod gif;

mod bmp;

mod tiff;

mod heic;

mod conform;

pub use conform::{StillCopy, StillTarget, conform};

/// The largest side of a picture that is believed, in pixels.
const MAX_SIDE: u32 = 1 << 17;
/// The largest file that is copied, and so taken into memory, in bytes.
const MAX_FILE: u64 = 256 << 20;
/// The most memory that decoding may take besides the file, and the most that the copy may take, in bytes.
const MAX_MEMORY: u64 = 512 << 20;
/// The most bytes of headers that are read, and so the most that a library may keep of them.
const MAX_HEADERS: u64 = 32 << 20;
/// The most chunks of a file: three times what a gigabyte in chunks of 32 KiB has.
const MAX_CHUNKS: u64 = 100_000;
/// The most bytes of Exif that are read; its orientation stands near its start.
const MAX_EXIF: u64 = 64 << 10;

/// Measures a picture by its headers; no pixel is decoded. `format` is as `probe` tells it by content.
///
/// # Errors
/// `Malformed` for a broken or plainly cut file, `Limit` for a side past [`MAX_SIDE`] or endless headers,
/// `Unsupported` for a kind of picture that the format allows and nobody reads.
pub(crate) fn facts<R: BufRead + Seek>(source: &mut R, format: &'static str) -> Result<StillInfo, MediaError> {
    let length = source.seek(SeekFrom::End(0))?;
    source.rewind()?;
    let read = guard(format, || match format {
        "jpeg" => jpeg::facts(source),
        "png" => png::facts(source, length),
        "webp" => webp::facts(source, length),
        "gif" => gif::facts(source),
        "bmp" => bmp::facts(source, length),
        "tiff" => tiff::facts(source, length),
        "heic" | "avif" => heic::facts(source),
        other => Err(MediaError::Unsupported(format!("{other} is not a picture"))),
    });
    let info = read.map_err(|error| cut_short(error, format, length))?;
    check_sides(info.width, info.height, format)?;
    Ok(StillInfo { copyable: info.copyable && length <= MAX_FILE, ..info })
}

/// Whether decoding keeps to the memory allowed: so many bytes of pixels, held so many times at most.
fn fits_memory(pixels: u64, times: u64) -> bool {
    pixels.saturating_mul(times) <= MAX_MEMORY
}

fn check_sides(width: u32, height: u32, format: &'static str) -> Result<(), MediaError> {
    let longest = width.max(height);
    if width == 0 || height == 0 {
        return Err(MediaError::malformed(format, 0, format!("a size of {width}x{height}")));
    }
    if longest > MAX_SIDE {
        return Err(MediaError::Limit { what: "pixels on a side", found: longest.into(), allowed: MAX_SIDE.into() });
    }
    Ok(())
}

/// A file that ends before it should is malformed; the disk is well.
fn cut_short(error: MediaError, format: &'static str, length: u64) -> MediaError {
    match error {
        MediaError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            MediaError::malformed(format, length, "the file was cut short")
        }
        other => other,
    }
}

/// Says what a library's error means for the file.
fn translate(error: ImageError, format: &'static str) -> MediaError {
    match error {
        ImageError::IoError(error) => MediaError::Io(error),
        ImageError::Unsupported(error) => MediaError::Unsupported(error.to_string()),
        ImageError::Limits(_) => MediaError::Limit {
            what: "bytes of headers, unpacked",
            found: MAX_HEADERS.saturating_add(1),
            allowed: MAX_HEADERS,
        },
        other => MediaError::malformed(format, 0, other.to_string()),
    }
}

/// The orientation that Exif tells, 1 where it tells none.
fn orientation(exif: &[u8]) -> u8 {
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    Orientation::from_exif_chunk(exif).map_or(1, Orientation::to_exif)
}

/// Reads the start of a chunk of Exif, whatever its length.
fn read_exif<R: Read>(source: &mut R, length: u64) -> Result<Vec<u8>, MediaError> {
    let mut exif = Vec::new();
    source.take(length.min(MAX_EXIF)).read_to_end(&mut exif)?;
    Ok(exif)
}

/// A reader that ends after so many bytes were read of it, wherever they stand: seeking is free.
struct Budget<R> {
    inner: R,
    allowed: u64,
    left: u64,
}

impl<R: BufRead + Seek> Budget<R> {
    fn new(inner: R, allowed: u64) -> Budget<R> {
        Budget { inner, allowed, left: allowed }
    }

    /// Why reading failed: by `error`, unless the budget was spent.
    fn fault(&self, error: MediaError) -> MediaError {
        if self.left > 0 {
            return error;
        }
        MediaError::Limit { what: "bytes of headers", found: self.allowed.saturating_add(1), allowed: self.allowed }
    }
}

impl<R: BufRead> Read for Budget<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.by_ref().take(self.left).read(buffer)?;
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Budget<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let buffer = self.inner.fill_buf()?;
        Ok(buffer.get(..left).unwrap_or(buffer))
    }

    fn consume(&mut self, amount: usize) {
        self.left = self.left.saturating_sub(amount as u64);
        self.inner.consume(amount);
    }
}

impl<R: Seek> Seek for Budget<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        self.inner.stream_position()
    }
}

#[cfg(test)]
mod tests;
