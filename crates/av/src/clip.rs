//! Encodes a clip as Seedance delivers it: H.264 High 4:2:0 at 24 frames a second with B-frames and an
//! edit list, AAC, `moov` in front.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use ffmpeg_next::software::resampling;
use ffmpeg_next::{ChannelLayout, Dictionary, Packet, Rational, codec, encoder, format, frame};

use crate::{AvError, picture};

/// Frames a second.
const FPS: i32 = 24;
/// Samples a second of the sound that is handed over.
const HERTZ: u32 = 48_000;
/// Samples of sound for each frame of picture.
const SAMPLES_A_FRAME: u64 = 2000;
/// Samples that are converted in one go.
const STEP: u64 = 1024;

/// What to encode.
#[derive(Debug)]
pub struct Clip<'a> {
    /// The file to write; its name may have any ending.
    pub out: &'a Path,
    /// Width in pixels; even.
    pub width: u32,
    /// Height in pixels; even.
    pub height: u32,
    /// How many frames.
    pub frames: u32,
    /// Lines of text above the frame counter.
    pub captions: &'a [String],
    /// Interleaved 32-bit little-endian floats, 48 kHz stereo; silence where it ends early.
    pub sound: Option<&'a Path>,
    /// Channels of the clip's sound: 1, the mean of both sides, or 2.
    pub channels: u16,
    /// Samples a second of the clip's sound, 8000 to 96,000.
    pub rate: u32,
}

/// Encodes it.
///
/// # Errors
/// What FFmpeg or the disk said. A partial file may be left, for the caller to remove.
pub fn write(clip: &Clip<'_>) -> Result<(), AvError> {
    let odd = clip.width % 2 == 1 || clip.height % 2 == 1;
    if odd || !(64..=8192).contains(&clip.width) || !(64..=8192).contains(&clip.height) || clip.frames == 0 {
        return Err(AvError::Request("a clip needs even sides from 64 to 8192 and at least one frame"));
    }
    let mut file = format::output_as(clip.out, "mp4")?;
    let mut video = Video::add(&mut file, clip)?;
    let mut sound = match clip.sound {
        Some(path) => Some(Sound::add(&mut file, path, clip)?),
        None => None,
    };
    let mut options = Dictionary::new();
    options.set("movflags", "+faststart");
    file.write_header_with(options)?;
    for number in 0..clip.frames {
        video.frame(&mut file, number, clip.captions)?;
        if let Some(sound) = &mut sound {
            sound.until(&mut file, u64::from(number + 1) * SAMPLES_A_FRAME)?;
        }
    }
    video.finish(&mut file)?;
    if let Some(sound) = &mut sound {
        sound.finish(&mut file)?;
    }
    file.write_trailer()?;
    Ok(())
}

struct Video {
    encoder: encoder::video::Encoder,
    stream: usize,
    width: u32,
    height: u32,
}

impl Video {
    fn add(file: &mut format::context::Output, clip: &Clip<'_>) -> Result<Video, AvError> {
        let codec = encoder::find_by_name("libx264").ok_or(AvError::NoEncoder("libx264"))?;
        let mut stream = file.add_stream(codec)?;
        let mut encoder = codec::context::Context::new_with_codec(codec).encoder().video()?;
        encoder.set_width(clip.width);
        encoder.set_height(clip.height);
        encoder.set_format(format::Pixel::YUV420P);
        encoder.set_time_base(Rational(1, FPS));
        encoder.set_frame_rate(Some(Rational(FPS, 1)));
        encoder.set_gop(48);
        encoder.set_flags(codec::Flags::GLOBAL_HEADER);
        let mut options = Dictionary::new();
        options.set("preset", "superfast");
        options.set("profile", "high");
        options.set("crf", "26");
        let encoder = encoder.open_with(options)?;
        stream.set_parameters(&encoder);
        stream.set_time_base(Rational(1, FPS));
        stream.set_avg_frame_rate(Rational(FPS, 1));
        Ok(Video { encoder, stream: stream.index(), width: clip.width, height: clip.height })
    }

    fn frame(&mut self, file: &mut format::context::Output, number: u32, captions: &[String]) -> Result<(), AvError> {
        let mut frame = frame::Video::new(format::Pixel::YUV420P, self.width, self.height);
        picture::paint(&mut frame, number, captions);
        frame.set_pts(Some(number.into()));
        self.encoder.send_frame(&frame)?;
        self.drain(file)
    }

    fn finish(&mut self, file: &mut format::context::Output) -> Result<(), AvError> {
        self.encoder.send_eof()?;
        self.drain(file)
    }

    fn drain(&mut self, file: &mut format::context::Output) -> Result<(), AvError> {
        let mut packet = Packet::empty();
        while self.encoder.receive_packet(&mut packet).is_ok() {
            // Without a duration the last frame would last no time at all.
            packet.set_duration(1);
            send(file, &mut packet, self.stream, Rational(1, FPS))?;
        }
        Ok(())
    }
}

struct Sound {
    encoder: encoder::audio::Encoder,
    stream: usize,
    layout: ChannelLayout,
    clock: Rational,
    source: BufReader<File>,
    resampler: resampling::Context,
    /// Samples read from the source, and how many of them there are to read.
    read: (u64, u64),
    /// Samples sent to the encoder, and how many of them there are to send.
    done: (u64, u64),
    /// Converted samples that wait for the encoder, a list for each channel.
    pending: Vec<Vec<f32>>,
}

impl Sound {
    fn add(file: &mut format::context::Output, source: &Path, clip: &Clip<'_>) -> Result<Sound, AvError> {
        if !(1..=2).contains(&clip.channels) || !(8000..=96_000).contains(&clip.rate) {
            return Err(AvError::Request("a clip's sound has 1 or 2 channels, and 8000 to 96,000 samples a second"));
        }
        let layout = if clip.channels == 1 { ChannelLayout::MONO } else { ChannelLayout::STEREO };
        let clock = Rational(1, clip.rate.cast_signed());
        let codec = encoder::find(codec::Id::AAC).ok_or(AvError::NoEncoder("AAC"))?;
        let mut stream = file.add_stream(codec)?;
        let mut encoder = codec::context::Context::new_with_codec(codec).encoder().audio()?;
        encoder.set_rate(clip.rate.cast_signed());
        encoder.set_channel_layout(layout);
        encoder.set_format(planar());
        encoder.set_bit_rate(96_000 * usize::from(clip.channels));
        encoder.set_time_base(clock);
        encoder.set_flags(codec::Flags::GLOBAL_HEADER);
        let encoder = encoder.open_as(codec)?;
        stream.set_parameters(&encoder);
        stream.set_time_base(clock);
        let resampler = resampling::Context::get(planar(), layout, HERTZ, planar(), layout, clip.rate)?;
        let fps = u64::from(FPS.unsigned_abs());
        Ok(Sound {
            encoder,
            stream: stream.index(),
            layout,
            clock,
            source: BufReader::new(File::open(source)?),
            resampler,
            read: (0, u64::from(clip.frames) * SAMPLES_A_FRAME),
            done: (0, (u64::from(clip.frames) * u64::from(clip.rate) + fps / 2) / fps),
            pending: vec![Vec::new(); clip.channels.into()],
        })
    }

    /// Reads up to `target` samples of the source, and encodes the whole AAC frames that they make.
    fn until(&mut self, file: &mut format::context::Output, target: u64) -> Result<(), AvError> {
        while self.read.0 < target.min(self.read.1) {
            let length = STEP.min(self.read.1 - self.read.0);
            let mut given = frame::Audio::new(planar(), length as usize, self.layout);
            given.set_rate(HERTZ);
            for index in 0..length as usize {
                let [left, right] = read_pair(&mut self.source)?;
                // The resampler's own way to one channel may be louder than either side.
                let sides = if self.pending.len() == 1 { [f32::midpoint(left, right), 0.0] } else { [left, right] };
                for (channel, side) in sides.into_iter().enumerate().take(self.pending.len()) {
                    given.plane_mut::<f32>(channel)[index] = side;
                }
            }
            self.read.0 += length;
            // Room for twice the rate, and for what the resampler held back.
            let mut heard = frame::Audio::new(planar(), 2 * length as usize + 256, self.layout);
            self.resampler.run(&given, &mut heard)?;
            self.take(&heard);
            self.encode(file, false)?;
        }
        Ok(())
    }

    fn take(&mut self, heard: &frame::Audio) {
        for (channel, pending) in self.pending.iter_mut().enumerate() {
            pending.extend_from_slice(heard.plane::<f32>(channel));
        }
    }

    /// Encodes whole AAC frames, and at the end the last one short.
    fn encode(&mut self, file: &mut format::context::Output, end: bool) -> Result<(), AvError> {
        let whole = self.encoder.frame_size().max(1) as usize;
        loop {
            let left = usize::try_from(self.done.1 - self.done.0).unwrap_or(usize::MAX);
            let length = whole.min(left).min(self.pending[0].len());
            if length == 0 || (length < whole && !end) {
                return Ok(());
            }
            let mut frame = frame::Audio::new(planar(), length, self.layout);
            frame.set_rate(self.clock.1.unsigned_abs());
            frame.set_pts(i64::try_from(self.done.0).ok());
            for (channel, pending) in self.pending.iter_mut().enumerate() {
                frame.plane_mut::<f32>(channel).copy_from_slice(&pending[..length]);
                pending.drain(..length);
            }
            self.encoder.send_frame(&frame)?;
            self.done.0 += length as u64;
            self.drain(file)?;
        }
    }

    fn finish(&mut self, file: &mut format::context::Output) -> Result<(), AvError> {
        loop {
            let mut heard = frame::Audio::new(planar(), STEP as usize, self.layout);
            self.resampler.flush(&mut heard)?;
            if heard.samples() == 0 {
                break;
            }
            self.take(&heard);
        }
        let left = usize::try_from(self.done.1 - self.done.0).unwrap_or(usize::MAX);
        self.pending.iter_mut().for_each(|pending| pending.resize(left.max(pending.len()), 0.0));
        self.encode(file, true)?;
        self.encoder.send_eof()?;
        self.drain(file)
    }

    fn drain(&mut self, file: &mut format::context::Output) -> Result<(), AvError> {
        let mut packet = Packet::empty();
        while self.encoder.receive_packet(&mut packet).is_ok() {
            send(file, &mut packet, self.stream, self.clock)?;
        }
        Ok(())
    }
}

fn planar() -> format::Sample {
    format::Sample::F32(format::sample::Type::Planar)
}

/// Writes one packet whose times are in `clock`.
pub(crate) fn send(
    file: &mut format::context::Output,
    packet: &mut Packet,
    stream: usize,
    clock: Rational,
) -> Result<(), AvError> {
    let target = file.stream(stream).map(|stream| stream.time_base()).ok_or(AvError::Request("a stream is gone"))?;
    packet.set_stream(stream);
    packet.rescale_ts(clock, target);
    packet.write_interleaved(file)?;
    Ok(())
}

/// Reads one stereo sample; silence after the end.
fn read_pair(source: &mut impl Read) -> Result<[f32; 2], AvError> {
    let mut bytes = [0; 8];
    match source.read_exact(&mut bytes) {
        Ok(()) => {
            let [a, b, c, d, e, f, g, h] = bytes;
            Ok([f32::from_le_bytes([a, b, c, d]), f32::from_le_bytes([e, f, g, h])])
        }
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok([0.0; 2]),
        Err(error) => Err(error.into()),
    }
}
