//! A file whose picture is read: its streams, its packets, its decoder, and its clock.

use std::path::Path;

use ffmpeg_next::{Packet, Rational, codec, decoder, format, media, rescale::Rescale};
use seedpost_core::time::FrameRate;

use crate::{AvError, probe};

/// Microseconds in a second: the clock of whole files.
const MICROS: i64 = 1_000_000;
/// Threads of decoder and encoder: the same on each machine, since an encoder's bytes depend on it.
pub(crate) const THREADS: &str = "4";
/// How long before the time sought reading begins, in microseconds, so that sound decoders settle.
const LEAD: i64 = MICROS;
/// What is sought before this is read from the beginning, in microseconds.
const NEAR: i64 = 3 * MICROS;

/// A file being read.
pub(crate) struct Source {
    pub(crate) input: format::context::Input,
    /// The stream of the picture.
    pub(crate) video: usize,
    /// The stream of the sound, once it is wanted.
    pub(crate) audio: Option<usize>,
    /// The clock of the picture.
    pub(crate) clock: Clock,
    /// The end of the last packet, in microseconds since the file's beginning.
    end: i64,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Source, AvError> {
        let input = probe::open(path)?;
        let video = input.streams().best(media::Type::Video).filter(|stream| !probe::is_cover(stream));
        let video = video.map(|stream| stream.index());
        Source::of(input, video)
    }

    /// Opens the first picture of a file, which need not be the one that players choose.
    pub(crate) fn open_first(path: &Path) -> Result<Source, AvError> {
        let input = probe::open(path)?;
        let is_picture = |stream: &format::stream::Stream<'_>| stream.parameters().medium() == media::Type::Video;
        let video = input.streams().find(|stream| is_picture(stream) && !probe::is_cover(stream));
        let video = video.map(|stream| stream.index());
        Source::of(input, video)
    }

    /// Opens the sound of a file alone, and the clock of its picture where there is one.
    pub(crate) fn open_sound(path: &Path) -> Result<(Source, Option<Clock>), AvError> {
        let input = probe::open(path)?;
        let picture = input.streams().best(media::Type::Video).filter(|stream| !probe::is_cover(stream));
        let picture = picture.map(|stream| Clock::of(&stream)).transpose()?;
        let audio = decodable_sound(&input)?;
        let clock = picture.unwrap_or(Clock { zero: 0, base: Rational(1, 1) });
        Ok((Source { input, video: usize::MAX, audio, clock, end: 0 }, picture))
    }

    fn of(input: format::context::Input, video: Option<usize>) -> Result<Source, AvError> {
        let stream = video.and_then(|index| input.stream(index));
        let stream = stream.ok_or(AvError::Request("there is no moving picture in it"))?;
        let clock = Clock::of(&stream)?;
        Ok(Source { video: stream.index(), audio: None, clock, input, end: 0 })
    }

    /// Reads the sound too, where there is any.
    pub(crate) fn add_sound(&mut self) -> Result<(), AvError> {
        self.audio = decodable_sound(&self.input)?;
        Ok(())
    }

    /// The stream of the picture.
    pub(crate) fn picture(&self) -> Result<format::stream::Stream<'_>, AvError> {
        self.input.stream(self.video).ok_or(AvError::Request("a stream is gone"))
    }

    /// Opens what decodes the picture.
    pub(crate) fn decoder(&self) -> Result<decoder::Video, AvError> {
        self.decoder_with(&[("threads", THREADS)])
    }

    /// Opens what decodes the picture, with options.
    pub(crate) fn decoder_with(&self, options: &[(&str, &str)]) -> Result<decoder::Video, AvError> {
        let stream = self.picture()?;
        let mut decoder = codec::context::Context::from_parameters(stream.parameters())?.decoder();
        decoder.set_packet_time_base(stream.time_base());
        let codec = decoder::find(decoder.id()).ok_or(AvError::Request("this FFmpeg cannot decode its picture"))?;
        Ok(decoder.open_as_with(codec, options.iter().collect())?.video()?)
    }

    /// Goes to a keyframe before a time in microseconds since the picture's beginning, where the container has
    /// an index of them; tells whether.
    ///
    /// # Errors
    /// FFmpeg's own words, after which this source cannot be read.
    pub(crate) fn seek(&mut self, start: i64) -> Result<bool, AvError> {
        if start < NEAR || !self.is_indexed() {
            return Ok(false);
        }
        let zero = self.clock.zero.rescale(self.clock.base, Rational(1, 1_000_000));
        let at = zero.saturating_add(start - LEAD);
        self.input.seek(at, ..at)?;
        Ok(true)
    }

    fn is_indexed(&self) -> bool {
        let format = self.input.format();
        format.name().contains("mov") || format.name().contains("matroska")
    }

    /// Reads the next packet; `None` at the end.
    ///
    /// # Errors
    /// Where the file ends within a packet, or before the end that its header states.
    pub(crate) fn read(&mut self) -> Result<Option<Packet>, AvError> {
        const CUT: AvError = AvError::Request("the file was cut short, or is damaged");
        let packet = match self.next() {
            Ok(packet) => packet,
            Err(ffmpeg_next::Error::Eof) if self.ends_early() => return Err(CUT),
            Err(ffmpeg_next::Error::Eof) => return Ok(None),
            Err(ffmpeg_next::Error::InvalidData) => return Err(CUT),
            Err(error) => return Err(error.into()),
        };
        let ours = packet.stream() == self.video || Some(packet.stream()) == self.audio;
        // Transport streams are made to be joined and left at any place.
        if ours && self.is_damaged(&packet) { Err(CUT) } else { Ok(Some(packet)) }
    }

    /// Reads the next packet, whatever it is; `Eof` at the end.
    pub(crate) fn next(&mut self) -> Result<Packet, ffmpeg_next::Error> {
        let mut packet = Packet::empty();
        packet.read(&mut self.input)?;
        let stream = self.input.stream(packet.stream());
        let base = stream.map_or(Rational(1, 1), |stream| stream.time_base());
        if let Some(pts) = packet.pts() {
            let end = pts.saturating_add(packet.duration()).rescale(base, Rational(1, 1_000_000));
            self.end = self.end.max(end);
        }
        Ok(packet)
    }

    /// Whether the file should go on behind what was read.
    pub(crate) fn ends_early(&self) -> bool {
        probe::ends_early(&self.input, self.end)
    }

    /// Whether some of a packet is missing.
    pub(crate) fn is_damaged(&self, packet: &Packet) -> bool {
        packet.is_corrupt() && !self.input.format().name().contains("mpegts")
    }
}

/// Whether FFmpeg has a decoder of a stream.
pub(crate) fn is_decodable(stream: &format::stream::Stream<'_>) -> bool {
    codec::decoder::find(stream.parameters().id()).is_some()
}

/// The best sound if FFmpeg decodes it, else the first that it does.
fn decodable_sound(input: &format::context::Input) -> Result<Option<usize>, AvError> {
    let sounds = || input.streams().filter(|stream| stream.parameters().medium() == media::Type::Audio);
    let best = input.streams().best(media::Type::Audio).filter(is_decodable).or_else(|| sounds().find(is_decodable));
    match best {
        Some(stream) => Ok(Some(stream.index())),
        None if sounds().next().is_some() => Err(AvError::Request("this FFmpeg cannot decode its sound")),
        None => Ok(None),
    }
}

/// Checks that a stream's clock can be divided by.
pub(crate) fn ticks(base: Rational) -> Result<Rational, AvError> {
    probe::clock(base).ok_or(AvError::Request("a stream has no clock"))
}

/// The clock of a picture, in ticks of its stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// The tick at which the picture begins.
    pub(crate) zero: i64,
    /// Seconds a tick.
    pub(crate) base: Rational,
}

impl Clock {
    /// The clock of a stream; its zero is where the stream begins.
    pub(crate) fn of(stream: &format::stream::Stream<'_>) -> Result<Clock, AvError> {
        let start = stream.start_time();
        Ok(Clock { zero: if start == i64::MIN { 0 } else { start }, base: ticks(stream.time_base())? })
    }

    /// Whether a picture that begins at tick `at` is not yet shown when frame `number` of `rate` begins.
    ///
    /// Exact, but for what containers round: half a tick, and never more than half a millisecond.
    pub(crate) fn is_later(self, at: i64, number: u64, rate: FrameRate) -> bool {
        let (num, den) = (i128::from(self.base.numerator()), i128::from(self.base.denominator()));
        let slack = (1000 * num).min(den);
        let begins = (i128::from(at) - i128::from(self.zero)).saturating_mul(2000 * num).saturating_sub(slack);
        let shown = i128::from(number).saturating_mul(i128::from(rate.den())).saturating_mul(2000 * den);
        begins.saturating_mul(rate.num().into()) > shown
    }

    /// The place of sound that begins at tick `at` of another stream, in samples of `hertz`. Where that stream's clock is
    /// coarser than samples, up to one tick from zero is zero: containers round.
    pub(crate) fn beginning(self, at: i64, base: Rational, hertz: u32) -> i64 {
        let sample = self.sample(at, base, hertz);
        let (num, den) = (u64::from(base.numerator().unsigned_abs()), u64::from(base.denominator().unsigned_abs()));
        let tick = (num * u64::from(hertz)).checked_div(den).unwrap_or(0);
        if tick > 1 && sample.unsigned_abs() <= tick { 0 } else { sample }
    }

    /// The place of tick `at` of another stream, in samples of `hertz` since the picture's beginning.
    pub(crate) fn sample(self, at: i64, base: Rational, hertz: u32) -> i64 {
        let wide = |value: i32| i128::from(value);
        let (num, den) = (wide(base.numerator()), wide(base.denominator()));
        let (own_num, own_den) = (wide(self.base.numerator()), wide(self.base.denominator()));
        let theirs = i128::from(at).saturating_mul(num * own_den);
        let ours = i128::from(self.zero).saturating_mul(own_num * den);
        let twice = theirs.saturating_sub(ours).saturating_mul(2 * i128::from(hertz));
        let all = den * own_den;
        let nearest = twice.saturating_add(all).div_euclid(2 * all);
        i64::try_from(nearest).unwrap_or(if nearest < 0 { i64::MIN } else { i64::MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_shown_from_its_own_time_and_rounded_times_count_as_exact() {
        let clock = |den| Clock { zero: 100, base: Rational(1, den) };
        for (den, at, number, later) in [
            (15_360, 100, 0, false),
            (15_360, 100 + 640, 1, false),
            (15_360, 100 + 641, 1, true),
            // 41.67 ms, which Matroska calls 42.
            (1000, 100 + 42, 1, false),
            (1000, 100 + 43, 1, true),
            (30, 101, 0, true),
            (30, 101, 1, false),
            (30, 102, 1, true),
        ] {
            assert_eq!(clock(den).is_later(at, number, FrameRate::FPS_24), later, "{at} of 1/{den} in {number}");
        }
        assert!(clock(1).is_later(i64::MAX, u64::MAX >> 32, FrameRate::FPS_24));
    }

    #[test]
    fn sound_is_placed_from_the_pictures_beginning() {
        let clock = Clock { zero: 90_000, base: Rational(1, 90_000) };
        assert_eq!(clock.sample(44_100, Rational(1, 44_100), 48_000), 0);
        assert_eq!(clock.sample(0, Rational(1, 44_100), 48_000), -48_000);
        assert_eq!(clock.sample(1023, Rational(1, 1000), 48_000), 1104);
        assert_eq!(clock.sample(i64::MAX, Rational(i32::MAX, 1), 48_000), i64::MAX);
    }
}
