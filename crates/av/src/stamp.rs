//! Stamps a picture: a copy as QuickTime whose timecode track begins with a given label and names a reel.
//!
//! The coded picture stays as it is. On request each frame lasts 1001/1000 as long: 24 frames a second become
//! 24000/1001 under the same labels, and the sound in the file becomes as much longer. Deliberately absent: any other
//! change of speed, and pictures whose frames are not evenly spaced for it.

use std::path::Path;

use ffmpeg_next::{Packet, Rational, codec, format, media};
use seedpost_core::time::{FrameRate, Frames, Rounding, SampleRate, Timecode};

use crate::AvError;
use crate::rewrap::{self, Fate, Manner, Picture};
use crate::source::{Clock, Source};
use crate::transcode::SOUND_BITS;
use crate::transcode::sound::Span;

/// The longest name of a reel, in bytes.
const MAX_REEL: usize = 255;
/// The most frames that codecs decode ahead.
const MAX_REORDER: i64 = 16;
/// Samples a second of sound that lasts 1001/1000 as long when it is played at 48 kHz.
const SLOW_HERTZ: u32 = 48_048;

const NOT_EVEN: AvError = AvError::Request("its frames are not evenly spaced at the rate that is to be slowed");

/// What to stamp.
#[derive(Debug)]
pub struct Stamp<'a> {
    /// The file to read.
    pub source: &'a Path,
    /// The file to write: a `.mov`.
    pub out: &'a Path,
    /// The label of the first frame, as `05:00:00:00`; with `;` before the frames it counts drop-frame.
    pub timecode: &'a str,
    /// The reel's name: no control characters, at most 255 bytes. None is written where it is empty.
    pub reel: &'a str,
    /// The rate at which the timecode counts: that of the picture as it is written.
    pub rate: FrameRate,
    /// Whether the picture is slowed to that rate, by exactly 1001/1000.
    pub slow: bool,
}

/// A label and a reel for a picture.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) timecode: String,
    pub(crate) reel: String,
    pub(crate) rate: FrameRate,
}

impl Mark {
    fn of(stamp: &Stamp<'_>) -> Result<Mark, AvError> {
        let timecode = Timecode::parse(stamp.timecode, stamp.rate)
            .map_err(|_| AvError::Request("the timecode is none at the rate that it counts at"))?;
        Mark::new(timecode, stamp.reel)
    }

    /// A label, counted at its rate, and a reel.
    pub(crate) fn new(timecode: Timecode, reel: &str) -> Result<Mark, AvError> {
        if reel.len() > MAX_REEL || reel.chars().any(char::is_control) {
            return Err(AvError::Request("a reel's name has at most 255 bytes, and no control characters"));
        }
        Ok(Mark { timecode: timecode.to_string(), reel: reel.to_owned(), rate: timecode.rate() })
    }

    /// Seconds a frame.
    pub(crate) fn frame(&self) -> Rational {
        seconds_a_frame(self.rate)
    }

    /// Refuses a picture that states another rate that cameras and editors use.
    pub(crate) fn check_rate(&self, source: &Source) -> Result<(), AvError> {
        let stated = source.picture()?.avg_frame_rate();
        let is_other = |usual: FrameRate| usual != self.rate && seconds_a_frame(usual).invert() == stated;
        if FrameRate::usual().any(is_other) {
            return Err(AvError::Request("its picture has another rate than its timecode"));
        }
        Ok(())
    }

    /// Whether a file that was written has it.
    pub(crate) fn is_in(&self, input: &format::context::Input) -> bool {
        let tracks = || input.streams().filter(|stream| stream.parameters().medium() == media::Type::Data);
        let has = |key: &str, value: &str| tracks().any(|stream| stream.metadata().get(key) == Some(value));
        has("timecode", &self.timecode) && (self.reel.is_empty() || has("reel_name", &self.reel))
    }
}

/// Writes the copy. Its sound is that of the source, packet for packet; where the picture is slowed it is encoded anew,
/// and is then exactly as long as the picture.
///
/// # Errors
/// As [`rewrap::write`]; also `Request` where the timecode or the reel cannot be written, the picture has another rate,
/// or is to be slowed and its frames are not evenly spaced or its sound has more than two channels.
pub fn write(stamp: &Stamp<'_>) -> Result<Picture, AvError> {
    if !stamp.out.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("mov")) {
        return Err(AvError::Request("a timecode track and a reel stand in a .mov"));
    }
    let mark = Mark::of(stamp)?;
    let pace = if stamp.slow { Some(Pace::of(stamp.source, stamp.rate)?) } else { None };
    let fate = if stamp.slow { Fate::Encode } else { Fate::Copy };
    rewrap::copy(stamp.source, stamp.out, &Manner { fate, mark: Some(mark), pace })
}

pub(crate) fn seconds_a_frame(rate: FrameRate) -> Rational {
    let cell = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    Rational(cell(rate.den()), cell(rate.num()))
}

/// Where the frames of a picture that is slowed stand: each beside the next, in ticks of one frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Frames a second before.
    from: FrameRate,
    /// Frames a second from now on.
    rate: FrameRate,
    clock: Clock,
    /// Frames by which decoding is ahead, so that none is shown before it is decoded.
    lead: i64,
    /// How many frames are shown.
    frames: u64,
    /// Which packet comes next.
    next: i64,
}

impl Pace {
    /// Reads the times of all packets.
    fn of(path: &Path, rate: FrameRate) -> Result<Pace, AvError> {
        const RATE: AvError = AvError::Request("pictures are slowed from 24, 30 or 60 frames a second by 1001/1000");
        let from = FrameRate::usual().find(|from| from.slowed() == Some(rate)).ok_or(RATE)?;
        let mut source = Source::open_first(path)?;
        let mut pace = Pace { from, rate, clock: source.clock, lead: 0, frames: 0, next: 0 };
        let mut shown = Vec::new();
        while let Some(packet) = source.read()? {
            if packet.stream() == source.video && (packet.is_key() || !shown.is_empty()) {
                let frame = pace.frame(packet.pts()).ok_or(NOT_EVEN)?;
                if shown.is_empty() {
                    // As far ahead as in the source, if that can be.
                    let ahead = pace.frame(packet.dts()).map_or(0, i64::saturating_neg);
                    pace.lead = ahead.min(MAX_REORDER.saturating_sub(frame));
                }
                pace.lead = pace.lead.max(i64::try_from(shown.len()).unwrap_or(i64::MAX).saturating_sub(frame));
                shown.push(frame);
            }
        }
        shown.sort_unstable();
        let is_gapless = shown.iter().zip(shown.iter().skip(1)).all(|(one, next)| one.checked_add(1) == Some(*next));
        let first = shown.first().is_none_or(|first| *first <= 0);
        pace.frames = shown.last().map_or(0, |last| u64::try_from(last.saturating_add(1)).unwrap_or(0));
        if is_gapless && first { Ok(pace) } else { Err(NOT_EVEN) }
    }

    /// The frame that begins at a tick of the source, of those that begin at even distances. Containers round: to a
    /// tick, and never by more than a millisecond.
    fn frame(&self, at: Option<i64>) -> Option<i64> {
        let Clock { zero, base } = self.clock;
        let (num, den) = (i128::from(base.numerator()), i128::from(base.denominator()));
        let rate = i128::from(self.from.num());
        let whole = den.checked_mul(self.from.den().into())?;
        let parts = i128::from(at?).checked_sub(zero.into())?.checked_mul(num.checked_mul(rate)?)?;
        let frame = parts.checked_mul(2)?.checked_add(whole)?.div_euclid(2 * whole);
        let off = parts.checked_sub(frame.checked_mul(whole)?)?;
        let slack = (num * rate).min(den * rate / 1000);
        (off.abs() <= slack).then(|| i64::try_from(frame).ok()).flatten()
    }

    /// Seconds a frame.
    pub(crate) fn base(&self) -> Rational {
        seconds_a_frame(self.rate)
    }

    /// Gives the next packet of the picture its new times.
    pub(crate) fn place(&mut self, packet: &mut Packet) -> Result<(), AvError> {
        let frame = self.frame(packet.pts()).ok_or(NOT_EVEN)?;
        packet.set_pts(Some(frame));
        packet.set_dts(Some(self.next.saturating_sub(self.lead)));
        packet.set_duration(1);
        self.next = self.next.saturating_add(1);
        Ok(())
    }

    /// What is encoded of a sound.
    pub(crate) fn span_of(&self, stream: &format::stream::Stream<'_>) -> Result<Span, AvError> {
        let sound = codec::context::Context::from_parameters(stream.parameters())?.decoder().audio()?;
        if sound.channels() > 2 {
            return Err(AvError::Request("sound of more than two channels is not slowed"));
        }
        self.span()
    }

    /// As long as what is shown.
    fn span(&self) -> Result<Span, AvError> {
        let total = self.rate.samples(Frames(self.frames), SampleRate::HZ_48000, Rounding::Nearest);
        let total = total.ok_or(AvError::Request("its picture lasts too long"))?.0;
        Ok(Span {
            clock: self.clock,
            begin: 0,
            total,
            is_filled: true,
            is_stereo: false,
            hertz: SLOW_HERTZ,
            lead: 0,
            bits: SOUND_BITS,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcode::sound::HERTZ;

    fn pace(den: i32) -> Pace {
        let rate = FrameRate::new(24_000, 1001).expect("a rate");
        let clock = Clock { zero: 100, base: Rational(1, den) };
        Pace { from: FrameRate::FPS_24, rate, clock, lead: 0, frames: 48, next: 0 }
    }

    #[test]
    fn frames_are_found_where_containers_round_and_nowhere_else() {
        for (den, at, frame) in [
            (15_360, 100, Some(0)),
            (15_360, 100 + 641, Some(1)),
            (15_360, 100 + 642, None),
            (15_360, 100 - 1280, Some(-2)),
            // 41.67 ms and 1.125 s.
            (1000, 100 + 41, Some(1)),
            (1000, 100 + 42, Some(1)),
            (1000, 100 + 1125, Some(27)),
            (1000, 100 + 50, None),
            (24, 101, Some(1)),
            (25, 101, None),
            (1, i64::MAX, Some((i64::MAX - 100).saturating_mul(24))),
        ] {
            let found = pace(den).frame(Some(at));
            assert_eq!(found, frame.filter(|frame| *frame < i64::MAX), "{at} of 1/{den}");
        }
        assert_eq!(pace(24).frame(None), None);
    }

    #[test]
    fn sound_is_as_long_as_the_picture() {
        assert_eq!(pace(24).span().expect("a span").total, 48 * 2002);
        assert_eq!(u64::from(SLOW_HERTZ) * 1000, u64::from(HERTZ) * 1001);
    }
}
