//! Sound that is decoded, resampled, placed by time and encoded.

use ffmpeg_next::software::resampling;
use ffmpeg_next::{ChannelLayout, Dictionary, Packet, Rational, codec, decoder, encoder, format, frame};

use super::Stop;
use super::target::Target;
use crate::AvError;
use crate::sound::{HOLE, MAX_HOLE};
use crate::source::{Clock, Source, ticks};

/// Samples a second.
pub(crate) const HERTZ: u32 = 48_000;
/// Times that differ by more samples than this from what was counted are believed: 50 ms.
const JUMP: u64 = 2400;
/// Samples that are taken from the resampler at its end in one go.
const TAIL: usize = 4096;

/// What is encoded of a sound.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    /// The clock whose zero is sample 0.
    pub(crate) clock: Clock,
    /// The first sample wanted.
    pub(crate) begin: i64,
    /// Samples wanted.
    pub(crate) total: u64,
    /// Whether silence follows where the source ends early.
    pub(crate) is_filled: bool,
    /// Whether one channel becomes two alike.
    pub(crate) is_stereo: bool,
    /// Samples that each second of the source becomes; [`HERTZ`] where it is to last as long.
    pub(crate) hertz: u32,
    /// Samples of silence before the first one, which an edit list takes off with what the encoder needs itself.
    pub(crate) lead: u16,
    /// Bits a second.
    pub(crate) bits: u64,
}

/// The sound from the source's packets to the target's.
pub(crate) struct Sound {
    decoder: decoder::Audio,
    base: Rational,
    clock: Clock,
    hertz: u32,
    resampler: Option<resampling::Context>,
    /// The channels that the resampler makes.
    layout: ChannelLayout,
    /// Where the next decoded frame should begin, in samples since the clock's zero.
    expected: Option<i64>,
    /// What of `expected` is below one sample, in parts of the decoded rate.
    rest: u64,
    /// Where the resampler's next sample belongs.
    at: i64,
    /// Whether a packet was no sound.
    damaged: bool,
    coder: Coder,
}

impl Sound {
    pub(crate) fn add(target: &mut Target, source: &Source, stream: usize, span: Span) -> Result<Sound, AvError> {
        let (decoder, base) = open_decoder(source, stream)?;
        let layout = if decoder.channels() == 1 { ChannelLayout::MONO } else { ChannelLayout::STEREO };
        let coder = Coder::add(target, if span.is_stereo { ChannelLayout::STEREO } else { layout }, span)?;
        Ok(Sound {
            decoder,
            base,
            clock: span.clock,
            hertz: span.hertz,
            resampler: None,
            layout,
            expected: None,
            rest: 0,
            at: 0,
            damaged: false,
            coder,
        })
    }

    /// Whether all samples are sent to the encoder.
    pub(crate) fn is_done(&self) -> bool {
        self.coder.done >= self.coder.total
    }

    /// Takes a packet of the source's sound. One that cannot be decoded leaves silence.
    pub(crate) fn read(&mut self, target: &mut Target, packet: &Packet) -> Result<(), Stop> {
        if self.is_done() {
            return Ok(());
        }
        if self.decoder.send_packet(packet).is_err() {
            self.damaged = true;
            return Ok(());
        }
        self.decode(target)
    }

    /// Takes what is still held, fills up with silence, and ends.
    pub(crate) fn finish(&mut self, target: &mut Target) -> Result<(), Stop> {
        if !self.is_done() {
            self.decoder.send_eof()?;
            self.decode(target)?;
            self.end_resampler(target)?;
        }
        if self.damaged && self.expected.is_none() {
            return Err(AvError::Request("none of its sound can be decoded").into());
        }
        self.coder.finish(target)
    }

    fn decode(&mut self, target: &mut Target) -> Result<(), Stop> {
        let mut decoded = frame::Audio::empty();
        while !self.is_done() && self.decoder.receive_frame(&mut decoded).is_ok() {
            if !(4000..=768_000).contains(&decoded.rate()) {
                return Err(AvError::Request("its sound has an impossible sample rate").into());
            }
            self.follow(target, &decoded)?;
            let mut heard = resampled(self.layout, decoded.samples(), decoded.rate(), self.hertz);
            if let Some(resampler) = &mut self.resampler {
                resampler.run(&decoded, &mut heard)?;
            }
            self.write(target, &heard)?;
        }
        Ok(())
    }

    /// Readies the resampler for a frame, and believes the frame's time where it jumps.
    fn follow(&mut self, target: &mut Target, decoded: &frame::Audio) -> Result<(), Stop> {
        let given = (decoded.format(), decoded.channel_layout(), decoded.rate());
        let fits = self.resampler.as_ref().is_some_and(|resampler| {
            let input = resampler.input();
            (input.format, input.channel_layout, input.rate) == given
        });
        if !fits {
            self.end_resampler(target)?;
            let (rate, layout) = (self.hertz, self.layout);
            self.resampler = Some(resampling::Context::get(given.0, given.1, given.2, planar(), layout, rate)?);
            self.rest = 0;
        }
        let stated = decoded.timestamp().map(|at| match self.expected {
            Some(_) => self.clock.sample(at, self.base, self.hertz),
            None => self.clock.beginning(at, self.base, self.hertz),
        });
        let begin = match (stated, self.expected) {
            (Some(stated), Some(expected)) if stated.abs_diff(expected) <= JUMP => expected,
            (Some(stated), expected) => {
                self.at = self.at.saturating_add(stated.saturating_sub(expected.unwrap_or(0)));
                stated
            }
            (None, expected) => expected.unwrap_or(0),
        };
        let parts = decoded.samples() as u64 * u64::from(self.hertz) + self.rest;
        let rate = u64::from(decoded.rate());
        self.rest = parts % rate;
        self.expected = Some(begin.saturating_add(i64::try_from(parts / rate).unwrap_or(i64::MAX)));
        Ok(())
    }

    fn end_resampler(&mut self, target: &mut Target) -> Result<(), Stop> {
        let Some(mut resampler) = self.resampler.take() else { return Ok(()) };
        loop {
            let mut heard = frame::Audio::new(planar(), TAIL, self.layout);
            resampler.flush(&mut heard)?;
            if heard.samples() == 0 || self.is_done() {
                return Ok(());
            }
            self.write(target, &heard)?;
        }
    }

    fn write(&mut self, target: &mut Target, heard: &frame::Audio) -> Result<(), Stop> {
        self.coder.write(target, self.at, heard)?;
        self.at = self.at.saturating_add(i64::try_from(heard.samples()).unwrap_or(i64::MAX));
        Ok(())
    }
}

pub(crate) fn open_decoder(source: &Source, index: usize) -> Result<(decoder::Audio, Rational), AvError> {
    let stream = source.input.stream(index).ok_or(AvError::Request("a stream is gone"))?;
    let base = ticks(stream.time_base())?;
    let open = |options: Dictionary<'_>| {
        let mut decoder = codec::context::Context::from_parameters(stream.parameters())?.decoder();
        decoder.set_packet_time_base(base);
        let codec = decoder::find(decoder.id()).ok_or(ffmpeg_next::Error::DecoderNotFound)?;
        decoder.open_as_with(codec, options)?.audio()
    };
    let decoder = open(Dictionary::new())?;
    if !decoder.channel_layout().is_empty() || decoder.channels() == 0 {
        return Ok((decoder, base));
    }
    // Uncompressed sound often does not say where its channels belong; the resampler needs to know.
    let layout = ChannelLayout::default(decoder.channels().into());
    if layout.is_empty() {
        return Err(AvError::Request("its sound has channels of no known places"));
    }
    let mut options = Dictionary::new();
    options.set("channel_layout", &layout.bits().to_string());
    Ok((open(options)?, base))
}

pub(crate) fn planar() -> format::Sample {
    format::Sample::F32(format::sample::Type::Planar)
}

/// An empty frame that holds what so many samples of `rate` become at `hertz`.
fn resampled(layout: ChannelLayout, samples: usize, rate: u32, hertz: u32) -> frame::Audio {
    let room = samples.saturating_mul(hertz as usize) / rate as usize + 256;
    frame::Audio::new(planar(), room, layout)
}

/// The encoder, and the frame that is being filled for it.
pub(crate) struct Coder {
    encoder: encoder::audio::Encoder,
    stream: usize,
    layout: ChannelLayout,
    /// The first sample wanted, counted from the clock's zero.
    begin: i64,
    /// Samples wanted, with those of the lead.
    total: u64,
    lead: u16,
    is_filled: bool,
    /// Samples taken, in `pending` or encoded.
    done: u64,
    /// A list of samples for each channel; never longer than a frame of the encoder.
    pending: Vec<Vec<f32>>,
    whole: usize,
}

impl Coder {
    pub(crate) fn add(target: &mut Target, layout: ChannelLayout, span: Span) -> Result<Coder, AvError> {
        let codec = encoder::find(codec::Id::AAC).ok_or(AvError::NoEncoder("AAC"))?;
        let mut stream = target.file.add_stream(codec)?;
        let mut encoder = codec::context::Context::new_with_codec(codec).encoder().audio()?;
        encoder.set_rate(HERTZ.cast_signed());
        encoder.set_channel_layout(layout);
        encoder.set_format(planar());
        encoder.set_bit_rate(span.bits as usize);
        encoder.set_time_base(Rational(1, HERTZ.cast_signed()));
        encoder.set_flags(codec::Flags::GLOBAL_HEADER);
        let encoder = encoder.open_as(codec)?;
        stream.set_parameters(&encoder);
        stream.set_time_base(Rational(1, HERTZ.cast_signed()));
        Ok(Coder {
            whole: encoder.frame_size().max(1) as usize,
            encoder,
            stream: stream.index(),
            layout,
            begin: span.begin.saturating_sub(span.lead.into()),
            total: span.total.saturating_add(span.lead.into()),
            lead: span.lead,
            is_filled: span.is_filled,
            done: 0,
            pending: vec![Vec::new(); usize::try_from(layout.channels()).unwrap_or(0)],
        })
    }

    /// Takes samples that begin at `at`: silence up to there, and nothing twice.
    pub(crate) fn write(&mut self, target: &mut Target, at: i64, heard: &frame::Audio) -> Result<(), Stop> {
        let place = at.saturating_sub(self.begin);
        let skip = u64::try_from(place)
            .map_or(place.unsigned_abs().saturating_add(self.done), |place| self.done.saturating_sub(place));
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        if skip >= heard.samples() {
            return Ok(());
        }
        let hole = u64::try_from(place).unwrap_or(0);
        // Where the end is not known, a damaged time would make silence without end.
        if !self.is_filled && hole.saturating_sub(self.done) > MAX_HOLE * u64::from(HERTZ) {
            return Err(HOLE.into());
        }
        self.fill(target, hole, None)?;
        let end = self.done.saturating_add((heard.samples() - skip) as u64);
        self.fill(target, end, Some((heard, skip)))
    }

    pub(crate) fn finish(&mut self, target: &mut Target) -> Result<(), Stop> {
        if self.is_filled {
            self.fill(target, self.total, None)?;
        }
        self.encode(target)?;
        self.encoder.send_eof()?;
        self.drain(target)
    }

    /// Takes samples until `end` are done: from the frame, skipping some of it, or silence.
    fn fill(&mut self, target: &mut Target, end: u64, from: Option<(&frame::Audio, usize)>) -> Result<(), Stop> {
        let end = end.min(self.total);
        let mut taken = from.map_or(0, |(_, skip)| skip);
        while self.done < end {
            let held = self.pending.first().map_or(0, Vec::len);
            let count = usize::try_from(end - self.done).unwrap_or(usize::MAX).min(self.whole - held);
            for (channel, pending) in self.pending.iter_mut().enumerate() {
                match from {
                    Some((frame, _)) => {
                        // One channel is heard on both sides.
                        let plane = frame.plane::<f32>(channel.min(frame.planes().saturating_sub(1)));
                        pending.extend(plane.iter().skip(taken).take(count));
                    }
                    None => pending.resize(held + count, 0.0),
                }
            }
            taken += count;
            self.done += count as u64;
            if held + count == self.whole {
                self.encode(target)?;
            }
        }
        Ok(())
    }

    fn encode(&mut self, target: &mut Target) -> Result<(), Stop> {
        let length = self.pending.first().map_or(0, Vec::len);
        if length == 0 {
            return Ok(());
        }
        let mut frame = frame::Audio::new(planar(), length, self.layout);
        frame.set_rate(HERTZ);
        frame.set_pts(i64::try_from(self.done - length as u64).ok().map(|at| at - i64::from(self.lead)));
        for (channel, pending) in self.pending.iter_mut().enumerate() {
            frame.plane_mut::<f32>(channel).copy_from_slice(pending);
            pending.clear();
        }
        self.encoder.send_frame(&frame)?;
        self.drain(target)
    }

    fn drain(&mut self, target: &mut Target) -> Result<(), Stop> {
        let mut packet = Packet::empty();
        while self.encoder.receive_packet(&mut packet).is_ok() {
            target.send(&mut packet, self.stream, Rational(1, HERTZ.cast_signed()))?;
        }
        Ok(())
    }
}
