//! Makes an upload copy of a reference video: constant rate, a given size, upright, H.264 and AAC in MP4.
//!
//! A source is read once from front to back, and never held whole. Deliberately absent: what size, rate
//! and part a copy should have; de-interlacing; tone mapping of HDR pictures.

mod pictures;
pub(crate) mod sound;
pub(crate) mod target;

use std::path::Path;

use seedpost_core::time::{FrameRate, Frames, Rounding, SampleRate};

use crate::AvError;
use crate::source::Source;
use pictures::Pictures;
use sound::{Sound, Span};
use target::Target;

/// The most frames of one copy: two hours at 120 frames a second.
const MAX_FRAMES: u64 = 2 * 3600 * 120;
/// Bits a second of the sound.
pub(crate) const SOUND_BITS: u64 = 192_000;
/// The lowest bit rate of a picture that is tried, in bits a second.
const MIN_BIT_RATE: u64 = 50_000;

/// What to copy, and to what.
#[derive(Debug)]
pub struct Copy<'a> {
    /// The file to read.
    pub source: &'a Path,
    /// The file to write; its name may have any ending.
    pub out: &'a Path,
    /// The first frame of the copy, counted at `rate` from where the source's picture begins.
    pub start: Frames,
    /// How many frames are written.
    pub frames: Frames,
    /// Frames a second of the copy.
    pub rate: FrameRate,
    /// Width of the copy in pixels; even.
    pub width: u32,
    /// Height of the copy in pixels; even.
    pub height: u32,
    /// Degrees clockwise to turn the decoded picture: 0, 90, 180 or 270.
    pub rotation: u16,
    /// The most bytes of the copy.
    pub max_bytes: u64,
}

impl Copy<'_> {
    fn check(&self) -> Result<(), AvError> {
        let odd = self.width % 2 == 1 || self.height % 2 == 1;
        if odd || !(64..=8192).contains(&self.width) || !(64..=8192).contains(&self.height) {
            return Err(AvError::Request("a copy needs even sides from 64 to 8192"));
        }
        if !(1..=MAX_FRAMES).contains(&self.frames.0) || self.start.0 > u64::from(u32::MAX) {
            return Err(AvError::Request("a copy needs at least one frame and at most two hours"));
        }
        let whole = self.rate.num() / self.rate.den();
        if !(1..=240).contains(&whole) || i32::try_from(self.rate.num()).is_err() {
            return Err(AvError::Request("a copy needs 1 to 240 frames a second"));
        }
        if !matches!(self.rotation, 0 | 90 | 180 | 270) {
            return Err(AvError::Request("a picture turns by 0, 90, 180 or 270 degrees"));
        }
        Ok(())
    }

    /// When the first frame is shown, in microseconds since the source's picture begins.
    fn start_micros(&self) -> i64 {
        let micros = i128::from(self.start.0) * i128::from(self.rate.den()) * 1_000_000;
        i64::try_from(micros / i128::from(self.rate.num())).unwrap_or(0)
    }

    /// The sound of the copy: exactly as long as its picture.
    fn span(&self, source: &Source) -> Result<Span, AvError> {
        let samples = |frames| {
            let samples = self.rate.samples(frames, SampleRate::HZ_48000, Rounding::Nearest);
            samples.map(|samples| samples.0).ok_or(AvError::Request("a copy cannot last that long"))
        };
        let begin = i64::try_from(samples(self.start)?).unwrap_or(i64::MAX);
        let total = samples(self.frames)?;
        Ok(Span {
            clock: source.clock,
            begin,
            total,
            is_filled: true,
            is_stereo: false,
            hertz: sound::HERTZ,
            lead: 0,
            bits: SOUND_BITS,
        })
    }

    /// Bits a second of picture that keep the file within its limit, with half a second in the rate buffer.
    fn capped_bit_rate(&self) -> Option<u64> {
        let bits = u128::from(self.max_bytes) * 8 * 95 / 100 * u128::from(self.rate.num());
        let time = u128::from(self.frames.0) * u128::from(self.rate.den()) + u128::from(self.rate.num()) / 2;
        let rate = u64::try_from(bits / time).ok()?.checked_sub(SOUND_BITS)?;
        (rate >= MIN_BIT_RATE).then_some(rate.min(500_000_000))
    }
}

/// Why a pass ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The file would exceed its limit.
    TooLarge,
    /// The keyframe sought lies behind the first frame wanted.
    SoughtPast,
    /// It cannot be done.
    Failed(AvError),
}

impl From<AvError> for Stop {
    fn from(error: AvError) -> Stop {
        Stop::Failed(error)
    }
}

impl From<ffmpeg_next::Error> for Stop {
    fn from(error: ffmpeg_next::Error) -> Stop {
        Stop::Failed(error.into())
    }
}

impl From<Stop> for AvError {
    fn from(stop: Stop) -> AvError {
        match stop {
            Stop::Failed(error) => error,
            Stop::TooLarge => AvError::Request("the copy does not get small enough for its limit"),
            Stop::SoughtPast => AvError::Request("a keyframe is not where the file says"),
        }
    }
}

/// Makes the copy. The same source gives the same bytes.
///
/// It is first encoded at constant quality; where that exceeds `max_bytes`, again at a bit rate.
///
/// # Errors
/// `Request` where the order makes no sense, the source is cut short, or the copy does not get small
/// enough; else what FFmpeg or the disk said. A partial file may be left, for the caller to remove.
pub fn write(copy: &Copy<'_>) -> Result<(), AvError> {
    copy.check()?;
    match from_keyframe(copy, None) {
        Err(Stop::TooLarge) => {
            let bit_rate = copy.capped_bit_rate().ok_or(Stop::TooLarge)?;
            Ok(from_keyframe(copy, Some(bit_rate))?)
        }
        other => Ok(other?),
    }
}

/// Reads from the keyframe before the first frame, or from the beginning where that does not work.
fn from_keyframe(copy: &Copy<'_>, bit_rate: Option<u64>) -> Result<(), Stop> {
    match pass(copy, bit_rate, true) {
        Err(Stop::SoughtPast) => pass(copy, bit_rate, false),
        other => other,
    }
}

fn pass(copy: &Copy<'_>, bit_rate: Option<u64>, seek: bool) -> Result<(), Stop> {
    let mut source = Source::open(copy.source)?;
    source.add_sound()?;
    let mut target = Target::create(copy.out, "mp4", copy.max_bytes)?;
    let mut pictures = Pictures::add(&mut target, &source, copy, bit_rate)?;
    let mut sound = match source.audio {
        Some(stream) => Some(Sound::add(&mut target, &source, stream, copy.span(&source)?)?),
        None => None,
    };
    if seek {
        pictures.pick.sought = source.seek(copy.start_micros()).map_err(|_| Stop::SoughtPast)?;
    }
    target.begin(&[])?;
    while !(pictures.pick.is_done() && sound.as_ref().is_none_or(Sound::is_done)) {
        let Some(packet) = source.read()? else { break };
        match &mut sound {
            _ if packet.stream() == source.video => pictures.read(&mut target, &packet)?,
            Some(sound) if Some(packet.stream()) == source.audio => sound.read(&mut target, &packet)?,
            _ => {}
        }
    }
    pictures.finish(&mut target)?;
    if let Some(sound) = &mut sound {
        sound.finish(&mut target)?;
    }
    target.end()
}
