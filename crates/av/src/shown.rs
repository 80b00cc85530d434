//! A decoded picture as a player shows it: upright, with square pixels, in red, green and blue.

use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame;
use ffmpeg_next::software::scaling;
use seedpost_core::media::VideoInfo;

use crate::{AvError, colour};

/// A picture, and how it is to be shown.
pub(crate) struct Shown<'a> {
    pub(crate) decoded: &'a frame::Video,
    /// Degrees clockwise that it is turned.
    pub(crate) rotation: u16,
    /// Width and height of the shape of a pixel.
    pub(crate) pixel_aspect: (u32, u32),
}

impl Shown<'_> {
    /// The picture in red, green and blue, scaled to a size that is upright.
    pub(crate) fn rgb(&self, width: u32, height: u32) -> Result<frame::Video, AvError> {
        let (wide, high) = if self.rotation % 180 == 90 { (height, width) } else { (width, height) };
        // The scaler can neither be told what luma and chroma mean, nor guess it by the size.
        let coded = colour::is_coded(self.decoded.format());
        let scaled = scale(self.decoded, if coded { Pixel::YUV444P16LE } else { Pixel::RGB24 }, wide, high)?;
        let planes: Vec<_> = (0..scaled.planes()).map(|plane| (scaled.data(plane), scaled.stride(plane))).collect();
        let matrix = colour::Matrix::of(self.decoded);
        let (right, bottom) = (wide as usize - 1, high as usize - 1);
        let mut shown = frame::Video::new(Pixel::RGB24, width, height);
        let stride = shown.stride(0);
        for (y, line) in shown.data_mut(0).chunks_mut(stride).take(height as usize).enumerate() {
            for (x, colour) in line.as_chunks_mut().0.iter_mut().take(width as usize).enumerate() {
                let (column, row) = match self.rotation {
                    90 => (y, bottom - x),
                    180 => (right - x, bottom - y),
                    270 => (right - y, x),
                    _ => (x, y),
                };
                *colour = pixel(&planes, matrix, column, row);
            }
        }
        Ok(shown)
    }

    /// Width and height in square pixels, upright.
    pub(crate) fn size(&self) -> (u32, u32) {
        upright((self.decoded.width(), self.decoded.height()), self.rotation, self.pixel_aspect)
    }
}

/// Width and height in square pixels, upright, of what is stored as so many pixels.
pub(crate) fn upright(stored: (u32, u32), rotation: u16, pixel_aspect: (u32, u32)) -> (u32, u32) {
    VideoInfo { rotation, pixel_aspect, ..VideoInfo::of("", stored) }.upright()
}

fn scale(decoded: &frame::Video, format: Pixel, width: u32, height: u32) -> Result<frame::Video, AvError> {
    let chroma = scaling::Flags::FULL_CHR_H_INT | scaling::Flags::FULL_CHR_H_INP;
    let flags = scaling::Flags::BICUBIC | scaling::Flags::ACCURATE_RND | scaling::Flags::BITEXACT | chroma;
    let given = (decoded.format(), decoded.width(), decoded.height());
    let mut scaled = frame::Video::new(format, width, height);
    scaling::Context::get(given.0, given.1, given.2, format, width, height, flags)?.run(decoded, &mut scaled)?;
    Ok(scaled)
}

/// The colour of a pixel of what the scaler made.
fn pixel(planes: &[(&[u8], usize)], matrix: colour::Matrix, column: usize, row: usize) -> [u8; 3] {
    let deep = |(bytes, stride): (&[u8], usize)| {
        let at = row * stride + column * 2;
        u16::from_le_bytes([bytes[at], bytes[at + 1]])
    };
    match *planes {
        [luma, cb, cr] => matrix.rgb(deep(luma), deep(cb), deep(cr)),
        [(bytes, stride)] => [0, 1, 2].map(|part| bytes[row * stride + column * 3 + part]),
        _ => [0; 3],
    }
}
