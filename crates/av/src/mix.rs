//! Puts a mix into a container of its own, ready to be laid under a picture: PCM in QuickTime, or AAC in MP4.
//!
//! Both begin with the very sample that was asked for and have as many as were asked for. What an AAC encoder needs
//! before the first one is taken off by the edit list; so much silence more that nothing is left over at the end,
//! since not all players cut there.

mod wave;

use std::path::Path;

use ffmpeg_next::{ChannelLayout, Packet, Rational, codec, encoder, format, frame};
use seedpost_core::time::FrameRate;
use seedpost_core::turnover::order::{MixOrder, SoundOf};

use crate::AvError;
use crate::reference::coding::muxing;
use crate::source::Clock;
use crate::transcode::Stop;
use crate::transcode::sound::{Coder, HERTZ, Span, planar};
use crate::transcode::target::Target;
use wave::{BLOCK, Wave};

/// Samples that are written at once.
const STEP: u64 = 24_000;
/// Samples that AAC encodes at once.
const AAC_FRAME: u64 = 1024;
/// Bits a second of AAC.
const BITS: u64 = 256_000;
/// The most samples: a day.
const MAX_SAMPLES: u64 = 24 * 3600 * 48_000;

/// Writes it. The same source gives the same bytes.
///
/// # Errors
/// `Request` where the sound is no 48 kHz WAV of two channels and 24 bits, or is cut short, or the file to write is
/// neither a `.mov` nor an `.mp4`; else what FFmpeg or the disk said. A partial file may be left, for the caller to
/// remove.
pub fn write(order: &MixOrder) -> Result<(), AvError> {
    let is_pcm = is_mov(&order.out)?;
    let mut target = Target::create(&order.out, if is_pcm { "mov" } else { "mp4" }, u64::MAX)?;
    let mut sound = Sound::add(&mut target, &order.sound, order.samples.0, is_pcm)?;
    target.begin(&muxing(FrameRate::FPS_24))?;
    sound.finish(&mut target)?;
    Ok(target.end()?)
}

/// Whether a file is QuickTime by its name; if not, it is MP4.
pub(crate) fn is_mov(path: &Path) -> Result<bool, AvError> {
    let is = |ending: &str| path.extension().is_some_and(|own| own.eq_ignore_ascii_case(ending));
    match (is("mov"), is("mp4")) {
        (false, false) => Err(AvError::Request("what is written is a .mov or an .mp4")),
        (is_mov, _) => Ok(is_mov),
    }
}

/// The sound of a file, from a WAV.
pub(crate) struct Sound {
    wave: Wave,
    track: Track,
    done: u64,
    total: u64,
}

enum Track {
    /// The bytes as they are, in a stream.
    Pcm(usize),
    Aac(Box<Coder>),
}

impl Sound {
    /// Adds it to a file that is not begun.
    pub(crate) fn add(target: &mut Target, sound: &SoundOf, total: u64, is_pcm: bool) -> Result<Sound, AvError> {
        if !(1..=MAX_SAMPLES).contains(&total) {
            return Err(AvError::Request("a sound has at least one sample, and lasts at most a day"));
        }
        let wave = Wave::open(sound)?;
        let track = if is_pcm { Track::Pcm(add_pcm(target)?) } else { Track::Aac(Box::new(add_aac(target, total)?)) };
        Ok(Sound { wave, track, done: 0, total })
    }

    /// Writes up to a sample.
    pub(crate) fn until(&mut self, target: &mut Target, end: u64) -> Result<(), Stop> {
        while self.done < end.min(self.total) {
            let count = STEP.min(end.min(self.total) - self.done);
            let bytes = self.wave.take(count as usize)?;
            let at = self.done.cast_signed();
            match &mut self.track {
                Track::Pcm(stream) => {
                    let mut packet = Packet::copy(&bytes);
                    packet.set_pts(Some(at));
                    packet.set_dts(Some(at));
                    packet.set_duration(count.cast_signed());
                    packet.set_flags(codec::packet::Flags::KEY);
                    target.send(&mut packet, *stream, Rational(1, HERTZ.cast_signed()))?;
                }
                Track::Aac(coder) => coder.write(target, at, &floats(&bytes))?,
            }
            self.done += count;
        }
        Ok(())
    }

    /// Writes what is left.
    pub(crate) fn finish(&mut self, target: &mut Target) -> Result<(), Stop> {
        self.until(target, self.total)?;
        match &mut self.track {
            Track::Pcm(_) => Ok(()),
            Track::Aac(coder) => coder.finish(target),
        }
    }
}

fn add_pcm(target: &mut Target) -> Result<usize, AvError> {
    let codec = encoder::find(codec::Id::PCM_S24LE).ok_or(AvError::NoEncoder("PCM"))?;
    let mut stream = target.file.add_stream(codec)?;
    // Only for what it says of itself: the bytes are there already.
    let mut encoder = codec::context::Context::new_with_codec(codec).encoder().audio()?;
    encoder.set_rate(HERTZ.cast_signed());
    encoder.set_channel_layout(ChannelLayout::STEREO);
    encoder.set_format(format::Sample::I32(format::sample::Type::Packed));
    encoder.set_time_base(Rational(1, HERTZ.cast_signed()));
    let encoder = encoder.open_as(codec)?;
    stream.set_parameters(&encoder);
    stream.set_time_base(Rational(1, HERTZ.cast_signed()));
    Ok(stream.index())
}

fn add_aac(target: &mut Target, total: u64) -> Result<Coder, AvError> {
    let clock = Clock { zero: 0, base: Rational(1, HERTZ.cast_signed()) };
    let lead = u16::try_from((AAC_FRAME - total % AAC_FRAME) % AAC_FRAME).unwrap_or(0);
    let span = Span { clock, begin: 0, total, is_filled: true, is_stereo: true, hertz: HERTZ, lead, bits: BITS };
    Coder::add(target, ChannelLayout::STEREO, span)
}

/// 24-bit samples of two channels as floats, which hold them exactly.
#[expect(clippy::cast_precision_loss, reason = "24 bits are exact as a float")]
fn floats(bytes: &[u8]) -> frame::Audio {
    let mut heard = frame::Audio::new(planar(), bytes.len() / BLOCK, ChannelLayout::STEREO);
    heard.set_rate(HERTZ);
    for channel in 0..2 {
        let samples = bytes.as_chunks::<3>().0.iter().skip(channel).step_by(2);
        for (value, [low, middle, high]) in heard.plane_mut::<f32>(channel).iter_mut().zip(samples) {
            *value = (i32::from_le_bytes([0, *low, *middle, *high]) >> 8) as f32 / 8_388_608.0;
        }
    }
    heard
}
