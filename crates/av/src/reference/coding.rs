//! The codecs of references: every frame of every file is encoded alike, so that files can be laid end to end.
//!
//! One thread each: the bytes are the same on any machine, and several workers run side by side.

use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Codec, Dictionary, Packet, Rational, codec, color, encoder, frame};
use seedpost_core::time::FrameRate;
use seedpost_core::turnover::order::{EditCodec, ReferenceForm};

use super::canvas;
use crate::rewrap::common;
use crate::stamp::{Mark, seconds_a_frame};
use crate::transcode::Stop;
use crate::transcode::sound::HERTZ;
use crate::transcode::target::Target;
use crate::{AvError, colour};

/// The most frames from one keyframe to the next in H.264, so that browsers step and seek fast.
const GROUP: u32 = 12;

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An editing codec in QuickTime.
    Edit(EditCodec),
    /// H.264 in MP4.
    View,
}

impl Kind {
    /// What muxers call its container.
    pub(crate) fn container(self) -> &'static str {
        match self {
            Kind::Edit(_) => "mov",
            Kind::View => "mp4",
        }
    }

    /// The codec that is in it.
    pub(crate) fn id(self) -> codec::Id {
        match self {
            Kind::Edit(EditCodec::Dnxhr) => codec::Id::DNXHD,
            Kind::Edit(EditCodec::Prores) => codec::Id::PRORES,
            Kind::View => codec::Id::H264,
        }
    }

    fn encoder(self) -> Result<Codec, AvError> {
        let name = match self {
            Kind::Edit(EditCodec::Dnxhr) => "dnxhd",
            // More than four times as fast as `prores_ks`.
            Kind::Edit(EditCodec::Prores) => "prores_aw",
            Kind::View => "libx264",
        };
        encoder::find_by_name(name).ok_or(AvError::NoEncoder(name))
    }

    fn pixels(self) -> Pixel {
        match self {
            Kind::Edit(EditCodec::Dnxhr) => Pixel::YUV422P,
            Kind::Edit(EditCodec::Prores) => Pixel::YUV422P10LE,
            Kind::View => Pixel::YUV420P,
        }
    }

    fn options(self) -> Dictionary<'static> {
        let mut options = Dictionary::new();
        options.set("threads", "1");
        match self {
            Kind::Edit(EditCodec::Dnxhr) => options.set("profile", "dnxhr_lb"),
            Kind::Edit(EditCodec::Prores) => options.set("profile", "0"),
            Kind::View => {
                // A third of the time of `veryfast`, and half again as many bytes: these are looked at, not delivered.
                options.set("preset", "ultrafast");
                options.set("profile", "high");
                options.set("crf", "23");
                options.set("bf", "0");
                // Tells two pictures apart where one file ends and the next begins.
                options.set("x264-params", "aud=1:open-gop=0");
            }
        }
        options
    }
}

/// Refuses what cannot be made.
pub(crate) fn check(form: &ReferenceForm) -> Result<(), AvError> {
    let odd = form.width % 2 == 1 || form.height % 2 == 1;
    if odd || !(256..=4096).contains(&form.width) || !(120..=4096).contains(&form.height) {
        return Err(AvError::Request("a reference needs even sides, from 256 and 120 to 4096"));
    }
    let whole = form.rate.num() / form.rate.den();
    if !(1..=240).contains(&whole) || i32::try_from(form.rate.num()).is_err() {
        return Err(AvError::Request("a reference needs 1 to 240 frames a second"));
    }
    Ok(())
}

/// The colours of a reference: those that players guess by its size.
pub(crate) fn space(form: &ReferenceForm) -> color::Space {
    colour::space(color::Space::Unspecified, form.width, form.height)
}

/// An encoder.
pub(crate) struct Coding {
    encoder: encoder::video::Encoder,
    /// The picture in the encoder's own pixels, where those are others.
    wide: Option<frame::Video>,
    sent: i64,
}

impl Coding {
    pub(crate) fn open(form: &ReferenceForm, kind: Kind) -> Result<Coding, AvError> {
        let codec = kind.encoder()?;
        let mut encoder = codec::context::Context::new_with_codec(codec).encoder().video()?;
        encoder.set_width(form.width);
        encoder.set_height(form.height);
        encoder.set_format(kind.pixels());
        encoder.set_aspect_ratio(Rational(1, 1));
        let tick = seconds_a_frame(form.rate);
        encoder.set_time_base(tick);
        encoder.set_frame_rate(Some(tick.invert()));
        encoder.set_gop(GROUP);
        encoder.set_flags(codec::Flags::GLOBAL_HEADER | codec::Flags::BITEXACT);
        let (space, primaries, transfer) = match space(form) {
            color::Space::BT709 => (color::Space::BT709, color::Primaries::BT709, color::TransferCharacteristic::BT709),
            other => (other, color::Primaries::SMPTE170M, color::TransferCharacteristic::SMPTE170M),
        };
        encoder.set_colorspace(space);
        encoder.set_color_range(color::Range::MPEG);
        encoder.set_color_primaries(primaries);
        encoder.set_color_transfer_characteristic(transfer);
        let encoder = encoder.open_with(kind.options())?;
        let wide = (kind != Kind::View).then(|| frame::Video::new(kind.pixels(), form.width, form.height));
        Ok(Coding { encoder, wide, sent: 0 })
    }

    /// Encodes a picture of 8 bits and 4:2:0.
    pub(crate) fn encode(
        &mut self,
        picture: &mut frame::Video,
        track: &mut Track,
        target: &mut Target,
    ) -> Result<(), Stop> {
        let given = match &mut self.wide {
            Some(wide) => {
                canvas::widen(picture, wide);
                wide
            }
            None => picture,
        };
        given.set_pts(Some(self.sent));
        self.encoder.send_frame(given)?;
        self.sent += 1;
        self.drain(track, target)
    }

    /// Takes what the encoder still holds.
    pub(crate) fn finish(&mut self, track: &mut Track, target: &mut Target) -> Result<(), Stop> {
        self.encoder.send_eof()?;
        self.drain(track, target)
    }

    fn drain(&mut self, track: &mut Track, target: &mut Target) -> Result<(), Stop> {
        let mut packet = Packet::empty();
        while self.encoder.receive_packet(&mut packet).is_ok() {
            track.write(target, &mut packet)?;
        }
        Ok(())
    }
}

/// The picture of a file: one packet a frame.
pub(crate) struct Track {
    stream: usize,
    tick: Rational,
    /// Packets written.
    pub(crate) written: u64,
}

impl Track {
    /// Adds it to a file, with a label and a reel if they are to stand in it.
    pub(crate) fn add(target: &mut Target, coding: &Coding, mark: &Mark, kind: Kind) -> Result<Track, AvError> {
        let tick = mark.frame();
        let mut stream = target.file.add_stream(kind.encoder()?)?;
        stream.set_parameters(&coding.encoder);
        stream.set_time_base(tick);
        stream.set_avg_frame_rate(tick.invert());
        if kind != Kind::View {
            let mut facts = Dictionary::new();
            facts.set("timecode", &mark.timecode);
            if !mark.reel.is_empty() {
                facts.set("reel_name", &mark.reel);
            }
            stream.set_metadata(facts);
        }
        Ok(Track { stream: stream.index(), tick, written: 0 })
    }

    /// Writes the packet of the next frame.
    pub(crate) fn write(&mut self, target: &mut Target, packet: &mut Packet) -> Result<(), Stop> {
        let at = i64::try_from(self.written).ok();
        packet.set_pts(at);
        packet.set_dts(at);
        packet.set_duration(1);
        packet.set_position(-1);
        self.written += 1;
        target.send(packet, self.stream, self.tick)
    }
}

/// What the muxer is told: clocks that count frames and samples alike, and nothing of the day or the machine.
pub(crate) fn muxing(rate: FrameRate) -> Vec<(&'static str, String)> {
    let num = i32::try_from(rate.num()).unwrap_or(i32::MAX);
    let own = if rate.den() == 1 { num.saturating_mul(1000) } else { num };
    let movie = common(own, HERTZ.cast_signed()).unwrap_or(own);
    vec![
        ("video_track_timescale", own.to_string()),
        ("movie_timescale", movie.to_string()),
        ("fflags", "+bitexact".to_owned()),
        // The bit rate would make descriptions differ that are else the same.
        ("write_btrt", "0".to_owned()),
    ]
}
