//! Writes the last picture that a video shows as a PNG: 8-bit RGB, upright, square pixels.
//!
//! Deliberately absent: de-interlacing; tone mapping of HDR pictures.

use std::path::Path;

use ffmpeg_next::format::Pixel;
use ffmpeg_next::rescale::Rescale;
use ffmpeg_next::util::error::EAGAIN;
use ffmpeg_next::{Dictionary, Error, Packet, Rational, codec, decoder, encoder, frame};

use crate::shown::Shown;
use crate::source::Source;
use crate::{AvError, probe};

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
        let shown = Shown { decoded: &self.decoded, rotation: self.rotation, pixel_aspect: self.pixel_aspect };
        let (width, height) = shown.size();
        if !(16..=8192).contains(&width) || !(16..=8192).contains(&height) {
            return Err(AvError::Request("its sides are not from 16 to 8192 pixels"));
        }
        shown.rgb(width, height)
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
