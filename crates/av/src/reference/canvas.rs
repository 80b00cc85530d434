//! The picture that is burnt into: 8 bits of 4:2:0, of the size of a reference, black around what is smaller.

use std::ops::Range;

use ffmpeg_next::format::Pixel;
use ffmpeg_next::{color, frame};
use seedpost_core::time::Rounding;
use seedpost_core::turnover::order::ReferenceForm;

use super::coding;
use super::recolour::Recolour;
use crate::AvError;
use crate::shape::Shape;
use crate::transcode::Stop;

/// Black, as luma and as chroma.
const BLACK: [u8; 2] = [16, 128];
/// White, as luma and as chroma.
const WHITE: [u8; 2] = [235, 128];

/// A black picture.
pub(crate) fn black(form: &ReferenceForm) -> frame::Video {
    let mut picture = frame::Video::new(Pixel::YUV420P, form.width, form.height);
    fill(&mut picture, BLACK);
    picture
}

/// Makes a picture black again.
pub(crate) fn blacken(picture: &mut frame::Video) {
    fill(picture, BLACK);
}

/// Makes a picture white.
pub(crate) fn whiten(picture: &mut frame::Video) {
    fill(picture, WHITE);
}

fn fill(picture: &mut frame::Video, [luma, chroma]: [u8; 2]) {
    picture.data_mut(0).fill(luma);
    picture.data_mut(1).fill(chroma);
    picture.data_mut(2).fill(chroma);
}

/// Takes the colour from a part of a picture.
pub(super) fn neutral(picture: &mut frame::Video, columns: Range<usize>, rows: Range<usize>) {
    for plane in 1..3 {
        let stride = picture.stride(plane);
        let lines = picture.data_mut(plane).chunks_mut(stride);
        for line in lines.take(rows.end.div_ceil(2)).skip(rows.start / 2) {
            line[columns.start / 2..columns.end.div_ceil(2)].fill(128);
        }
    }
}

/// Where a picture stands within another one.
pub(super) struct Canvas {
    shape: Shape,
    left: usize,
    top: usize,
    space: color::Space,
    /// The picture as it was scaled last.
    scaled: Option<frame::Video>,
}

impl Canvas {
    /// For pictures that are upright and `shown` large, in square pixels, once they are turned by `rotation`.
    pub(super) fn new(form: &ReferenceForm, shown: (u32, u32), rotation: u16) -> Result<Canvas, AvError> {
        let [width, height, wide, high] = [form.width, form.height, shown.0, shown.1].map(u128::from);
        let even = |num: u128, den: u128, most: u32| {
            let side = Rounding::Nearest.divide(num, 2 * den).and_then(|half| u32::try_from(2 * half).ok());
            side.map(|side| side.clamp(2, most)).ok_or(AvError::Request("its picture has no shape"))
        };
        let inside = if wide * height >= high * width {
            (form.width, even(high * width, wide, form.height)?)
        } else {
            (even(wide * height, high, form.width)?, form.height)
        };
        let middle = |own: u32, all: u32| ((all - own) / 4 * 2) as usize;
        Ok(Canvas {
            shape: Shape::new(inside.0, inside.1, rotation),
            left: middle(inside.0, form.width),
            top: middle(inside.1, form.height),
            space: coding::space(form),
            scaled: None,
        })
    }

    /// Puts a decoded picture in its place; one that `is_new` is scaled and recoloured before, if it has to be.
    pub(super) fn put(&mut self, decoded: &frame::Video, is_new: bool, picture: &mut frame::Video) -> Result<(), Stop> {
        let recolour = Recolour::of(decoded, self.space);
        if recolour.is_none() && self.shape.is_of(decoded) {
            self.copy(decoded, picture);
            return Ok(());
        }
        let scaled = match self.scaled.take().filter(|_| !is_new) {
            Some(scaled) => scaled,
            None => {
                let mut scaled = self.shape.apply(decoded)?;
                recolour.into_iter().for_each(|recolour| recolour.apply(&mut scaled));
                scaled
            }
        };
        self.copy(&scaled, picture);
        self.scaled = Some(scaled);
        Ok(())
    }

    fn copy(&self, from: &frame::Video, to: &mut frame::Video) {
        for plane in 0..3 {
            let (left, top) = if plane == 0 { (self.left, self.top) } else { (self.left / 2, self.top / 2) };
            let (width, height) = (from.plane_width(plane) as usize, from.plane_height(plane) as usize);
            let stride = to.stride(plane);
            let lines = to.data_mut(plane).chunks_mut(stride).skip(top).take(height);
            for (line, given) in lines.zip(from.data(plane).chunks(from.stride(plane))) {
                line[left..left + width].copy_from_slice(&given[..width]);
            }
        }
    }
}

/// Writes 4:2:0 of 8 bits as 4:2:2 of 8 or 10 bits; each line of chroma stands twice.
pub(super) fn widen(from: &frame::Video, to: &mut frame::Video) {
    let is_deep = to.format() == Pixel::YUV422P10LE;
    for plane in 0..3 {
        let (width, height) = (from.plane_width(plane) as usize, to.height() as usize);
        let (given, stride) = (from.stride(plane), to.stride(plane));
        let source = from.data(plane);
        for (row, line) in to.data_mut(plane).chunks_mut(stride).take(height).enumerate() {
            let row = if plane == 0 { row } else { row / 2 };
            let bytes = &source[row * given..][..width];
            if is_deep {
                for (wide, byte) in line.as_chunks_mut().0.iter_mut().zip(bytes) {
                    *wide = (u16::from(*byte) << 2).to_le_bytes();
                }
            } else {
                line[..width].copy_from_slice(bytes);
            }
        }
    }
}
