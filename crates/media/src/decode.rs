//! Compressed or plain sound as planar samples, with exactly the samples that are meant to be heard.
//!
//! Symphonia decodes. It does not apply MP4 edit lists, so lead and tail are taken off here.

use std::cell::Cell;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use seedpost_core::reference::fit::MAX_MP4_SOUND;
use seedpost_core::time::{SampleRate, Samples, TimeRange};

use crate::id3;
use crate::mp4::{Movie, Presentation, TrackKind};
use crate::riff;
use crate::strip::extract;
use crate::{MediaError, plausible_rate};

/// The most samples per channel that one call decodes: about ten minutes at 48 kHz.
pub const MAX_SAMPLES: u64 = 30_000_000;

/// Decoded sound: one vector of samples a channel, all of one length, full scale at ±1.
#[derive(Debug, Clone, PartialEq)]
pub struct Sound {
    /// Samples in a second.
    pub rate: SampleRate,
    /// The channels, left before right.
    pub channels: Vec<Vec<f32>>,
}

impl Sound {
    /// The mean of all channels.
    #[must_use]
    pub fn mean(&self) -> Vec<f32> {
        let planes: Vec<&[f32]> = self.channels.iter().map(Vec::as_slice).collect();
        let mut mono = Vec::new();
        mean(&planes, &mut mono);
        mono
    }

    /// The samples in each channel.
    #[must_use]
    pub fn length(&self) -> Samples {
        Samples(self.channels.first().map_or(0, |channel| channel.len() as u64))
    }
}

/// Puts the mean of all channels of a block, all of one length, into `mono`.
pub(crate) fn mean(block: &[&[f32]], mono: &mut Vec<f32>) {
    mono.clear();
    mono.extend_from_slice(block.first().copied().unwrap_or_default());
    for plane in block.iter().skip(1) {
        mono.iter_mut().zip(*plane).for_each(|(mean, sample)| *mean += sample);
    }
    let share = 1.0 / block.len().max(1) as f32;
    mono.iter_mut().for_each(|mean| *mean *= share);
}

/// Decodes a file's first sound track, or only `range` of it.
///
/// # Errors
/// `Unsupported` when no decoder knows it, `Limit` past [`MAX_SAMPLES`], `Malformed` when the stream
/// itself breaks off.
pub fn decode<R: Read + Seek + Send + Sync + 'static>(
    source: R,
    range: Option<TimeRange<Samples>>,
) -> Result<Sound, MediaError> {
    let range = range.unwrap_or(TimeRange { start: Samples(0), end: Samples(u64::MAX) });
    let mut channels: Vec<Vec<f32>> = Vec::new();
    let rate = each(source, range, &mut |block| {
        channels.resize(block.len(), Vec::new());
        channels.iter_mut().zip(block).for_each(|(channel, samples)| channel.extend_from_slice(samples));
        let found = channels.first().map_or(0, |channel| channel.len() as u64);
        if found > MAX_SAMPLES {
            return Err(MediaError::Limit { what: "samples of sound", found, allowed: MAX_SAMPLES });
        }
        Ok(())
    })?;
    if channels.first().is_none_or(Vec::is_empty) {
        return Err(MediaError::malformed("sound", 0, "no samples could be decoded"));
    }
    Ok(Sound { rate, channels })
}

/// What is done with a block of samples: one slice a channel, all of one length.
pub type Sink<'a> = &'a mut dyn FnMut(&[&[f32]]) -> Result<(), MediaError>;

/// Hands over the samples of `range` block by block, in order; memory does not grow with the length.
///
/// # Errors
/// As [`decode`], but for the limit; also those of the sink.
pub fn each<R: Read + Seek + Send + Sync + 'static>(
    mut source: R,
    range: TimeRange<Samples>,
    sink: Sink<'_>,
) -> Result<SampleRate, MediaError> {
    if riff::is_wav(&mut source)? {
        match riff::read(&mut source) {
            Ok(wav) => return riff::samples(&mut source, &wav, range, sink).map(|()| wav.rate),
            Err(MediaError::Unsupported(_)) => {}
            Err(error) => return Err(error),
        }
    }
    match sound_track(&mut source)? {
        Some((presentation, track)) => {
            guard("sound", move || take(Stream::open(Cursor::new(track))?, presentation, range, sink))
        }
        None => guard("sound", move || take(Stream::open(source)?, EVERYTHING, range, sink)),
    }
}

fn take(
    mut stream: Stream,
    presentation: Presentation,
    range: TimeRange<Samples>,
    sink: Sink<'_>,
) -> Result<SampleRate, MediaError> {
    let mut taker = Taker::new(presentation, range);
    while let Some(planes) = stream.next()? {
        if !taker.take(&planes, sink)? {
            break;
        }
    }
    Ok(stream.rate)
}

/// Counts the samples of a sound file by its packets, without decoding them.
///
/// # Errors
/// As [`decode`].
pub fn count<R: Read + Seek + Send + Sync + 'static>(source: R) -> Result<Counted, MediaError> {
    guard("sound", move || {
        let mut stream = Stream::open(source)?;
        let (mut samples, mut longest): (u64, u64) = (0, 0);
        while let Some(packet) = read_packet(stream.format.as_mut())? {
            if packet.track_id == stream.track {
                samples = samples.saturating_add(packet.dur.get());
                longest = longest.max(packet.dur.get());
            }
        }
        let samples = Samples(heard(stream.heard, samples, longest)?);
        let codec = stream.codec;
        Ok(Counted { codec, rate: stream.rate, channels: stream.channels, samples, priming: stream.delay })
    })
}

/// The samples that a header says are heard, if as many are there: a codec's lead and tail take less than four packets.
fn heard(said: Option<u64>, there: u64, packet: u64) -> Result<u64, MediaError> {
    let Some(said) = said else { return Ok(there) };
    let fault = |why: &str| {
        let what = format!("its header says {said} samples, {there} are there: {why}");
        Err(MediaError::malformed("sound", 0, what))
    };
    if there.saturating_add(packet) < said {
        return fault("it was cut short");
    }
    if there > said.saturating_add(packet.saturating_mul(4)) {
        return fault("several files joined, or a header of another; re-save it");
    }
    Ok(said.min(there))
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside a decoder whose panics become errors, and are not to be printed.
#[must_use]
pub fn is_guarded() -> bool {
    GUARDED.get()
}

/// Turns a panic of a decoding library on a hostile file into an error about that file.
pub(crate) fn guard<T>(format: &'static str, work: impl FnOnce() -> Result<T, MediaError>) -> Result<T, MediaError> {
    let outside = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outside);
    result.unwrap_or_else(|_| Err(MediaError::malformed(format, 0, "the decoder gave up on it")))
}

/// What a sound file's headers and packets tell.
#[derive(Debug, Clone)]
pub struct Counted {
    /// The codec as FFmpeg names it.
    pub codec: String,
    /// Samples in a second.
    pub rate: SampleRate,
    /// The number of channels.
    pub channels: u32,
    /// Samples per channel that are heard.
    pub samples: Samples,
    /// Samples of lead that the decoder drops, where the file tells.
    pub priming: Option<u64>,
}

/// In any file but an MP4, everything is heard.
const EVERYTHING: Presentation = Presentation { delay: 0, skip: 0, length: None, known: false };

/// The sound of an MP4 by itself, and what its edit list says; `None` for any other file. Symphonia
/// reads the picture's boxes too, and refuses some that are well.
fn sound_track<R: Read + Seek>(source: &mut R) -> Result<Option<(Presentation, Vec<u8>)>, MediaError> {
    let mut head = [0; 8];
    source.seek(SeekFrom::Start(0))?;
    let found = source.read(&mut head)?;
    let is_mp4 = found == 8 && matches!(&head[4..], b"ftyp" | b"moov" | b"mdat" | b"wide" | b"free" | b"skip");
    if !is_mp4 {
        return Ok(None);
    }
    let movie = Movie::read(source)?;
    let track =
        movie.first(TrackKind::Sound).ok_or_else(|| MediaError::Unsupported("a file without sound".to_owned()))?;
    if track.sound.is_none() {
        return Err(MediaError::Unsupported(format!("{} of a kind that is not decoded here", track.codec)));
    }
    let mut alone = Vec::new();
    extract(source, &movie, &[track], &mut Capped { out: &mut alone })?;
    Ok(Some((movie.presentation(track), alone)))
}

/// A vector that refuses to grow past [`MAX_MP4_SOUND`].
struct Capped<'a> {
    out: &'a mut Vec<u8>,
}

impl std::io::Write for Capped<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if (self.out.len() + bytes.len()) as u64 > MAX_MP4_SOUND {
            return Err(std::io::Error::other(format!("the sound is larger than {MAX_MP4_SOUND} bytes")));
        }
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Any reader, as Symphonia wants it, without the tags in front: of a long one it gives up on the file.
struct Reader<R> {
    inner: R,
    /// Where its first byte stands.
    start: u64,
    length: u64,
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.inner.read(buffer)
    }
}

impl<R: Seek> Seek for Reader<R> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => SeekFrom::Start(at.saturating_add(self.start)),
            other => other,
        };
        self.inner.seek(to)?.checked_sub(self.start).ok_or_else(|| std::io::ErrorKind::InvalidInput.into())
    }
}

impl<R: Read + Seek + Send + Sync> MediaSource for Reader<R> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.length)
    }
}

struct Stream {
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    codec: String,
    rate: SampleRate,
    channels: u32,
    delay: Option<u64>,
    heard: Option<u64>,
}

impl Stream {
    fn open<R: Read + Seek + Send + Sync + 'static>(mut source: R) -> Result<Stream, MediaError> {
        let start = id3::end(&mut source)?;
        let length = source.seek(SeekFrom::End(0))?.saturating_sub(start);
        source.seek(SeekFrom::Start(start))?;
        let reader = Reader { inner: source, start, length };
        let source = MediaSourceStream::new(Box::new(reader), MediaSourceStreamOptions::default());
        let probe = symphonia::default::get_probe();
        let format = probe
            .probe(&Hint::new(), source, FormatOptions::default(), MetadataOptions::default())
            .map_err(translate)?;
        let missing = |what: &str| MediaError::Unsupported(what.to_owned());
        let track = format.default_track(TrackType::Audio).ok_or_else(|| missing("a file without sound"))?;
        let params = track
            .codec_params
            .as_ref()
            .and_then(|params| params.audio())
            .ok_or_else(|| missing("sound in an unknown codec"))?;
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(params, &AudioDecoderOptions::default())
            .map_err(translate)?;
        let rate = params.sample_rate.and_then(plausible_rate).ok_or_else(|| missing("sound without a sample rate"))?;
        let codec = decoder.codec_info().short_name.to_owned();
        let channels = params.channels.as_ref().map_or(0, |channels| u32::try_from(channels.count()).unwrap_or(0));
        let (heard, delay) = (track.num_frames, track.delay.map(u64::from));
        let track = track.id;
        Ok(Stream { format, decoder, track, codec, rate, channels, delay, heard })
    }

    /// The next packet's samples, a vector for each channel.
    fn next(&mut self) -> Result<Option<Vec<Vec<f32>>>, MediaError> {
        loop {
            let Some(packet) = read_packet(self.format.as_mut())? else { return Ok(None) };
            if packet.track_id != self.track {
                continue;
            }
            let decoded = self.decoder.decode(&packet).map_err(translate)?;
            let mut planes = Vec::new();
            decoded.copy_to_vecs_planar(&mut planes);
            return Ok(Some(planes));
        }
    }
}

fn read_packet(format: &mut dyn FormatReader) -> Result<Option<symphonia::core::packet::Packet>, MediaError> {
    match format.next_packet() {
        // MPEG streams have no end mark: they end where the file does.
        Err(SymphoniaError::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        other => other.map_err(translate),
    }
}

pub(crate) fn translate(error: SymphoniaError) -> MediaError {
    match error {
        SymphoniaError::IoError(error) => MediaError::Io(error),
        SymphoniaError::Unsupported(what) => MediaError::Unsupported(what.to_owned()),
        other => MediaError::malformed("sound", 0, other.to_string()),
    }
}

/// Picks the wanted part out of a stream.
pub(crate) struct Taker {
    channels: Option<usize>,
    /// Silence still to be handed over first.
    delay: u64,
    /// Decoded samples still to be dropped.
    skip: u64,
    /// Samples still to be kept.
    keep: u64,
}

impl Taker {
    pub(crate) fn new(presentation: Presentation, wanted: TimeRange<Samples>) -> Taker {
        // The wanted range counts heard samples, the delay's silence first.
        let delay = presentation.delay.saturating_sub(wanted.start.0);
        let into = wanted.start.0.saturating_sub(presentation.delay);
        let heard = presentation.length.unwrap_or(u64::MAX).saturating_sub(into);
        let keep = heard.min(wanted.length().0.saturating_sub(delay));
        let delay = delay.min(wanted.length().0);
        Taker { channels: None, delay, skip: presentation.skip.saturating_add(into), keep }
    }

    /// Takes a packet; answers whether more is wanted.
    pub(crate) fn take<P: AsRef<[f32]>>(&mut self, packet: &[P], sink: Sink<'_>) -> Result<bool, MediaError> {
        if *self.channels.get_or_insert(packet.len()) != packet.len() {
            return Err(MediaError::Unsupported("sound whose number of channels changes".to_owned()));
        }
        let silence = [0.0; 4096];
        while self.delay > 0 {
            let length = self.delay.min(4096);
            sink(&vec![&silence[..length as usize]; packet.len()])?;
            self.delay -= length;
        }
        let length = packet.first().map_or(0, |channel| channel.as_ref().len() as u64);
        let start = self.skip.min(length);
        let end = length.min(start.saturating_add(self.keep));
        self.skip -= start;
        self.keep -= end - start;
        if end > start {
            let part = start as usize..end as usize;
            let block: Option<Vec<&[f32]>> = packet.iter().map(|channel| channel.as_ref().get(part.clone())).collect();
            sink(&block.ok_or_else(|| MediaError::malformed("sound", 0, "channels of different lengths"))?)?;
        }
        Ok(self.keep > 0)
    }
}
