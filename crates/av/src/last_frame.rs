//! Writes the last picture that a video shows as a PNG: 8-bit RGB, upright, square pixels.
//!
//! Deliberately absent: de-interlacing; tone mapping of HDR pictures.

use std::path::Path;

use ffmpeg_next::format::Pixel;
use ffmpeg_next::rescale::Rescale;
use ffmpeg_next::software::scaling;
use ffmpeg_next::util::error::EAGAIN;
use ffmpeg_next::{Dictionary, Error, Packet, Rational, codec, decoder, encoder, frame};
use seedpost_core::media::VideoInfo;

use crate::source::Source;
use crate::{AvError, colour, probe};

/// Writes it. The same source gives the same bytes.
///
/// # Errors
/// `Request` where no picture can be decoded, the file is cut short, or a side has not 16 to 8192 pixels; else
/// what FFmpeg or the disk said. A partial file may be left, for the caller to remove.
pub fn write(source: &Path, out: &Path) -> Result<(), AvError> {
    // What cannot be had from the end alone is had from the beginning, and only that failure counts.
    let last = match Last::find(source, true) {
        Ok(Some(last)) => last,
        _ => Last::find(source, false)?.ok_or(AvError::Request("no picture of it can be decoded"))?,
    };
    std::fs::write(out, encode(&last.shown()?)?)?;
    Ok(())
}

/// The last picture that is shown, as it was decoded.
struct Last {
    decoded: frame::Video,
    rotation: u16,
    pixel_aspect: (u32, u32),
}

impl Last {
    /// Decodes from a keyframe near the end, or from the beginning; `None` where that does not tell the last.
    fn find(path: &Path, near_end: bool) -> Result<Option<Last>, AvError> {
        let mut source = Source::open(path)?;
        // Some containers tell only how long the longest stream is, which leads to the last keyframe too.
        let end = match source.picture()?.duration() {
            ticks if ticks > 0 => ticks.rescale(source.clock.base, Rational(1, 1_000_000)),
            _ => source.input.duration(),
        };
        if near_end && !source.seek(end)? {
            return Ok(None);
        }
        let mut decoder = source.decoder()?;
        let stream = source.picture()?;
        let (rotation, pixel_aspect) = (probe::rotation(&stream), probe::pixel_aspect(&decoder));
        let (mut latest, mut held) = (None, None);
        while let Some(packet) = source.read()? {
            if packet.stream() != source.video {
                continue;
            }
            latest = latest.max(packet.pts());
            match decoder.send_packet(&packet) {
                // A stream may begin in the middle of a group of pictures.
                Err(error) if held.is_some() => return Err(error.into()),
                _ => receive(&mut decoder, &mut held)?,
            }
        }
        decoder.send_eof()?;
        receive(&mut decoder, &mut held)?;
        // Later packets may be hidden by an edit list, or need a keyframe before the one that was sought.
        let is_sure = |decoded: &frame::Video| decoded.timestamp() == latest && !decoded.is_corrupt();
        let held = held.filter(|decoded| !near_end || is_sure(decoded));
        Ok(held.map(|decoded| Last { decoded, rotation, pixel_aspect }))
    }

    /// The picture as a player shows it.
    fn shown(&self) -> Result<frame::Video, AvError> {
        let (width, height) = self.size();
        if !(16..=8192).contains(&width) || !(16..=8192).contains(&height) {
            return Err(AvError::Request("its sides are not from 16 to 8192 pixels"));
        }
        let (wide, high) = if self.rotation % 180 == 90 { (height, width) } else { (width, height) };
        // The scaler can neither be told what luma and chroma mean, nor guess it by the size.
        let coded = colour::is_coded(self.decoded.format());
        let scaled = scale(&self.decoded, if coded { Pixel::YUV444P16LE } else { Pixel::RGB24 }, wide, high)?;
        let planes: Vec<_> = (0..scaled.planes()).map(|plane| (scaled.data(plane), scaled.stride(plane))).collect();
        let matrix = colour::Matrix::of(&self.decoded);
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

    fn size(&self) -> (u32, u32) {
        let info = VideoInfo {
            rotation: self.rotation,
            pixel_aspect: self.pixel_aspect,
            ..VideoInfo::of("", (self.decoded.width(), self.decoded.height()))
        };
        info.upright()
    }
}

/// Takes what the decoder has, in the order in which it is shown, and keeps the last.
fn receive(decoder: &mut decoder::Video, held: &mut Option<frame::Video>) -> Result<(), AvError> {
    loop {
        let mut decoded = frame::Video::empty();
        match decoder.receive_frame(&mut decoded) {
            Ok(()) => *held = Some(decoded),
            Err(Error::Other { errno: EAGAIN } | Error::Eof) => return Ok(()),
            Err(error) if held.is_some() => return Err(error.into()),
            Err(_) => return Ok(()),
        }
    }
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

/// The picture as the bytes of a PNG.
fn encode(shown: &frame::Video) -> Result<Vec<u8>, AvError> {
    let codec = encoder::find(codec::Id::PNG).ok_or(AvError::NoEncoder("PNG"))?;
    let mut encoder = codec::context::Context::new_with_codec(codec).encoder().video()?;
    encoder.set_width(shown.width());
    encoder.set_height(shown.height());
    encoder.set_format(Pixel::RGB24);
    encoder.set_time_base(Rational(1, 1));
    let mut options = Dictionary::new();
    options.set("threads", "1");
    options.set("pred", "mixed");
    let mut encoder = encoder.open_with(options)?;
    encoder.send_frame(shown)?;
    encoder.send_eof()?;
    let mut packet = Packet::empty();
    encoder.receive_packet(&mut packet)?;
    Ok(packet.data().unwrap_or_default().to_vec())
}
