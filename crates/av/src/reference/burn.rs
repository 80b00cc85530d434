//! What is burnt into a picture: its record timecode, lines of text, and its number as bars.
//!
//! Letters are eight dots high and wide, white on black. At 1280 pixels the timecode has eight pixels a dot, at 256 it
//! has two.

use ffmpeg_next::frame;
use seedpost_core::time::{Frames, Timecode};
use seedpost_core::turnover::order::ReferenceForm;

use super::bars;
use super::canvas::neutral;
use crate::{AvError, picture};

/// The dots of a letter, on each side.
const DOTS: usize = 8;

/// The label of a frame since midnight; after the last one of a day the first one comes again.
pub(crate) fn label(form: &ReferenceForm, frame: Frames) -> Result<Timecode, AvError> {
    const DROP: AvError = AvError::Request("drop-frame labels exist only at 29.97 and 59.94 frames a second");
    Timecode::from_frames(frame, form.rate, form.drop).ok_or(DROP)
}

/// Burns in the label and the number of a frame since midnight, and lines of text under the bars.
pub(crate) fn burn(picture: &mut frame::Video, label: Timecode, lines: &[&str]) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    bars::paint(picture, label.frames());
    let text = label.to_string();
    let scale = ((width + 80) / 160).min(height / (8 * DOTS)).max(2);
    let left = width.saturating_sub(text.len() * DOTS * scale) / 2;
    let top = height.saturating_sub(DOTS * scale * 3 / 2);
    write(picture, (left, top), scale, &text);
    let mut top = bars::side(width) * 3 / 2;
    for line in lines {
        let scale = fitting(line, width, ((width + 120) / 240).max(2));
        write(picture, (DOTS, top), scale, line);
        top += DOTS * scale;
    }
}

/// Writes lines of text one below the other, the middle of them in the middle of the height.
pub(crate) fn slate(picture: &mut frame::Video, lines: &[String]) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let longest = lines.iter().max_by_key(|line| line.chars().count()).map_or("", String::as_str);
    let scale = fitting(longest, width, ((width + 120) / 240).max(2));
    let step = DOTS * scale * 3 / 2;
    let first = (height / 2).saturating_sub(lines.len() * step / 2);
    for (line, top) in lines.iter().zip((first..).step_by(step)) {
        write(picture, (DOTS, top), scale, line);
    }
}

/// The largest number of pixels a dot, up to `most`, with which a line fits.
fn fitting(line: &str, width: usize, most: usize) -> usize {
    let letters = line.chars().count().max(1);
    (width.saturating_sub(2 * DOTS) / (DOTS * letters)).clamp(1, most)
}

fn write(picture: &mut frame::Video, (left, top): (usize, usize), scale: usize, text: &str) {
    let (width, height, stride) = (picture.width() as usize, picture.height() as usize, picture.stride(0));
    picture::write(picture.data_mut(0), stride, height, (left, top), scale, width, text);
    let right = width.min(left + text.chars().count() * DOTS * scale);
    neutral(picture, left..right, top..height.min(top + DOTS * scale));
}
