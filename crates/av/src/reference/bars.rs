//! The number of a frame as bars, which programs read: no OCR, and no trust in what a file says of its times.
//!
//! In the upper left corner stands a row of 32 square cells, white (235) for 1 and black (16) for 0, without colour and
//! without a gap. A cell's side is 8 pixels for each whole 512 that the picture is wide, and at least 8; so the row is 256
//! pixels or more wide, and its edges lie on the blocks of the codecs. From left to right:
//!
//! | cells | what |
//! | --- | --- |
//! | 4 | 1 0 1 0 |
//! | 24 | the frame since midnight, most significant bit first |
//! | 4 | the six groups of four of those bits, and 0101, added without carry (exclusive or) |
//!
//! Who reads takes the mean of the middle of each cell, and calls it white above the middle between the first cell and
//! the second.

use ffmpeg_next::frame;
use seedpost_core::time::Frames;

use super::canvas::neutral;

const CELLS: usize = 32;

/// The side of a cell in a picture of so many pixels' width.
pub(super) fn side(width: usize) -> usize {
    8 * (width / 512).max(1)
}

/// What the cells say, the leftmost one as the most significant bit.
fn word(number: Frames) -> u32 {
    let number = u32::try_from(number.0 & 0xff_ffff).unwrap_or(0);
    let check = (0..6).fold(0b0101, |check, group| check ^ (number >> (4 * group) & 0xf));
    0b1010 << 28 | number << 4 | check
}

/// Paints them into a picture of 8 bits and 4:2:0.
pub(super) fn paint(picture: &mut frame::Video, number: Frames) {
    let side = side(picture.width() as usize);
    let stride = picture.stride(0);
    let word = word(number);
    for (index, cell) in (0..CELLS).zip((0..).step_by(side)) {
        let shade = if word >> (CELLS - 1 - index) & 1 == 1 { 235 } else { 16 };
        for row in picture.data_mut(0).chunks_mut(stride).take(side) {
            row.iter_mut().skip(cell).take(side).for_each(|pixel| *pixel = shade);
        }
    }
    neutral(picture, 0..CELLS * side, 0..side);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_between_its_marks() {
        // 01:00:04:12 at 24 frames a second is 86,508, 0x0151ec: 0^1^5^1^e^c = 7, and 7^5 = 2.
        assert_eq!(word(Frames(86_508)), 0xa01_51ec2);
        assert_eq!(word(Frames(0)), 0xa000_0005);
        assert_eq!(word(Frames(0xff_ffff)), 0xafff_fff5);
    }
}
