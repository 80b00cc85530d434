//! Wraps a file anew: the coded picture as it is, in an MP4 or MOV whose index stands in front.
//!
//! Nothing of the picture is decoded. What was written is read back and compared, so an answer means that the picture
//! is untouched. Deliberately absent: stream side data other than the display matrix (HDR metadata that stands only in
//! the container), and a track's role.

pub(crate) mod boxes;
mod digest;
mod facts;

use std::path::Path;

use ffmpeg_next::rescale::Rescale;
use ffmpeg_next::util::error::EINVAL;
use ffmpeg_next::{Packet, Rational, format, media};

use crate::source::{Clock, Source, is_decodable};
use crate::stamp::{Mark, Pace};
use crate::transcode::sound::{HERTZ, Sound, Span};
use crate::transcode::target::Target;
use crate::transcode::{SOUND_BITS, Stop};
use crate::{AvError, clip, probe};
use digest::{Digest, Form};

/// The most samples of sound that is encoded anew: a day.
const MAX_SAMPLES: u64 = 24 * 3600 * 48_000;

/// The most packets that wait for a time of decoding; codecs reorder at most 16 pictures.
const MAX_WAITING: usize = 32;

/// What becomes of the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is left out.
    Drop,
    /// The packets of the first sound are copied.
    Copy,
    /// It is encoded anew as AAC at 48 kHz in two channels; one channel becomes two alike.
    Encode,
}

/// The coded picture as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// How many packets there are.
    pub packets: u64,
    /// SHA-256, in hex, of the bytes of all packets in the order of the file.
    pub sha256: String,
}

/// Copies the first picture of a file that is no cover, and does with the sound what is asked.
///
/// Times stay what they are, from the beginning of the file on. Packets before the first keyframe are left out, since
/// nothing can show them. H.264 and HEVC of transport streams and AVI are stored otherwise in MP4 (ISO/IEC 14496-15);
/// then the answer is of the packets as they were read, and their NAL units are what was compared.
///
/// # Errors
/// `Request` where the container does not take the picture or the sound, the source is cut short, or the picture that
/// was written is not the one that was read; else what FFmpeg or the disk said. A partial file may be left.
pub fn write(source: &Path, out: &Path, fate: Fate) -> Result<Picture, AvError> {
    copy(source, out, &Manner { fate, mark: None, pace: None })
}

/// How a file is wrapped anew.
pub(crate) struct Manner {
    pub(crate) fate: Fate,
    /// A label and a reel in place of the source's own.
    pub(crate) mark: Option<Mark>,
    /// New times of a picture that is slowed.
    pub(crate) pace: Option<Pace>,
}

/// As [`write()`], in more ways.
pub(crate) fn copy(source: &Path, out: &Path, manner: &Manner) -> Result<Picture, AvError> {
    let fate = manner.fate;
    let mut source = Source::open_first(source)?;
    if let (Some(mark), None) = (&manner.mark, &manner.pace) {
        mark.check_rate(&source)?;
    }
    let first = source.input.streams().find(|stream| stream.parameters().medium() == media::Type::Audio);
    let first = first.map(|stream| (stream.index(), is_decodable(&stream)));
    match (fate, first) {
        (Fate::Copy, Some((index, _))) | (Fate::Encode, Some((index, true))) => source.audio = Some(index),
        (Fate::Encode, Some(_)) => source.add_sound()?,
        (Fate::Drop, _) | (_, None) => {}
    }
    let mut writing = Writing::begin(&source, out, manner)?;
    let mut read = Digest::new(Form::of_source(&source)?);
    while let Some(packet) = source.read()? {
        writing.take(packet, &mut read)?;
    }
    writing.end()?;
    boxes::patch(out, &facts::Shown::of(&source)?)?;
    if manner.mark.is_some() {
        boxes::fit_timecode(out)?;
    }
    if read.is_written_as(&read_back(out, manner.mark.as_ref())?) {
        Ok(Picture { packets: read.packets, sha256: read.sha256() })
    } else {
        Err(AvError::Request("the container does not take its picture as it is"))
    }
}

/// What the first picture of a written file has, which was to be marked.
fn read_back(path: &Path, mark: Option<&Mark>) -> Result<Digest, AvError> {
    let mut written = Source::open_first(path)?;
    if mark.is_some_and(|mark| !mark.is_in(&written.input)) {
        return Err(AvError::Request("the container does not take this timecode or reel"));
    }
    let mut digest = Digest::new(Form::of_written(&written)?);
    while let Some(packet) = written.read()? {
        if packet.stream() == written.video {
            digest.add(packet.data().unwrap_or_default());
        }
    }
    Ok(digest)
}

/// The clock whose zero becomes the beginning: the source's own, or where its first stream begins if that is later, as
/// in transport streams. A label belongs to the first picture, so that is where a marked file begins.
fn beginning(source: &Source, mark: Option<&Mark>) -> Result<Clock, AvError> {
    let picture = source.clock;
    if mark.is_some() {
        return Ok(Clock { zero: picture.zero.max(0), ..picture });
    }
    let sound = source.input.streams().best(media::Type::Audio).map(|stream| Clock::of(&stream)).transpose()?;
    let first = match sound {
        Some(sound) if picture.sample(sound.zero, sound.base, 1_000_000) < 0 => sound,
        _ => picture,
    };
    Ok(Clock { zero: first.zero.max(0), ..first })
}

/// A stream whose packets are copied.
struct Track {
    from: usize,
    to: usize,
    base: Rational,
    /// Ticks that its times are moved by.
    shift: i64,
    /// Ticks of a packet that does not tell its length.
    length: i64,
    /// The latest time of decoding.
    latest: Option<i64>,
    /// The first packets, as long as it is not known when they are decoded.
    waiting: Vec<Packet>,
    /// New times of its packets.
    pace: Option<Pace>,
}

impl Track {
    fn of(stream: &format::stream::Stream<'_>, to: usize, zero: Clock) -> Result<Track, AvError> {
        let base = Clock::of(stream)?.base;
        let rate = stream.avg_frame_rate();
        let rate = if rate.numerator() > 0 { rate } else { stream.rate() };
        let length = if rate.numerator() > 0 && rate.denominator() > 0 { 1.rescale(rate.invert(), base) } else { 0 };
        Ok(Track {
            from: stream.index(),
            to,
            base,
            shift: zero.zero.rescale(zero.base, base),
            length,
            latest: None,
            waiting: Vec::new(),
            pace: None,
        })
    }

    /// Gives its packets new times.
    fn paced(self, pace: Option<Pace>) -> Track {
        match pace {
            Some(pace) => Track { base: pace.base(), shift: 0, length: 1, pace: Some(pace), ..self },
            None => self,
        }
    }

    /// Writes a packet of it, once the time is known at which it is decoded.
    fn send(&mut self, file: &mut format::context::Output, mut packet: Packet) -> Result<(), AvError> {
        if let Some(pace) = &mut self.pace {
            pace.place(&mut packet)?;
        }
        let is_known = packet.dts().is_some() || self.latest.is_some();
        self.waiting.push(packet);
        if is_known || self.waiting.len() >= MAX_WAITING { self.flush(file) } else { Ok(()) }
    }

    /// Writes the packets that wait. Some containers do not tell when the first ones are decoded: then as long before
    /// the first that is known as they last.
    fn flush(&mut self, file: &mut format::context::Output) -> Result<(), AvError> {
        let waiting = std::mem::take(&mut self.waiting);
        let first = waiting.last().and_then(Packet::dts);
        let count = i64::try_from(waiting.len()).unwrap_or(i64::MAX);
        for (before, mut packet) in (1..=count).rev().zip(waiting) {
            let guess = first.map(|first| first.saturating_sub((before - 1).saturating_mul(self.length)));
            packet.set_dts(packet.dts().or(guess));
            self.write(file, packet)?;
        }
        Ok(())
    }

    /// Writes a packet. What is not decoded later than the one before is moved as little as a container needs.
    fn write(&mut self, file: &mut format::context::Output, mut packet: Packet) -> Result<(), AvError> {
        let moved = |at: Option<i64>| at.map(|at| at.saturating_sub(self.shift));
        let decoded = match (moved(packet.dts()), self.latest) {
            (Some(at), Some(latest)) => Some(at.max(latest.saturating_add(1))),
            (None, Some(latest)) => Some(latest.saturating_add(self.length.max(1))),
            (at, None) => at.or(moved(packet.pts())),
        };
        packet.set_pts(moved(packet.pts()).or(decoded).max(decoded));
        packet.set_dts(decoded);
        self.latest = decoded;
        if packet.duration() <= 0 {
            packet.set_duration(self.length);
        }
        packet.set_position(-1);
        clip::send(file, &mut packet, self.to, self.base)
    }
}

/// The clock that has the ticks of two others, if one can be told in 31 bits.
pub(crate) fn common(one: i32, other: i32) -> Option<i32> {
    let (mut divisor, mut rest) = (one, other);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    one.checked_div(divisor)?.checked_mul(other)
}

/// A file being written.
struct Writing {
    target: Target,
    picture: Track,
    /// Sound that is copied.
    sound: Option<Track>,
    /// Sound that is encoded, and the stream that it comes from.
    coder: Option<(usize, Sound)>,
    /// Whether a keyframe was read.
    is_begun: bool,
}

/// Where a table says that sound ends, in samples from the beginning of what is written: its last packet may hold more.
fn stated_end(stream: &format::stream::Stream<'_>, zero: Clock) -> Option<u64> {
    let base = probe::clock(stream.time_base()).filter(|_| stream.frames() > 0 && stream.duration() > 0)?;
    let start = if stream.start_time() == i64::MIN { 0 } else { stream.start_time() };
    let hertz = Rational(1, HERTZ.cast_signed());
    let end = start.saturating_add(stream.duration()).rescale(base, hertz);
    u64::try_from(end.saturating_sub(zero.zero.rescale(zero.base, hertz))).ok().filter(|end| *end > 0)
}

/// All of a sound.
fn whole(stream: &format::stream::Stream<'_>, zero: Clock) -> Span {
    let total = stated_end(stream, zero).unwrap_or(MAX_SAMPLES);
    Span { clock: zero, begin: 0, total, is_filled: false, is_stereo: true, hertz: HERTZ, lead: 0, bits: SOUND_BITS }
}

impl Writing {
    fn begin(source: &Source, out: &Path, manner: &Manner) -> Result<Writing, AvError> {
        // What one container calls a codec may mean nothing in another; where FFmpeg can do without, it is left out.
        let mut refused = None;
        for (picture, sound) in [(false, false), (true, false), (false, true), (true, true)] {
            match Writing::attempt(source, out, manner, (picture, sound)) {
                Err(AvError::Ffmpeg(
                    error @ (ffmpeg_next::Error::InvalidData | ffmpeg_next::Error::Other { errno: EINVAL }),
                )) => refused = Some(error),
                other => return other,
            }
        }
        let silent = Manner { fate: Fate::Drop, mark: None, pace: None };
        let is_copied = manner.fate == Fate::Copy && source.audio.is_some();
        let is_sound = is_copied && Writing::begin(source, out, &silent).is_ok();
        Err(match refused {
            Some(_) if is_sound => AvError::Request("this container does not take its sound"),
            _ => AvError::Request("this container does not take its picture"),
        })
    }

    /// Begins a file whose picture and sound are named anew, or named as in the source.
    fn attempt(source: &Source, out: &Path, manner: &Manner, anew: (bool, bool)) -> Result<Writing, AvError> {
        let Manner { fate, ref mark, pace } = *manner;
        let zero = beginning(source, mark.as_ref())?;
        let is_mov = out.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("mov"));
        let mut target = Target::create(out, if is_mov { "mov" } else { "mp4" }, u64::MAX)?;
        let picture = source.picture()?;
        let to = facts::add(&mut target.file, &picture, source, anew.0)?;
        facts::name(&mut target.file, to, &picture, mark.as_ref());
        let picture = Track::of(&picture, to, zero)?.paced(pace);
        let (mut sound, mut coder) = (None, None);
        match source.audio.and_then(|index| source.input.stream(index)) {
            Some(stream) if fate == Fate::Copy => {
                let to = facts::add(&mut target.file, &stream, source, anew.1)?;
                facts::name(&mut target.file, to, &stream, None);
                sound = Some(Track::of(&stream, to, zero)?);
            }
            Some(stream) if fate == Fate::Encode => {
                let span = pace.map_or_else(|| Ok(whole(&stream, zero)), |pace| pace.span_of(&stream))?;
                let to = target.file.nb_streams() as usize;
                coder = Some((stream.index(), Sound::add(&mut target, source, stream.index(), span)?));
                facts::name(&mut target.file, to, &stream, None);
            }
            _ => {}
        }
        facts::tell(&mut target.file, source, zero, manner)?;
        let other = match (&sound, &coder) {
            (Some(sound), _) => sound.base.denominator(),
            (None, Some(_)) => HERTZ.cast_signed(),
            (None, None) => 1,
        };
        let own = picture.base.denominator();
        // The clock of a timecode track is that of the picture, so that has to know its frames.
        let labels = mark.as_ref().map_or(1, |mark| mark.frame().denominator());
        let own = common(own, labels).ok_or(AvError::Request("its clock cannot count this timecode"))?;
        // What an edit list says is rounded to the movie's clock, so that one has to know the ticks of both tracks.
        let clocks = [("video_track_timescale", own), ("movie_timescale", common(own, other).unwrap_or(own))];
        target.begin(&clocks.map(|(name, clock)| (name, clock.to_string())))?;
        Ok(Writing { target, picture, sound, coder, is_begun: false })
    }

    /// Writes a packet of the source, or leaves it out.
    fn take(&mut self, packet: Packet, read: &mut Digest) -> Result<(), AvError> {
        let stream = packet.stream();
        if stream == self.picture.from {
            self.is_begun |= packet.is_key();
            if !self.is_begun {
                return Ok(());
            }
            if packet.pts().is_none() {
                return Err(AvError::Request("its pictures do not tell when they are shown"));
            }
            read.add(packet.data().unwrap_or_default());
            return self.picture.send(&mut self.target.file, packet);
        }
        if let Some(sound) = self.sound.as_mut().filter(|sound| sound.from == stream) {
            return sound.send(&mut self.target.file, packet);
        }
        match &mut self.coder {
            Some((from, coder)) if *from == stream => Ok(coder.read(&mut self.target, &packet)?),
            _ => Ok(()),
        }
    }

    fn end(mut self) -> Result<(), AvError> {
        if !self.is_begun {
            return Err(AvError::Request("there is no keyframe in its picture"));
        }
        for track in [Some(&mut self.picture), self.sound.as_mut()].into_iter().flatten() {
            track.flush(&mut self.target.file)?;
        }
        if let Some((_, coder)) = &mut self.coder {
            coder.finish(&mut self.target)?;
        }
        self.target.end().map_err(Stop::into)
    }
}
