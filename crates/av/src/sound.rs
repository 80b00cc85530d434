//! Decodes the sound of any file to 32-bit floats, placed by the picture.
//!
//! Deliberately absent: any change of rate or channels.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use ffmpeg_next::software::resampling;
use ffmpeg_next::util::error::EAGAIN;
use ffmpeg_next::{ChannelLayout, Error, Rational, decoder, format, frame};
use seedpost_core::time::{SampleRate, Samples};

use crate::AvError;
use crate::source::{Clock, Source};
use crate::transcode::sound::open_decoder;

/// The longest sound, in seconds: a day.
const MAX_SECONDS: u64 = 24 * 3600;
/// The longest silence in one go, in seconds, that stands where there is no sound; beyond it times are damaged.
pub(crate) const MAX_HOLE: u64 = 600;
/// Times that differ from what was counted by more than a second divided by this are believed: 50 ms.
const JUMPS: u64 = 20;

/// Where there is no sound for so long.
pub(crate) const HOLE: AvError = AvError::Request("its sound has a hole of more than ten minutes");

/// Sound as it was decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Samples in a second.
    pub rate: SampleRate,
    /// The number of channels.
    pub channels: u32,
    /// Samples in each channel.
    pub samples: Samples,
}

/// Writes the best sound of a file as interleaved 32-bit little-endian floats without a header.
///
/// Its first sample is heard when the first picture is shown, or is the first of all where there is no picture. What
/// cannot be decoded on the way is silent.
///
/// # Errors
/// `Request` where there is no sound, none of it can be decoded, it changes its rate or channels midway, has a hole of
/// more than ten minutes, lasts more than a day, or the file is cut short; else what FFmpeg or the disk said. A partial
/// file may be left.
pub fn write(source: &Path, out: &Path) -> Result<Decoded, AvError> {
    let (mut source, clock) = Source::open_sound(source)?;
    let stream = source.audio.ok_or(AvError::Request("there is no sound in it"))?;
    let (mut decoder, base) = open_decoder(&source, stream)?;
    let out = BufWriter::new(File::create(out)?);
    let mut sink = Sink { out, base, clock, form: None, converter: None, done: 0, at: 0, is_lost: true };
    let mut is_damaged = false;
    while let Some(packet) = source.read()? {
        if packet.stream() != stream {
            continue;
        }
        // What cannot be decoded leaves a hole, behind which only times tell the place.
        if decoder.send_packet(&packet).is_err() {
            is_damaged = true;
            sink.is_lost = true;
        }
        sink.take(&mut decoder)?;
    }
    decoder.send_eof()?;
    sink.take(&mut decoder)?;
    sink.out.flush()?;
    let impossible = AvError::Request("its sound has an impossible sample rate");
    match sink.form {
        Some((rate, layout)) => Ok(Decoded {
            rate: SampleRate::new(rate).ok_or(impossible)?,
            channels: layout.channels().unsigned_abs(),
            samples: Samples(sink.done),
        }),
        None if is_damaged => Err(AvError::Request("none of its sound can be decoded")),
        None => Err(AvError::Request("there is no sound in it")),
    }
}

/// The file that is written, and the way to it.
struct Sink {
    out: BufWriter<File>,
    base: Rational,
    /// The clock of the picture; where there is none, the sound's own, once its beginning is known.
    clock: Option<Clock>,
    /// Samples in a second, and the channels.
    form: Option<(u32, ChannelLayout)>,
    converter: Option<resampling::Context>,
    /// Samples written in each channel.
    done: u64,
    /// Where the next decoded sample belongs.
    at: i64,
    /// Whether only a frame's time tells its place.
    is_lost: bool,
}

impl Sink {
    /// Writes all that the decoder has.
    fn take(&mut self, decoder: &mut decoder::Audio) -> Result<(), AvError> {
        loop {
            let mut decoded = frame::Audio::empty();
            match decoder.receive_frame(&mut decoded) {
                Ok(()) if decoded.samples() > 0 => self.write(&decoded)?,
                Ok(()) => {}
                Err(Error::Other { errno: EAGAIN } | Error::Eof) => return Ok(()),
                Err(_) => {
                    self.is_lost = true;
                    return Ok(());
                }
            }
        }
    }

    fn write(&mut self, decoded: &frame::Audio) -> Result<(), AvError> {
        let form = (decoded.rate(), decoded.channel_layout());
        if !(1..=768_000).contains(&form.0) {
            return Err(AvError::Request("its sound has an impossible sample rate"));
        }
        if *self.form.get_or_insert(form) != form {
            return Err(AvError::Request("its sound changes its rate or its channels midway"));
        }
        self.place(decoded);
        let skipped = u64::try_from(self.at)
            .map_or(self.at.unsigned_abs().saturating_add(self.done), |at| self.done.saturating_sub(at));
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        self.at = self.at.saturating_add(i64::try_from(decoded.samples()).unwrap_or(i64::MAX));
        if skipped >= decoded.samples() {
            return Ok(());
        }
        let end = u64::try_from(self.at).unwrap_or(0);
        if end > MAX_SECONDS * u64::from(form.0) {
            return Err(AvError::Request("its sound lasts more than a day"));
        }
        let channels = usize::try_from(form.1.channels()).unwrap_or(0);
        let silence = end.saturating_sub(self.done).saturating_sub((decoded.samples() - skipped) as u64);
        if silence > MAX_HOLE * u64::from(form.0) {
            return Err(HOLE);
        }
        std::io::copy(&mut std::io::repeat(0).take(silence * channels as u64 * 4), &mut self.out)?;
        let heard = self.convert(decoded, form)?;
        for sample in heard.plane::<f32>(0).iter().skip(skipped * channels) {
            self.out.write_all(&sample.to_le_bytes())?;
        }
        self.done = end;
        Ok(())
    }

    /// Believes a frame's time where it is the first, something was lost before it, or it jumps.
    fn place(&mut self, decoded: &frame::Audio) {
        let Some(at) = decoded.timestamp() else { return };
        let clock = *self.clock.get_or_insert(Clock { zero: at, base: self.base });
        let stated = clock.beginning(at, self.base, decoded.rate());
        if self.is_lost || stated.abs_diff(self.at) > u64::from(decoded.rate()) / JUMPS {
            self.at = stated;
        }
        self.is_lost = false;
    }

    fn convert(
        &mut self,
        decoded: &frame::Audio,
        (rate, layout): (u32, ChannelLayout),
    ) -> Result<frame::Audio, AvError> {
        let floats = format::Sample::F32(format::sample::Type::Packed);
        let fitting = self.converter.take().filter(|converter| converter.input().format == decoded.format());
        let mut converter = match fitting {
            Some(converter) => converter,
            None => resampling::Context::get(decoded.format(), layout, rate, floats, layout, rate)?,
        };
        let mut heard = frame::Audio::new(floats, decoded.samples(), layout);
        converter.run(decoded, &mut heard)?;
        self.converter = Some(converter);
        Ok(heard)
    }
}
