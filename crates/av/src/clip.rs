//! Encodes a clip as Seedance delivers it: H.264 High 4:2:0 at 24 frames a second with B-frames and an
//! edit list, AAC 48 kHz stereo, `moov` in front.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use ffmpeg_next::{ChannelLayout, Dictionary, Packet, Rational, codec, encoder, format, frame};

use crate::{AvError, picture};

/// Frames a second.
const FPS: i32 = 24;
/// Samples a second.
const HERTZ: i32 = 48_000;
/// Samples of sound for each frame of picture.
const SAMPLES_A_FRAME: u64 = 2000;

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
        Some(path) => Some(Sound::add(&mut file, path, u64::from(clip.frames) * SAMPLES_A_FRAME)?),
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
    source: BufReader<File>,
    done: u64,
    total: u64,
}

impl Sound {
    fn add(file: &mut format::context::Output, source: &Path, total: u64) -> Result<Sound, AvError> {
        let codec = encoder::find(codec::Id::AAC).ok_or(AvError::NoEncoder("AAC"))?;
        let mut stream = file.add_stream(codec)?;
        let mut encoder = codec::context::Context::new_with_codec(codec).encoder().audio()?;
        encoder.set_rate(HERTZ);
        encoder.set_channel_layout(ChannelLayout::STEREO);
        encoder.set_format(planar());
        encoder.set_bit_rate(192_000);
        encoder.set_time_base(Rational(1, HERTZ));
        encoder.set_flags(codec::Flags::GLOBAL_HEADER);
        let encoder = encoder.open_as(codec)?;
        stream.set_parameters(&encoder);
        stream.set_time_base(Rational(1, HERTZ));
        Ok(Sound { encoder, stream: stream.index(), source: BufReader::new(File::open(source)?), done: 0, total })
    }

    /// Encodes whole AAC frames until `target` samples are done, and the last one short.
    fn until(&mut self, file: &mut format::context::Output, target: u64) -> Result<(), AvError> {
        let whole = u64::from(self.encoder.frame_size().max(1));
        while self.done < target.min(self.total) {
            let length = whole.min(self.total - self.done);
            let mut frame = frame::Audio::new(planar(), length as usize, ChannelLayout::STEREO);
            frame.set_rate(HERTZ as u32);
            frame.set_pts(i64::try_from(self.done).ok());
            for index in 0..length as usize {
                let [left, right] = read_pair(&mut self.source)?;
                frame.plane_mut::<f32>(0)[index] = left;
                frame.plane_mut::<f32>(1)[index] = right;
            }
            self.encoder.send_frame(&frame)?;
            self.done += length;
            self.drain(file)?;
        }
        Ok(())
    }

    fn finish(&mut self, file: &mut format::context::Output) -> Result<(), AvError> {
        self.encoder.send_eof()?;
        self.drain(file)
    }

    fn drain(&mut self, file: &mut format::context::Output) -> Result<(), AvError> {
        let mut packet = Packet::empty();
        while self.encoder.receive_packet(&mut packet).is_ok() {
            send(file, &mut packet, self.stream, Rational(1, HERTZ))?;
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
