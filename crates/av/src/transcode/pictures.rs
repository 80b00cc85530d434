//! The picture of a copy: picked, scaled, turned, encoded.

use ffmpeg_next::{Dictionary, Packet, Rational, codec, color, decoder, encoder, format, frame};
use seedpost_core::time::FrameRate;

use super::target::Target;
use super::{Copy, Stop};
use crate::pick::{Pick, Shot};
use crate::shape::Shape;
use crate::source::{Source, THREADS};
use crate::stamp::seconds_a_frame;
use crate::{AvError, colour};

/// The picture from the source's packets to the target's.
pub(super) struct Pictures {
    pub(super) pick: Pick,
    coder: Coder,
}

/// What becomes of each frame that was picked.
struct Coder {
    rate: FrameRate,
    shape: Shape,
    /// The picture as it was encoded last.
    finished: Option<frame::Video>,
    encoder: encoder::video::Encoder,
    stream: usize,
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
        let tick = seconds_a_frame(copy.rate);
        encoder.set_time_base(tick);
        encoder.set_frame_rate(Some(tick.invert()));
        encoder.set_gop(copy.rate.nominal());
        encoder.set_flags(codec::Flags::GLOBAL_HEADER);
        tag_colours(&mut encoder, &decoder);
        let encoder = encoder.open_with(encoder_options(bit_rate))?;
        stream.set_parameters(&encoder);
        stream.set_time_base(tick);
        stream.set_avg_frame_rate(tick.invert());
        let stream = stream.index();
        let pick = Pick::new(source, decoder, copy.rate, (copy.start, copy.frames));
        let shape = Shape::new(copy.width, copy.height, copy.rotation);
        Ok(Pictures { pick, coder: Coder { rate: copy.rate, shape, finished: None, encoder, stream } })
    }

    /// Takes a packet of the source's picture.
    pub(super) fn read(&mut self, target: &mut Target, packet: &Packet) -> Result<(), Stop> {
        self.pick.read(packet, &mut |shot| self.coder.encode(target, &shot))
    }

    /// Takes what is still held, and ends.
    pub(super) fn finish(&mut self, target: &mut Target) -> Result<(), Stop> {
        self.pick.finish(&mut |shot| self.coder.encode(target, &shot))?;
        self.coder.encoder.send_eof()?;
        self.coder.drain(target)
    }
}

impl Coder {
    fn encode(&mut self, target: &mut Target, shot: &Shot<'_>) -> Result<(), Stop> {
        if shot.is_new {
            self.finished = Some(self.shape.apply(shot.decoded)?);
        }
        if let Some(finished) = &mut self.finished {
            finished.set_pts(i64::try_from(shot.number).ok());
            self.encoder.send_frame(finished)?;
        }
        self.drain(target)
    }

    fn drain(&mut self, target: &mut Target) -> Result<(), Stop> {
        let mut packet = Packet::empty();
        while self.encoder.receive_packet(&mut packet).is_ok() {
            // Without a duration the last frame would last no time at all.
            packet.set_duration(1);
            target.send(&mut packet, self.stream, seconds_a_frame(self.rate))?;
        }
        Ok(())
    }
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
