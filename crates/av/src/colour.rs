//! What the numbers of a decoded picture mean as colours.

use ffmpeg_next::color::{Range, Space};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame;

/// Whether a format has luma and chroma, whose meaning a file tells or its size suggests; not RGB, not grey.
pub(crate) fn is_coded(format: Pixel) -> bool {
    ["yuv", "yuyv", "yvyu", "uyvy", "uyyv", "nv", "p0", "p2", "p4", "y2", "ayuv", "vuy"]
        .iter()
        .any(|kind| name(format).starts_with(kind))
}

/// Whether a format is by itself of full range, which the scaler makes video range.
pub(crate) fn is_jpeg(format: Pixel) -> bool {
    name(format).starts_with("yuvj")
}

fn name(format: Pixel) -> &'static str {
    format.descriptor().map_or("", |descriptor| descriptor.name())
}

/// The colours that a file tells, else those that players guess by the size of the picture.
pub(crate) fn space(told: Space, width: u32, height: u32) -> Space {
    match told {
        Space::Unspecified if width >= 1280 || height > 576 => Space::BT709,
        Space::Unspecified => Space::SMPTE170M,
        space => space,
    }
}

/// The weights of red and blue in luma: ITU-T H.273, table 4.
pub(crate) fn weights(space: Space) -> (f32, f32) {
    match space {
        Space::BT709 => (0.2126, 0.0722),
        Space::FCC => (0.30, 0.11),
        Space::SMPTE240M => (0.212, 0.087),
        Space::BT2020NCL | Space::BT2020CL => (0.2627, 0.0593),
        _ => (0.299, 0.114),
    }
}

/// From luma and chroma in 16 bits to red, green and blue in 8.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matrix {
    black: f32,
    /// Of luma and of chroma, for one step of 8 bits.
    scale: (f32, f32),
    red: f32,
    green: (f32, f32),
    blue: f32,
}

impl Matrix {
    /// Of a coded picture, once the scaler has made 16 bits of it.
    pub(crate) fn of(decoded: &frame::Video) -> Matrix {
        let (kr, kb) = weights(space(decoded.color_space(), decoded.width(), decoded.height()));
        let kg: f32 = 1.0 - kr - kb;
        let full = decoded.color_range() == Range::JPEG && !is_jpeg(decoded.format());
        let scale = |steps: f32| 255.0 / (steps * 256.0);
        Matrix {
            black: if full { 0.0 } else { 16.0 * 256.0 },
            scale: if full { (scale(255.0), scale(255.0)) } else { (scale(219.0), scale(224.0)) },
            red: 2.0 * (1.0 - kr),
            green: (2.0 * kb * (1.0 - kb) / kg, 2.0 * kr * (1.0 - kr) / kg),
            blue: 2.0 * (1.0 - kb),
        }
    }

    /// The colour of a pixel, each part rounded to the nearest and kept within its range.
    pub(crate) fn rgb(self, luma: u16, cb: u16, cr: u16) -> [u8; 3] {
        let light = (f32::from(luma) - self.black) * self.scale.0;
        let [cb, cr] = [cb, cr].map(|chroma| (f32::from(chroma) - 32_768.0) * self.scale.1);
        let green = light - self.green.0 * cb - self.green.1 * cr;
        // A cast keeps within the range by itself.
        [light + self.red * cr, green, light + self.blue * cb].map(|part| part.round() as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bars_of_television_are_the_colours_they_are_named_after() {
        let mut picture = frame::Video::new(Pixel::YUV420P, 1920, 1080);
        // BT.709, narrow range, 8 bits: the primaries.
        let colours = [
            ([235, 128, 128], [255, 255, 255]),
            ([16, 128, 128], [0, 0, 0]),
            ([63, 102, 240], [255, 0, 0]),
            ([173, 42, 26], [0, 255, 0]),
            ([32, 240, 118], [0, 0, 255]),
        ];
        let check = |picture: &frame::Video, [y, cb, cr]: [u16; 3], expected: [u8; 3]| {
            let found = Matrix::of(picture).rgb(y * 256, cb * 256, cr * 256);
            let near = found.iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) <= 2);
            assert!(near, "{found:?} {expected:?}");
        };
        for (coded, expected) in colours {
            check(&picture, coded, expected);
        }
        picture.set_color_space(Space::SMPTE170M);
        check(&picture, [81, 90, 240], [255, 0, 0]);
        picture.set_color_range(Range::JPEG);
        check(&picture, [76, 85, 255], [255, 0, 0]);
    }
}
