//! One reading of a clip from front to back: each packet goes to whom it concerns.
//!
//! The picture's packets are copied and hashed as they are; the sound's are decoded. Memory does not grow with the
//! length of the clip.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use symphonia::core::audio::{Audio as _, GenericAudioBufferRef};
use symphonia::core::codecs::audio::well_known::CODEC_ID_AAC;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::packet::PacketRef;
use symphonia::core::units::{Duration, Timestamp};

use seedpost_core::time::{Rounding, SampleRate, Samples, TimeRange};

use crate::MediaError;
use crate::decode::{Sink, Taker, guard};
use crate::mp4::{Movie, Pace, Presentation, Track, TrackKind};
use crate::strip::{Copy, pictured};

/// How much is read at once.
const WINDOW: usize = 256 << 10;
/// The largest packet of sound; 14496-3 allows AAC 768 bytes a channel.
const MAX_PACKET: u64 = 64 << 10;
/// The samples of a packet of AAC (14496-3, 4.5.2.1).
const AAC_FRAME: usize = 1024;

/// The coded picture of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coded {
    /// How many packets there are.
    pub packets: u64,
    /// SHA-256, in hex, of the bytes of all packets in the order in which they are decoded; FFmpeg's muxer `streamhash`
    /// prints the same for a copied stream.
    pub sha256: String,
}

/// What became of the sound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Packets that could not be decoded; each is silence of its own length.
    pub errors: u64,
    /// Where the first of them begins, in samples of 48 kHz from the picture's first frame.
    pub first_error: Option<Samples>,
}

/// Whether [`read`] can decode a track of sound.
#[must_use]
pub fn is_decoded(track: &Track) -> bool {
    // Symphonia does not know more channels.
    let channels = track.sound.is_some_and(|(_, channels)| (1..=2).contains(&channels));
    // A packet that lasts longer than it holds leaves a hole, which FFmpeg fills.
    let whole = track.sound.is_some_and(|(rate, _)| match track.pace {
        Pace::Even(ticks) => {
            u64::from(ticks).saturating_mul(rate.hertz().into()) == u64::from(track.timescale).saturating_mul(1024)
        }
        _ => false,
    });
    track.codec == "aac" && channels && whole && !track.config.is_empty()
}

/// Reads a clip once. `picture` gets a file with the picture alone, as [`crate::strip::strip`] writes it; `sound` gets
/// the samples that are heard from the picture's first frame on, at their own rate, of which no more than `most` are wanted.
///
/// # Errors
/// `Unsupported` for a file without picture, or whose sound [`is_decoded`] refuses; `Malformed` and `Limit` as the
/// tables say; those of the sink. What was written by then must be thrown away.
pub fn read<R: Read + Seek>(
    source: &mut R,
    movie: &Movie,
    picture: Option<&mut dyn Write>,
    sound: Option<(Sink<'_>, Samples)>,
) -> Result<(Coded, Decoded), MediaError> {
    guard("sound", || read_unguarded(source, movie, picture, sound))
}

fn read_unguarded<R: Read + Seek>(
    source: &mut R,
    movie: &Movie,
    picture: Option<&mut dyn Write>,
    sound: Option<(Sink<'_>, Samples)>,
) -> Result<(Coded, Decoded), MediaError> {
    let copy = Copy::plan(movie, &pictured(movie)?)?;
    let mut eye = Eye { out: picture, hash: Sha256::new() };
    eye.write(&copy.head)?;
    let mut ear = sound.map(|(sink, most)| Ear::open(movie, sink, most)).transpose()?;
    let budget = movie.file_len.saturating_mul(4).saturating_add(64 << 20);
    let mut window = Window { source, buffer: Vec::new(), start: 0, budget };
    let mut tables = copy.tables.iter();
    for chunk in tables.next().iter().flat_map(|table| &table.chunks) {
        while let Some(ear) = ear.as_mut().filter(|ear| ear.next_start().is_some_and(|start| start < chunk.start)) {
            ear.hear(&mut window)?;
        }
        window.each(chunk.clone(), &mut |bytes| {
            eye.hash.update(bytes);
            eye.write(bytes)
        })?;
    }
    while let Some(ear) = ear.as_mut().filter(|ear| ear.next_start().is_some()) {
        ear.hear(&mut window)?;
    }
    for chunk in tables.flat_map(|table| &table.chunks) {
        window.each(chunk.clone(), &mut |bytes| eye.write(bytes))?;
    }
    let packets = movie.first(TrackKind::Picture).map_or(0, |track| track.sample_count);
    let coded = Coded { packets, sha256: format!("{:x}", eye.hash.finalize()) };
    Ok((coded, ear.map_or_else(Decoded::default, |ear| ear.decoded)))
}

/// Reads a file's coded picture, and nothing else of its media.
///
/// # Errors
/// As [`read`].
pub fn coded_picture<R: Read + Seek>(source: &mut R) -> Result<Coded, MediaError> {
    let movie = Movie::read(source)?;
    read(source, &movie, None, None).map(|(coded, _)| coded)
}

/// Takes the picture.
struct Eye<'a> {
    out: Option<&'a mut dyn Write>,
    hash: Sha256,
}

impl Eye<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), MediaError> {
        self.out.as_mut().map_or(Ok(()), |out| out.write_all(bytes)).map_err(MediaError::Io)
    }
}

/// Decodes the sound.
struct Ear<'a> {
    decoder: Box<dyn AudioDecoder>,
    packets: std::vec::IntoIter<Range<u64>>,
    taker: Taker,
    sink: Sink<'a>,
    channels: usize,
    rate: SampleRate,
    presentation: Presentation,
    /// When the picture begins, in samples.
    start: Samples,
    /// Samples of the packets before.
    at: u64,
    decoded: Decoded,
}

impl<'a> Ear<'a> {
    fn open(movie: &Movie, sink: Sink<'a>, most: Samples) -> Result<Ear<'a>, MediaError> {
        let track = movie.first(TrackKind::Sound).filter(|track| is_decoded(track));
        let track = track.ok_or_else(|| MediaError::Unsupported("no sound that is decoded here".to_owned()))?;
        let (rate, channels) = track.sound.ok_or_else(|| MediaError::Unsupported("unknown sound".to_owned()))?;
        let begin = movie.first(TrackKind::Picture).map(|picture| movie.start(picture)).unwrap_or_default();
        let start = begin.samples(rate, Rounding::Nearest).unwrap_or_default();
        let packets = movie.packets(track)?;
        let bytes =
            packets.iter().fold(0_u64, |sum, packet| sum.saturating_add(packet.end.saturating_sub(packet.start)));
        if bytes > movie.file_len {
            return Err(MediaError::Limit { what: "bytes of sound", found: bytes, allowed: movie.file_len });
        }
        let mut parameters = AudioCodecParameters::new();
        parameters.for_codec(CODEC_ID_AAC).with_extra_data(track.config.clone().into());
        parameters.with_sample_rate(rate.hertz());
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(&parameters, &AudioDecoderOptions::default())
            .map_err(crate::decode::translate)?;
        let presentation = movie.presentation(track);
        let wanted = TimeRange { start, end: Samples(start.0.saturating_add(most.0)) };
        Ok(Ear {
            decoder,
            packets: packets.into_iter(),
            taker: Taker::new(presentation, wanted),
            sink,
            channels: channels as usize,
            rate,
            presentation,
            start,
            at: 0,
            decoded: Decoded::default(),
        })
    }

    /// Where the next wanted packet begins.
    fn next_start(&self) -> Option<u64> {
        self.packets.as_slice().first().map(|packet| packet.start)
    }

    fn hear<R: Read + Seek>(&mut self, window: &mut Window<'_, R>) -> Result<(), MediaError> {
        let Some(packet) = self.packets.next() else { return Ok(()) };
        let length = packet.end.saturating_sub(packet.start);
        if length > MAX_PACKET {
            return Err(MediaError::Limit { what: "bytes of a packet of sound", found: length, allowed: MAX_PACKET });
        }
        let bytes = window.get(packet)?;
        // A packet that begins with its end (14496-3, table 4.85) holds nothing, and Symphonia calls it well.
        let is_empty = bytes.first().is_none_or(|byte| byte >> 5 == 7);
        let packet = PacketRef::new(0, Timestamp::ZERO, Duration::ZERO, bytes);
        let wants_more = match self.decoder.decode_ref(&packet) {
            Ok(GenericAudioBufferRef::F32(samples)) if samples.frames() == AAC_FRAME && !is_empty => {
                let planes: Vec<&[f32]> = (0..samples.num_planes()).filter_map(|plane| samples.plane(plane)).collect();
                self.taker.take(&planes, self.sink)?
            }
            _ => {
                self.decoded.errors = self.decoded.errors.saturating_add(1);
                let at = self.at.saturating_add(self.presentation.delay);
                let at = at.saturating_sub(self.presentation.skip.saturating_add(self.start.0));
                let at = Rounding::Nearest.divide(u128::from(at).saturating_mul(48_000), self.rate.hertz().into());
                self.decoded.first_error = self.decoded.first_error.or(at.map(Samples));
                let silence = [0.0; AAC_FRAME];
                self.taker.take(&vec![&silence[..]; self.channels], self.sink)?
            }
        };
        self.at = self.at.saturating_add(AAC_FRAME as u64);
        if !wants_more {
            self.packets = Vec::new().into_iter();
        }
        Ok(())
    }
}

/// A part of the source that is in memory.
struct Window<'r, R> {
    source: &'r mut R,
    buffer: Vec<u8>,
    /// Where the buffer's first byte stands in the source.
    start: u64,
    /// How much more may be read: a file whose pieces lie criss-cross would be read many times over.
    budget: u64,
}

impl<R: Read + Seek> Window<'_, R> {
    /// Hands over a range of any length piece by piece.
    fn each(
        &mut self,
        range: Range<u64>,
        take: &mut dyn FnMut(&[u8]) -> Result<(), MediaError>,
    ) -> Result<(), MediaError> {
        let mut at = range.start;
        while at < range.end {
            let held = self.held(at);
            let end = range.end.min(if held > at { held } else { at.saturating_add(WINDOW as u64) });
            take(self.get(at..end)?)?;
            at = end;
        }
        Ok(())
    }

    /// A range of at most a window's length.
    fn get(&mut self, range: Range<u64>) -> Result<&[u8], MediaError> {
        if self.held(range.start) < range.end {
            self.source.seek(SeekFrom::Start(range.start))?;
            self.start = range.start;
            self.buffer.clear();
            self.source.by_ref().take(WINDOW as u64).read_to_end(&mut self.buffer)?;
            let read = self.buffer.len() as u64;
            self.budget = self.budget.checked_sub(read).ok_or_else(|| {
                MediaError::malformed(
                    "mp4",
                    range.start,
                    "its pieces lie criss-cross: it would be read many times over",
                )
            })?;
        }
        let from = usize::try_from(range.start.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let bytes = self.buffer.get(from..).and_then(|rest| rest.get(..length));
        bytes.ok_or_else(|| MediaError::malformed("mp4", range.start, "the file shrank while it was read"))
    }

    /// The end of what is held from a place on; the place itself where nothing is.
    fn held(&self, at: u64) -> u64 {
        let end = self.start.saturating_add(self.buffer.len() as u64);
        if (self.start..end).contains(&at) { end } else { at }
    }
}
