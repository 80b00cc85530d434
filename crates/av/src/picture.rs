//! A test picture that moves: sliding bars, a bouncing block, burnt-in captions and a frame counter.

use ffmpeg_next::frame;
use font8x8::UnicodeFonts;

/// Paints frame `number` into a planar 4:2:0 picture.
pub(crate) fn paint(picture: &mut frame::Video, number: u32, captions: &[String]) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let stride = picture.stride(0);
    let luma = picture.data_mut(0);
    for (row, line) in luma.chunks_mut(stride).take(height).enumerate() {
        let shift = row / 2 + number as usize * 2;
        for (column, pixel) in line.iter_mut().take(width).enumerate() {
            *pixel = shade(column + shift);
        }
    }
    block(luma, stride, width, height, number);
    let scale = (width / 320).max(1);
    let counter = format!("FRAME {number:04}");
    for (index, text) in captions.iter().map(String::as_str).chain([counter.as_str()]).enumerate() {
        write(luma, stride, height, (8 * scale, (8 + index * 12) * scale), scale, width, text);
    }
    tint(picture, height / 2, number);
}

/// A slow ramp between video black and grey, so that text stands out.
#[expect(clippy::cast_possible_truncation, reason = "the remainder is below 256")]
fn shade(position: usize) -> u8 {
    let step = (position / 2 % 128) as u8;
    32 + if step < 64 { step } else { 127 - step }
}

fn block(luma: &mut [u8], stride: usize, width: usize, height: usize, number: u32) {
    let side = height / 5;
    let travel = (width - side).max(1);
    let step = number as usize * width / 150 % (2 * travel);
    let left = if step < travel { step } else { 2 * travel - step };
    for line in luma.chunks_mut(stride).skip(height / 2).take(side) {
        line[left..left + side].fill(210);
    }
}

/// Writes a line of text into a plane of luma, at a place and a size in pixels a dot; what does not fit is left out.
pub(crate) fn write(
    luma: &mut [u8],
    stride: usize,
    height: usize,
    at: (usize, usize),
    scale: usize,
    width: usize,
    text: &str,
) {
    for (index, letter) in text.chars().enumerate() {
        let glyph = font8x8::BASIC_FONTS.get(letter).or_else(|| font8x8::LATIN_FONTS.get(letter)).unwrap_or([0x7e; 8]);
        let left = at.0 + index * 8 * scale;
        if left + 8 * scale > width || at.1 + 8 * scale > height {
            return;
        }
        for (bits, y) in glyph.iter().zip((at.1..).step_by(scale)) {
            let first = y * stride + left;
            for (x, dot) in luma[first..][..8 * scale].chunks_mut(scale).enumerate() {
                dot.fill(if bits >> x & 1 == 1 { 235 } else { 16 });
            }
            for below in 1..scale {
                luma.copy_within(first..first + 8 * scale, first + below * stride);
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the remainder is below 64")]
fn tint(picture: &mut frame::Video, height: usize, number: u32) {
    for plane in 1..3 {
        let stride = picture.stride(plane);
        for (row, line) in picture.data_mut(plane).chunks_mut(stride).take(height).enumerate() {
            line.fill(96 + ((row / 8 + number as usize * plane / 4) % 64) as u8);
        }
    }
}
