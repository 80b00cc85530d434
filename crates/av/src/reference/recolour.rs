//! Pictures of one matrix and range made into those of a reference's: what the scaler leaves as it is.

use ffmpeg_next::color::{Range, Space};
use ffmpeg_next::frame;

use crate::colour;

/// One, in the numbers below.
const ONE: i32 = 1 << 16;

/// From luma and chroma of 8 bits to others, of video range.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recolour {
    black: i32,
    /// What luma has of the luma, Cb and Cr that were, and what Cb and Cr have of those two.
    luma: [i32; 3],
    cb: [i32; 2],
    cr: [i32; 2],
}

impl Recolour {
    /// For a decoded picture once the scaler has made 8 bits of 4:2:0 of it; none where it is as it has to be.
    pub(super) fn of(decoded: &frame::Video, space: Space) -> Option<Recolour> {
        // Of RGB the scaler makes BT.601; of that, and of JPEG's full range, it makes video range.
        let coded = colour::is_coded(decoded.format());
        let own = colour::space(decoded.color_space(), decoded.width(), decoded.height());
        let own = colour::weights(if coded { own } else { Space::SMPTE170M });
        let full = coded && decoded.color_range() == Range::JPEG && !colour::is_jpeg(decoded.format());
        let wanted = colour::weights(space);
        (full || own != wanted).then(|| Recolour::between(own, full, wanted))
    }

    fn between((kr, kb): (f32, f32), full: bool, wanted: (f32, f32)) -> Recolour {
        let scale = if full { (219.0 / 255.0, 224.0 / 255.0) } else { (1.0, 1.0) };
        // What red, green and blue have above luma, for a step of Cr and of Cb.
        let (red, blue, kg) = (2.0 * (1.0 - kr), 2.0 * (1.0 - kb), 1.0 - kr - kb);
        let green = (-kb * blue / kg, -kr * red / kg);
        let wanted_green = 1.0 - wanted.0 - wanted.1;
        let luma = (wanted.1 * blue + wanted_green * green.0, wanted.0 * red + wanted_green * green.1);
        let (wanted_red, wanted_blue) = (2.0 * (1.0 - wanted.0), 2.0 * (1.0 - wanted.1));
        let part = |value: f32| (value * ONE as f32).round() as i32;
        let chroma = |value: f32| part(value * scale.1);
        Recolour {
            black: if full { 0 } else { 16 },
            // A step of luma is smaller than one of chroma.
            luma: [part(scale.0), chroma(luma.0 * 219.0 / 224.0), chroma(luma.1 * 219.0 / 224.0)],
            cb: [chroma((blue - luma.0) / wanted_blue), chroma(-luma.1 / wanted_blue)],
            cr: [chroma(-luma.0 / wanted_red), chroma((red - luma.1) / wanted_red)],
        }
    }

    /// Makes it, in 8 bits of 4:2:0; four pixels share their chroma, as they did.
    pub(super) fn apply(&self, picture: &mut frame::Video) {
        let (width, height) = (picture.plane_width(1) as usize, picture.plane_height(1) as usize);
        let strides = [0, 1, 2].map(|plane| picture.stride(plane));
        for row in 0..height {
            let [cb, cr] = [1, 2].map(|plane| picture.data(plane)[row * strides[plane]..][..width].to_vec());
            let chroma = || cb.iter().zip(&cr).map(|(cb, cr)| [cb, cr].map(|part| i32::from(*part) - 128));
            for (plane, parts) in [(1, self.cb), (2, self.cr)] {
                for (to, [cb, cr]) in picture.data_mut(plane)[row * strides[plane]..].iter_mut().zip(chroma()) {
                    *to = rounded(128, parts[0] * cb + parts[1] * cr);
                }
            }
            for line in picture.data_mut(0).chunks_mut(strides[0]).skip(2 * row).take(2) {
                for (pair, [cb, cr]) in line.chunks_mut(2).zip(chroma()) {
                    let colour = self.luma[1] * cb + self.luma[2] * cr;
                    for to in pair {
                        *to = rounded(16, self.luma[0] * (i32::from(*to) - self.black) + colour);
                    }
                }
            }
        }
    }
}

/// A part of a pixel, kept within 8 bits.
fn rounded(zero: i32, parts: i32) -> u8 {
    (zero + ((parts + ONE / 2) >> 16)).clamp(0, 255) as u8
}
