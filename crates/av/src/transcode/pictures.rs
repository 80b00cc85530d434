//! The picture of a copy: decoded, picked by time, scaled, turned, encoded.

use ffmpeg_next::software::scaling;
use ffmpeg_next::util::error::EAGAIN;
use ffmpeg_next::{Dictionary, Error, Packet, Rational, codec, color, decoder, encoder, format, frame};
use seedpost_core::time::FrameRate;

use super::target::Target;
use super::{Copy, Stop};
use crate::source::{Clock, Source, THREADS};
use crate::{AvError, colour};

/// The picture from the source's packets to the target's.
pub(super) struct Pictures {
    decoder: decoder::Video,
    clock: Clock,
    rate: FrameRate,
    start: u64,
    frames: u64,
    /// How many frames are sent to the encoder.
    done: u64,
    /// Whether the first packet comes from the middle of the file.
    pub(super) sought: bool,
    held: Option<Held>,
    shape: Shape,
    encoder: encoder::video::Encoder,
    stream: usize,
}

/// The decoded picture that is shown, and what became of it if it was needed.
struct Held {
    decoded: frame::Video,
    finished: Option<frame::Video>,
}

impl Pictures {
    pub(super) fn add(
        target: &mut Target,
        source: &Source,
        copy: &Copy<'_>,
        bit_rate: Option<u64>,
    ) -> Result<Pictures, AvError> {
        let decoder = source.decoder()?;
        let codec = encoder::find_by_name("libx264").ok_or(AvError::NoEncoder("libx264"))?;
        let mut stream = target.file.add_stream(codec)?;
        let mut encoder = codec::context::Context::new_with_codec(codec).encoder().video()?;
        encoder.set_width(copy.width);
        encoder.set_height(copy.height);
        encoder.set_format(format::Pixel::YUV420P);
        encoder.set_aspect_ratio(Rational(1, 1));
        let tick = tick(copy.rate);
        encoder.set_time_base(tick);
        encoder.set_frame_rate(Some(tick.invert()));
        encoder.set_gop(copy.rate.nominal());
        encoder.set_flags(codec::Flags::GLOBAL_HEADER);
        tag_colours(&mut encoder, &decoder);
        let encoder = encoder.open_with(encoder_options(bit_rate))?;
        stream.set_parameters(&encoder);
        stream.set_time_base(tick);
        stream.set_avg_frame_rate(tick.invert());
        Ok(Pictures {
            decoder,
            clock: source.clock,
            rate: copy.rate,
            start: copy.start.0,
            frames: copy.frames.0,
            done: 0,
            sought: false,
            held: None,
            shape: Shape { width: copy.width, height: copy.height, rotation: copy.rotation, scaler: None },
            encoder,
            stream: stream.index(),
        })
    }

    /// Whether all frames are sent to the encoder.
    pub(super) fn is_done(&self) -> bool {
        self.done >= self.frames
    }

    /// Takes a packet of the source's picture.
    pub(super) fn read(&mut self, target: &mut Target, packet: &Packet) -> Result<(), Stop> {
        if self.is_done() {
            return Ok(());
        }
        match self.decoder.send_packet(packet) {
            // A stream may begin in the middle of a group of pictures.
            Err(error) if self.held.is_some() => Err(error.into()),
            _ => self.decode(target),
        }
    }

    /// Takes what the decoder still holds, repeats the last picture where some is missing, and ends.
    pub(super) fn finish(&mut self, target: &mut Target) -> Result<(), Stop> {
        if !self.is_done() {
            self.decoder.send_eof()?;
            self.decode(target)?;
            self.encode_until(target, None)?;
        }
        self.encoder.send_eof()?;
        self.drain(target)
    }

    fn decode(&mut self, target: &mut Target) -> Result<(), Stop> {
        while !self.is_done() {
            let mut decoded = frame::Video::empty();
            match self.decoder.receive_frame(&mut decoded) {
                Ok(()) => self.show(target, decoded)?,
                Err(Error::Other { errno: EAGAIN } | Error::Eof) => return Ok(()),
                Err(error) if self.held.is_some() => return Err(error.into()),
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Encodes what is shown before this picture begins; from then on it is shown itself.
    fn show(&mut self, target: &mut Target, decoded: frame::Video) -> Result<(), Stop> {
        let at = decoded.timestamp().ok_or(AvError::Request("a picture has no time"))?;
        if self.held.is_some() {
            self.encode_until(target, Some(at))?;
        } else if self.sought && self.clock.is_later(at, self.start, self.rate) {
            return Err(Stop::SoughtPast);
        }
        self.held = Some(Held { decoded, finished: None });
        Ok(())
    }

    /// Encodes the picture that is held for each frame that begins before tick `end`; all where absent.
    fn encode_until(&mut self, target: &mut Target, end: Option<i64>) -> Result<(), Stop> {
        while !self.is_done() {
            if end.is_some_and(|end| !self.clock.is_later(end, self.start + self.done, self.rate)) {
                return Ok(());
            }
            let held = self.held.as_mut().ok_or(AvError::Request("no picture of it can be decoded"))?;
            if held.finished.is_none() {
                held.finished = Some(self.shape.apply(&held.decoded)?);
            }
            if let Some(finished) = &mut held.finished {
                finished.set_pts(i64::try_from(self.done).ok());
                self.encoder.send_frame(finished)?;
            }
            self.done += 1;
            self.drain(target)?;
        }
        Ok(())
    }

    fn drain(&mut self, target: &mut Target) -> Result<(), Stop> {
        let mut packet = Packet::empty();
        while self.encoder.receive_packet(&mut packet).is_ok() {
            // Without a duration the last frame would last no time at all.
            packet.set_duration(1);
            target.send(&mut packet, self.stream, tick(self.rate))?;
        }
        Ok(())
    }
}

fn tick(rate: FrameRate) -> Rational {
    let cell = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    Rational(cell(rate.den()), cell(rate.num()))
}

fn encoder_options(bit_rate: Option<u64>) -> Dictionary<'static> {
    let mut options = Dictionary::new();
    options.set("preset", "fast");
    options.set("profile", "high");
    options.set("threads", THREADS);
    match bit_rate {
        None => options.set("crf", "16"),
        Some(rate) => {
            options.set("b", &rate.to_string());
            options.set("maxrate", &rate.to_string());
            options.set("bufsize", &(rate / 2).to_string());
        }
    }
    options
}

/// Says what the copy's numbers mean as colours, which players else guess by the size of the picture.
fn tag_colours(encoder: &mut encoder::video::Video, decoder: &decoder::Video) {
    // Of RGB the scaler makes BT.601; of that, and of JPEG's full range, it makes video range.
    let coded = colour::is_coded(decoder.format());
    let space = colour::space(decoder.color_space(), decoder.width(), decoder.height());
    encoder.set_colorspace(if coded { space } else { color::Space::SMPTE170M });
    let kept = coded && !colour::is_jpeg(decoder.format());
    encoder.set_color_range(if kept { decoder.color_range() } else { color::Range::MPEG });
    encoder.set_color_primaries(decoder.color_primaries());
    encoder.set_color_transfer_characteristic(decoder.color_transfer_characteristic());
}

/// Size and turn of the copy.
struct Shape {
    width: u32,
    height: u32,
    rotation: u16,
    scaler: Option<scaling::Context>,
}

impl Shape {
    /// Scales a picture to the size that it has before its turn, then turns it.
    fn apply(&mut self, decoded: &frame::Video) -> Result<frame::Video, AvError> {
        let lying = self.rotation % 180 == 90;
        let (width, height) = if lying { (self.height, self.width) } else { (self.width, self.height) };
        let given = (decoded.format(), decoded.width(), decoded.height());
        // Streams may change their size on the way.
        let fitting = self.scaler.take().filter(|scaler| {
            let input = scaler.input();
            (input.format, input.width, input.height) == given
        });
        let mut scaler = match fitting {
            Some(scaler) => scaler,
            None => {
                let flags = scaling::Flags::BICUBIC | scaling::Flags::ACCURATE_RND | scaling::Flags::BITEXACT;
                scaling::Context::get(given.0, given.1, given.2, format::Pixel::YUV420P, width, height, flags)?
            }
        };
        let mut scaled = frame::Video::new(format::Pixel::YUV420P, width, height);
        scaler.run(decoded, &mut scaled)?;
        self.scaler = Some(scaler);
        if self.rotation == 0 {
            return Ok(scaled);
        }
        let mut turned = frame::Video::new(format::Pixel::YUV420P, self.width, self.height);
        for plane in 0..3 {
            turn(&scaled, &mut turned, plane, self.rotation);
        }
        Ok(turned)
    }
}

/// Copies a plane turned clockwise by 90, 180 or 270 degrees.
fn turn(from: &frame::Video, to: &mut frame::Video, plane: usize, rotation: u16) {
    let (width, height) = (to.plane_width(plane) as usize, to.plane_height(plane) as usize);
    let (from_stride, to_stride) = (from.stride(plane), to.stride(plane));
    let source = from.data(plane);
    for (y, line) in to.data_mut(plane).chunks_mut(to_stride).take(height).enumerate() {
        for (x, pixel) in line.iter_mut().take(width).enumerate() {
            let (column, row) = match rotation {
                90 => (y, width - 1 - x),
                180 => (width - 1 - x, height - 1 - y),
                _ => (height - 1 - y, x),
            };
            *pixel = source[row * from_stride + column];
        }
    }
}
