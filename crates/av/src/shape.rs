//! Brings a decoded picture to a size, upright, in 8 bits of 4:2:0.

use ffmpeg_next::software::scaling;
use ffmpeg_next::{format, frame};

use crate::AvError;

/// A size and a turn.
pub(crate) struct Shape {
    width: u32,
    height: u32,
    rotation: u16,
    scaler: Option<scaling::Context>,
}

impl Shape {
    /// Width and height in pixels after a turn by 0, 90, 180 or 270 degrees clockwise.
    pub(crate) fn new(width: u32, height: u32, rotation: u16) -> Shape {
        Shape { width, height, rotation, scaler: None }
    }

    /// Whether a picture has it already.
    pub(crate) fn is_of(&self, decoded: &frame::Video) -> bool {
        let size = (decoded.width(), decoded.height()) == (self.width, self.height);
        size && decoded.format() == format::Pixel::YUV420P && self.rotation == 0
    }

    /// Scales a picture to the size that it has before its turn, then turns it.
    pub(crate) fn apply(&mut self, decoded: &frame::Video) -> Result<frame::Video, AvError> {
        let lying = self.rotation % 180 == 90;
        let (width, height) = if lying { (self.height, self.width) } else { (self.width, self.height) };
        let given = (decoded.format(), decoded.width(), decoded.height());
        // Streams may change their size on the way.
        let fitting = self.scaler.take().filter(|scaler| {
            let input = scaler.input();
            (input.format, input.width, input.height) == given
        });
        let mut scaler = match fitting {
            Some(scaler) => scaler,
            None => {
                let flags = scaling::Flags::BICUBIC | scaling::Flags::ACCURATE_RND | scaling::Flags::BITEXACT;
                scaling::Context::get(given.0, given.1, given.2, format::Pixel::YUV420P, width, height, flags)?
            }
        };
        let mut scaled = frame::Video::new(format::Pixel::YUV420P, width, height);
        scaler.run(decoded, &mut scaled)?;
        self.scaler = Some(scaler);
        if self.rotation == 0 {
            return Ok(scaled);
        }
        let mut turned = frame::Video::new(format::Pixel::YUV420P, self.width, self.height);
        for plane in 0..3 {
            turn(&scaled, &mut turned, plane, self.rotation);
        }
        Ok(turned)
    }
}

/// Copies a plane turned clockwise by 90, 180 or 270 degrees.
fn turn(from: &frame::Video, to: &mut frame::Video, plane: usize, rotation: u16) {
    let (width, height) = (to.plane_width(plane) as usize, to.plane_height(plane) as usize);
    let (from_stride, to_stride) = (from.stride(plane), to.stride(plane));
    let source = from.data(plane);
    for (y, line) in to.data_mut(plane).chunks_mut(to_stride).take(height).enumerate() {
        for (x, pixel) in line.iter_mut().take(width).enumerate() {
            let (column, row) = match rotation {
                90 => (y, width - 1 - x),
                180 => (width - 1 - x, height - 1 - y),
                _ => (height - 1 - y, x),
            };
            *pixel = source[row * from_stride + column];
        }
    }
}
