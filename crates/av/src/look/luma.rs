//! Stretches of black, and stretches in which nothing moves.
//!
//! As FFmpeg's `blackdetect` and `freezedetect` find them with their defaults, but counted in frames.

use ffmpeg_next::color::Range;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame;
use ffmpeg_next::software::scaling;
use seedpost_core::time::{Frames, TimeRange};

use crate::colour;

/// The fewest frames of black.
const MIN_BLACK: u64 = 3;
/// The fewest frames in which nothing moves.
const MIN_FROZEN: u64 = 12;
/// The most stretches of each kind.
const MAX_STRETCHES: usize = 1000;

/// What was found so far.
#[derive(Default)]
pub(super) struct Luma {
    black: Stretches,
    frozen: Stretches,
    /// The picture that later ones are compared with.
    still: Option<Planes>,
    scaler: Option<scaling::Context>,
}

impl Luma {
    /// Looks at frame `number`; what cannot be looked at is neither black nor still.
    pub(super) fn show(&mut self, number: u64, decoded: &frame::Video) {
        let converted;
        let picture = if is_direct(decoded) {
            decoded
        } else if let Some(gray) = self.convert(decoded) {
            converted = gray;
            &converted
        } else {
            self.black.end(number, MIN_BLACK);
            self.frozen.end(number, MIN_FROZEN);
            self.still = None;
            return;
        };
        let Some(shape) = Shape::of(picture) else { return };
        if shape.is_black(picture) {
            self.black.begin(number);
        } else {
            self.black.end(number, MIN_BLACK);
        }
        if !self.still.as_ref().is_some_and(|still| still.is_like(&shape, picture)) {
            self.frozen.end(number, MIN_FROZEN);
            self.frozen.begin(number);
            let mut planes = self.still.take().unwrap_or_default();
            planes.take(shape, picture);
            self.still = Some(planes);
        }
    }

    /// Ends with so many frames: black, and still.
    pub(super) fn end(mut self, frames: u64) -> (Vec<TimeRange<Frames>>, Vec<TimeRange<Frames>>) {
        self.black.end(frames, MIN_BLACK);
        self.frozen.end(frames, MIN_FROZEN);
        (self.black.found, self.frozen.found)
    }

    /// Luma in 8 bits of full range.
    fn convert(&mut self, decoded: &frame::Video) -> Option<frame::Video> {
        let (format, width, height) = (decoded.format(), decoded.width(), decoded.height());
        if format == Pixel::None || width == 0 || height == 0 {
            return None;
        }
        let fitting = self.scaler.take().filter(|scaler| {
            let input = scaler.input();
            (input.format, input.width, input.height) == (format, width, height)
        });
        let flags = scaling::Flags::BICUBIC | scaling::Flags::ACCURATE_RND | scaling::Flags::BITEXACT;
        let mut scaler = match fitting {
            Some(scaler) => scaler,
            None => scaling::Context::get(format, width, height, Pixel::GRAY8, width, height, flags).ok()?,
        };
        let mut gray = frame::Video::new(Pixel::GRAY8, width, height);
        scaler.run(decoded, &mut gray).ok()?;
        gray.set_color_range(Range::JPEG);
        self.scaler = Some(scaler);
        Some(gray)
    }
}

/// Stretches of frames, and the one that has not ended.
#[derive(Default)]
struct Stretches {
    found: Vec<TimeRange<Frames>>,
    begun: Option<u64>,
}

impl Stretches {
    fn begin(&mut self, number: u64) {
        self.begun.get_or_insert(number);
    }

    fn end(&mut self, number: u64, least: u64) {
        let Some(begun) = self.begun.take() else { return };
        if number - begun >= least && self.found.len() < MAX_STRETCHES {
            self.found.push(TimeRange { start: Frames(begun), end: Frames(number) });
        }
    }
}

/// How the numbers of a picture are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    format: Pixel,
    width: u32,
    height: u32,
    /// Bits of a number; two bytes where there are more than 8.
    bits: u32,
}

/// Whether a picture has its luma in a plane of its own whose lines stand in order.
fn is_direct(picture: &frame::Video) -> bool {
    let in_order = |plane| i32::try_from(picture.stride(plane)).is_ok_and(|stride| stride > 0);
    Shape::of(picture).is_some() && picture.planes() > 0 && (0..picture.planes()).all(in_order)
}

impl Shape {
    fn of(picture: &frame::Video) -> Option<Shape> {
        let format = picture.format();
        let name = format.descriptor()?.name();
        let chroma = |kind: &str| name.strip_prefix(kind).and_then(|rest| rest.get(3..)?.strip_prefix('p'));
        let depth = ["yuvj", "yuva", "yuv"].into_iter().find_map(chroma).or_else(|| name.strip_prefix("gray"))?;
        let bits = match depth {
            "" => 8,
            "9le" => 9,
            "10le" => 10,
            "12le" => 12,
            "14le" => 14,
            "16le" => 16,
            _ => return None,
        };
        Some(Shape { format, width: picture.width(), height: picture.height(), bits })
    }

    /// The lines of a plane without what stands behind them.
    fn lines<'a>(&self, picture: &'a frame::Video, plane: usize) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let width = picture.plane_width(plane) as usize * if self.bits > 8 { 2 } else { 1 };
        let lines = picture.data(plane).chunks(picture.stride(plane)).take(picture.plane_height(plane) as usize);
        lines.filter_map(move |line| line.get(..width))
    }

    fn is_black(&self, picture: &frame::Video) -> bool {
        let is_full = picture.color_range() == Range::JPEG || colour::is_jpeg(self.format);
        let full = (1 << self.bits) - 1;
        // A tenth of the range above black.
        let most = if is_full { full / 10 } else { (379 << (self.bits - 8)) / 10 };
        let dark = |line: &[u8]| match self.bits {
            8 => line.iter().filter(|luma| u32::from(**luma) <= most).count(),
            _ => line.as_chunks().0.iter().filter(|luma| u32::from(u16::from_le_bytes(**luma)) <= most).count(),
        };
        let dark: usize = self.lines(picture, 0).map(dark).sum();
        dark as u64 * 100 >= u64::from(self.width) * u64::from(self.height) * 98
    }
}

/// The numbers of a picture, without alpha.
#[derive(Default)]
struct Planes {
    shape: Option<Shape>,
    bytes: Vec<u8>,
}

impl Planes {
    fn take(&mut self, shape: Shape, picture: &frame::Video) {
        self.shape = Some(shape);
        self.bytes.clear();
        for plane in 0..picture.planes().min(3) {
            shape.lines(picture, plane).for_each(|line| self.bytes.extend_from_slice(line));
        }
    }

    /// Whether a picture differs by at most a thousandth of the range on average.
    fn is_like(&self, shape: &Shape, picture: &frame::Video) -> bool {
        if self.shape != Some(*shape) {
            return false;
        }
        let mut rest = self.bytes.as_slice();
        let mut sum = 0;
        for line in (0..picture.planes().min(3)).flat_map(|plane| shape.lines(picture, plane)) {
            let Some((own, behind)) = rest.split_at_checked(line.len()) else { return false };
            rest = behind;
            sum += if shape.bits == 8 { difference(own, line) } else { wide_difference(own, line) };
        }
        let count = (self.bytes.len() as u64) / if shape.bits > 8 { 2 } else { 1 };
        sum * 1000 <= count << shape.bits
    }
}

fn difference(one: &[u8], other: &[u8]) -> u64 {
    one.iter().zip(other).map(|(one, other)| u32::from(one.abs_diff(*other))).sum::<u32>().into()
}

fn wide_difference(one: &[u8], other: &[u8]) -> u64 {
    let pairs = one.as_chunks().0.iter().zip(other.as_chunks().0);
    let differences =
        pairs.map(|(one, other)| u32::from(u16::from_le_bytes(*one).abs_diff(u16::from_le_bytes(*other))));
    differences.map(u64::from).sum()
}
