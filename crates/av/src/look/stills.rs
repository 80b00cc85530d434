//! Still pictures of a video, evenly spread, and a sheet of them all.

use std::path::Path;

use ffmpeg_next::frame;
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage, imageops};
use seedpost_core::time::{Frames, Rounding};

use super::Wanted;
use crate::shown::Shown;
use crate::{AvError, picture};
use seedpost_core::content::Look;

/// The most pictures, whatever is wanted.
const MAX_COUNT: usize = 100;
/// The largest sides of a picture, in pixels.
const MAX_SIDES: (u32, u32) = (320, 640);
/// Where the number of frames is not known, frames from one picture to the next at first.
const STEP: u64 = 24;
/// The quality of JPEG, of 100.
const QUALITY: u8 = 88;
/// Pictures side by side on the sheet.
const COLUMNS: u32 = 4;
/// The height of the line with a picture's number on the sheet, in pixels.
const LINE: u32 = 20;

/// Pictures that are taken on the way.
pub(super) struct Stills {
    rotation: u16,
    pixel_aspect: (u32, u32),
    count: usize,
    spread: Spread,
    taken: Vec<(u64, RgbImage)>,
}

/// Which frames are taken.
enum Spread {
    /// These, the next one last.
    Known(Vec<u64>),
    /// One in so many.
    Every(u64),
}

impl Stills {
    pub(super) fn new(wanted: &Wanted<'_>, (rotation, pixel_aspect): (u16, (u32, u32))) -> Stills {
        let count = if wanted.folder.is_none() { 0 } else { usize::try_from(wanted.count).unwrap_or(MAX_COUNT) };
        let count = count.min(MAX_COUNT);
        let spread = wanted.frames.map_or(Spread::Every(STEP), |frames| Spread::Known(middles(frames, count)));
        Stills { rotation, pixel_aspect, count, spread, taken: Vec::new() }
    }

    /// Takes frame `number` if it is one of those wanted; one that cannot be scaled is left out.
    pub(super) fn show(&mut self, number: u64, decoded: &frame::Video) {
        match &mut self.spread {
            _ if self.count == 0 => return,
            Spread::Known(numbers) => {
                if numbers.last() != Some(&number) {
                    return;
                }
                numbers.pop();
            }
            Spread::Every(step) => {
                if !number.is_multiple_of(*step) {
                    return;
                }
                if self.taken.len() == self.count {
                    *step *= 2;
                    let step = *step;
                    self.taken.retain(|(number, _)| number.is_multiple_of(step));
                    if !number.is_multiple_of(step) || self.taken.len() == self.count {
                        return;
                    }
                }
            }
        }
        let shown = Shown { decoded, rotation: self.rotation, pixel_aspect: self.pixel_aspect };
        self.taken.extend(small(&shown, MAX_SIDES).map(|small| (number, small)));
    }

    /// Writes all pictures and their sheet; tells their names.
    pub(super) fn write(self, folder: &Path, seen: &mut Look) -> Result<(), AvError> {
        for (number, picture) in &self.taken {
            let name = format!("frame_{number:06}.jpg");
            save(&folder.join(&name), picture)?;
            seen.pictures.push((name, Frames(*number)));
        }
        if let Some(sheet) = sheet(&self.taken) {
            let name = "contact_sheet.jpg".to_owned();
            save(&folder.join(&name), &sheet)?;
            seen.sheet = Some(name);
        }
        Ok(())
    }
}

/// The middle frames of so many even parts, the first one last.
fn middles(frames: Frames, count: usize) -> Vec<u64> {
    let parts = count as u128 * 2;
    let middle = |part: u128| Rounding::Down.divide((2 * part + 1) * u128::from(frames.0), parts);
    let mut middles: Vec<u64> = (0..count as u128).rev().filter_map(middle).filter(|at| *at < frames.0).collect();
    middles.dedup();
    middles
}

/// A picture as it is shown, no wider and no higher than `most`.
pub(crate) fn small(shown: &Shown<'_>, most: (u32, u32)) -> Option<RgbImage> {
    let (width, height) = shown.size();
    let within = |(width, height): (u32, u32), most: u32, side: u32| {
        let scaled = |own: u32| {
            let scaled = Rounding::Nearest.divide(u128::from(own) * u128::from(most), side.into());
            scaled.and_then(|scaled| u32::try_from(scaled).ok()).unwrap_or(1).max(1)
        };
        if side > most { (scaled(width), scaled(height)) } else { (width, height) }
    };
    let size = within((width, height), most.0, width);
    let (width, height) = within(size, most.1, size.1);
    if width == 0 || height == 0 {
        return None;
    }
    let rgb = shown.rgb(width, height).ok()?;
    let line = width as usize * 3;
    let lines = rgb.data(0).chunks(rgb.stride(0)).take(height as usize);
    RgbImage::from_raw(width, height, lines.filter_map(|all| all.get(..line)).flatten().copied().collect())
}

/// All pictures side by side, each with its number below.
fn sheet(taken: &[(u64, RgbImage)]) -> Option<RgbImage> {
    let width = taken.iter().map(|(_, picture)| picture.width()).max()?;
    let height = taken.iter().map(|(_, picture)| picture.height()).max()? + LINE;
    let count = u32::try_from(taken.len()).ok()?;
    let mut sheet = RgbImage::from_pixel(count.min(COLUMNS) * width, count.div_ceil(COLUMNS) * height, Rgb([16; 3]));
    for (index, (number, picture)) in (0..).zip(taken) {
        let (left, top) = (index % COLUMNS * width, index / COLUMNS * height);
        imageops::replace(&mut sheet, picture, left.into(), top.into());
        imageops::replace(&mut sheet, &label(*number, width), left.into(), (top + height - LINE).into());
    }
    Some(sheet)
}

/// A frame's number on a dark line.
fn label(number: u64, width: u32) -> RgbImage {
    let mut luma = vec![16; width as usize * LINE as usize];
    picture::write(&mut luma, width as usize, LINE as usize, (4, 6), 1, width as usize, &number.to_string());
    RgbImage::from_fn(width, LINE, |x, y| Rgb([luma.get((y * width + x) as usize).copied().unwrap_or(16); 3]))
}

/// Writes a picture as JPEG.
pub(crate) fn save(path: &Path, picture: &RgbImage) -> Result<(), AvError> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
    picture.write_with_encoder(encoder).map_err(std::io::Error::other)?;
    Ok(std::fs::write(path, bytes)?)
}
