//! One clip made ready for the cut, from one reading of it: the picture without sound, proven untouched; its stem; what
//! was heard and seen.
//!
//! What the tables of an MP4 tell goes through safe code; FFmpeg takes the rest, piece by piece.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write};
use std::path::Path;

use seedpost_core::content::{Look, judge_picture, judge_sound};
use seedpost_core::media::MediaInfo;
use seedpost_core::spec::{self, DurationCheck, Finding, Promise, Sounding, Weight, durations, picture_samples};
use seedpost_core::time::{FrameRate, Rounding, SampleRate, Samples, Timecode};
use seedpost_core::timeline::record_samples;
use seedpost_media::decode::{MAX_SAMPLES, Sink, Sound, decode};
use seedpost_media::hear::{Heard, Hearing, Wants};
use seedpost_media::mp4::{Movie, TrackKind};
use seedpost_media::pass::{self, Coded};
use seedpost_media::wav::Label;
use seedpost_media::worker::{LookOrder, RewrapOrder, SoundFate, SoundOrder, WorkerError};
use seedpost_media::{MediaError, strip};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::project::{Pending, digest_text, open_plain, temporary, temporary_folder, with_worker, write_by_name};
use crate::waveform;

/// The most still pictures of a clip.
const STILLS: u32 = 12;
/// What was hashed of a stream.
const STREAM: &str = "all packets of the picture, in the order in which they are decoded; before with start codes, after with lengths: the units between them were compared one by one";
/// Samples a channel that are read at once of what FFmpeg decoded.
const BLOCK: usize = 4096;

/// What is to be made of a clip.
pub(crate) struct Order<'a> {
    pub(crate) clip: &'a Path,
    pub(crate) info: &'a MediaInfo,
    /// Where the picture without sound goes.
    pub(crate) picture: Option<&'a Path>,
    /// Where the stem goes, and what it says of itself.
    pub(crate) stem: Option<(&'a Path, &'a Label)>,
    /// Whether the sound is heard; a stem needs it.
    pub(crate) hear: bool,
    /// Whether speech is looked for.
    pub(crate) speech: bool,
    /// Whether the picture is decoded, and music looked for.
    pub(crate) deep: bool,
    /// The folder for still pictures and the waveform.
    pub(crate) pictures: Option<&'a Path>,
}

/// What was made of a clip and found in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Content {
    /// The coded picture, and that it is the same without sound.
    pub(crate) proof: Option<Proof>,
    /// What was heard, up to the end of the picture.
    pub(crate) sound: Option<Heard>,
    /// What was seen; absent where nobody looked.
    pub(crate) look: Option<Look>,
    /// The outline of the sound as a drawing, in the folder for pictures.
    pub(crate) waveform: Option<String>,
    /// SHA-256 of the stem.
    #[serde(skip)]
    pub(crate) stem: Option<String>,
}

/// The coded picture before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proof {
    /// What was hashed.
    pub(crate) of: String,
    /// How many packets there are.
    pub(crate) packets: u64,
    /// SHA-256 of the packets as they were delivered.
    pub(crate) sha256_before: String,
    /// SHA-256 of the packets as they were read again from the picture without sound; absent where none was made.
    pub(crate) sha256_after: Option<String>,
}

impl Proof {
    fn new(before: Coded, after: Option<String>) -> Proof {
        let of = "all packets of the picture, in the order in which they are decoded".to_owned();
        Proof { of, packets: before.packets, sha256_before: before.sha256, sha256_after: after }
    }
}

impl Content {
    /// All that is wrong with a clip, as far as was looked.
    pub(crate) fn findings(&self, info: &MediaInfo, promise: &Promise, durations: &[DurationCheck]) -> Vec<Finding> {
        let mut findings = spec::compare(info, promise);
        let sound = self.sound.as_ref().filter(|_| promise.sound != Some(false));
        let channels = info.audio.as_ref().map_or(0, |audio| audio.channels);
        if channels > 2 {
            let (found, fix) = (format!("{channels} channels"), "mix it down to stereo for a stem of it");
            findings.extend(promise.weigh(vec![Finding::new("audio.stem", Weight::Note, found, "one or two", fix)]));
        }
        let mut content: Vec<Finding> = durations.iter().filter_map(DurationCheck::finding).collect();
        content.extend(self.look.iter().flat_map(judge_picture));
        content.extend(
            sound.into_iter().flat_map(|heard| judge_sound(&heard.levels, &heard.loudness, heard.music.as_ref())),
        );
        findings.extend(promise.weigh(content));
        findings
    }
}

/// The clip beside the sounds that were supplied for it.
pub(crate) fn beside(info: &MediaInfo, sounds: &[Sounding]) -> Vec<DurationCheck> {
    let length = info.video.as_ref().and_then(|video| Some((video.frames?, video.rate?)));
    length.map(|(frames, rate)| durations(frames, rate, sounds)).unwrap_or_default()
}

/// A clip's frames in a second, where they are even.
pub(crate) fn rate(info: &MediaInfo) -> Option<FrameRate> {
    info.video.as_ref()?.rate
}

/// The length of a clip's stems: exactly that of its picture, at 48 kHz.
pub(crate) fn stem_length(info: &MediaInfo) -> Option<Samples> {
    let video = info.video.as_ref()?;
    let by_time = || video.duration.and_then(|time| Rounding::Nearest.divide(u128::from(time.0) * 48, 1000));
    picture_samples(video, SampleRate::HZ_48000).or_else(|| by_time().map(Samples))
}

/// The name of a clip's picture without sound: MOV stays MOV, and so do codecs that MP4 does not take.
pub(crate) fn picture_name(info: &MediaInfo) -> &'static str {
    let codec = info.video.as_ref().map_or("", |video| video.codec.as_str());
    let is_mov = info.container == "mov" || matches!(codec, "prores" | "dnxhd" | "mjpeg" | "rawvideo" | "png");
    if is_mov { "picture.mov" } else { "picture.mp4" }
}

/// Makes what is ordered. What goes wrong leaves neither picture nor stem under its name.
pub(crate) fn make(order: &Order<'_>) -> Result<Content, MediaError> {
    let length = stem_length(order.info)
        .ok_or_else(|| MediaError::Unsupported("there is no moving picture of known length in it".to_owned()))?;
    let mut source = open_plain(order.clip)?;
    let is_movie = matches!(order.info.container.as_str(), "mp4" | "mov");
    let movie = match Movie::read(&mut source) {
        _ if !is_movie => None,
        Ok(movie) if movie.is_encrypted() => {
            return Err(MediaError::Unsupported("it is encrypted".to_owned()));
        }
        // Where the tables cannot be used to copy the picture, FFmpeg may.
        Ok(movie) => strip::is_possible(&movie).map(|possible| Some(movie).filter(|_| possible))?,
        Err(MediaError::Unsupported(_)) => None,
        Err(error) => return Err(error),
    };
    let stills = order.pictures.map(Stills::begin).transpose()?;
    let look = (order.deep || stills.is_some()).then(|| look(order, stills.as_ref())).transpose()?;
    let mut outputs = Outputs {
        picture: order.picture.map(Pending::begin).transpose()?,
        stem: order.stem.map(|(path, _)| Pending::begin(path)).transpose()?,
    };
    let mut content = match &movie {
        Some(movie) => read_once(order, &outputs, &mut source, movie, length)?,
        None => through_ffmpeg(order, &outputs, length)?,
    };
    content.look = look;
    if let Some((stills, heard)) = stills.as_ref().zip(content.sound.as_ref()) {
        content.waveform = waveform::write(stills.folder.path(), heard, order.info)?;
    }
    if content.stem.is_none() {
        outputs.stem = None;
    }
    for output in [outputs.picture, outputs.stem].into_iter().flatten() {
        output.keep(0o644)?;
    }
    stills.map_or(Ok(()), Stills::keep)?;
    Ok(content)
}

/// What is being made, without its name until all is well.
struct Outputs {
    picture: Option<Pending>,
    stem: Option<Pending>,
}

/// Pictures of a clip, in a folder of their own until all is well.
struct Stills<'a> {
    folder: tempfile::TempDir,
    to: &'a Path,
}

impl Stills<'_> {
    fn begin(to: &Path) -> Result<Stills<'_>, MediaError> {
        Ok(Stills { folder: temporary_folder(to)?, to })
    }

    fn keep(self) -> Result<(), MediaError> {
        std::fs::create_dir_all(self.to)?;
        for entry in std::fs::read_dir(self.folder.path())? {
            let entry = entry?;
            std::fs::rename(entry.path(), self.to.join(entry.file_name()))?;
        }
        Ok(())
    }
}

fn wants(order: &Order<'_>) -> Wants {
    Wants { wave: order.pictures.is_some(), speech: order.speech || order.pictures.is_some(), music: order.deep }
}

/// The fast way: picture and sound from one reading.
fn read_once(
    order: &Order<'_>,
    outputs: &Outputs,
    source: &mut File,
    movie: &Movie,
    length: Samples,
) -> Result<Content, MediaError> {
    let mut picture = outputs.picture.as_ref().map(Pending::writer);
    let mut out = picture.as_mut().map(|out| out as &mut dyn Write);
    let sound = movie.first(TrackKind::Sound).filter(|track| order.hear && pass::is_decoded(track));
    let (coded, heard) = match sound.and_then(|track| track.sound) {
        Some((rate, channels)) => {
            // More than the stem needs is not decoded; of another rate, a little more for the resampler.
            let most = Rounding::Up.divide(u128::from(length.0) * u128::from(rate.hertz()), 48_000).unwrap_or(0);
            let most = Samples(most.saturating_add(u64::from(rate.hertz() / 10)));
            let mut stem = outputs.stem.as_ref().map(Pending::writer);
            let mut hearing = begin(order, stem.as_mut(), rate, channels, length)?;
            let (coded, decoded) = pass::read(source, movie, out, Some((&mut |block| hearing.add(block), most)))?;
            let mut content = end(hearing)?;
            if let Some(heard) = &mut content.sound {
                (heard.levels.decode_errors, heard.levels.decode_error_at) = (decoded.errors, decoded.first_error);
            }
            stem.map_or(Ok(()), |mut stem| stem.flush())?;
            (coded, content)
        }
        None => (pass::read(source, movie, out.take(), None)?.0, hear_through_ffmpeg(order, outputs, length)?),
    };
    picture.map_or(Ok(()), |mut picture| picture.flush())?;
    let proof = match &outputs.picture {
        Some(picture) => prove(coded, pass::coded_picture(&mut picture.reader())?)?,
        None => Proof::new(coded, None),
    };
    Ok(Content { proof: Some(proof), ..heard })
}

type Out<'a, 'f> = Hashing<'a, BufWriter<&'f File>>;

/// Begins to listen, and the stem where one is wanted.
fn begin<'a, 'f>(
    order: &Order<'_>,
    stem: Option<&'a mut BufWriter<&'f File>>,
    rate: SampleRate,
    channels: u32,
    length: Samples,
) -> Result<Hearing<Out<'a, 'f>>, MediaError> {
    let stem = stem.zip(order.stem).map(|(out, (_, label))| (Hashing::new(out), label));
    Hearing::begin(rate, channels as usize, length, stem, wants(order))
}

fn end(hearing: Hearing<Out<'_, '_>>) -> Result<Content, MediaError> {
    let (heard, stem) = hearing.end()?;
    let stem = stem.map(Hashing::digest);
    Ok(Content { sound: Some(heard), stem, ..Content::default() })
}

fn prove(before: Coded, after: Coded) -> Result<Proof, MediaError> {
    if before != after {
        return Err(std::io::Error::other("the copied picture is not what was read").into());
    }
    Ok(Proof::new(before, Some(after.sha256)))
}

/// Hashes what it passes on.
struct Hashing<'a, W> {
    out: &'a mut W,
    hash: Sha256,
}

impl<'a, W> Hashing<'a, W> {
    fn new(out: &'a mut W) -> Hashing<'a, W> {
        Hashing { out, hash: Sha256::new() }
    }

    fn digest(self) -> String {
        format!("{:x}", self.hash.finalize())
    }
}

impl<W: Write> Write for Hashing<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// That a worker is missing, or that its disk is full, is no fault of the clip.
fn failed(error: WorkerError) -> MediaError {
    let is_disk = |message: &str| message.contains("No space left") || message.contains("Permission denied");
    match &error {
        WorkerError::Start { .. } => std::io::Error::other(error).into(),
        WorkerError::Failed(message) if is_disk(message) => std::io::Error::other(error).into(),
        _ => MediaError::Unsupported(error.to_string()),
    }
}

/// The slow way: FFmpeg copies the picture and decodes the sound.
fn through_ffmpeg(order: &Order<'_>, outputs: &Outputs, length: Samples) -> Result<Content, MediaError> {
    let picture = outputs.picture.as_ref();
    let proof = picture.map(|picture| rewrap(order.clip, order.info, picture.path(), SoundFate::Drop)).transpose()?;
    Ok(Content { proof, ..hear_through_ffmpeg(order, outputs, length)? })
}

/// Wraps a clip anew, the picture as it is, which is read again before the copy gets its name.
pub(crate) fn wrap(clip: &Path, info: &MediaInfo, path: &Path, sound: SoundFate) -> Result<Proof, MediaError> {
    write_by_name(path, MediaError::Io, |out| rewrap(clip, info, out, sound))
}

fn rewrap(clip: &Path, info: &MediaInfo, out: &Path, sound: SoundFate) -> Result<Proof, MediaError> {
    let order = RewrapOrder { source: clip.canonicalize()?, out: out.canonicalize()?, sound };
    let before = with_worker(|worker| worker.rewrap(order)).map_err(failed)?;
    let after = pass::coded_picture(&mut File::open(out)?)?;
    // Streams write start codes where files write lengths; the worker has compared what stands between them.
    let is_stream = !matches!(info.container.as_str(), "mp4" | "mov" | "matroska" | "flv");
    if is_stream && before.packets == after.packets && before != after {
        return Ok(Proof { of: STREAM.to_owned(), ..Proof::new(before, Some(after.sha256)) });
    }
    prove(before, after)
}

/// Lets FFmpeg decode the sound, where there is any, and hears it as any other.
fn hear_through_ffmpeg(order: &Order<'_>, outputs: &Outputs, length: Samples) -> Result<Content, MediaError> {
    if order.info.audio.is_none() || !order.hear {
        return Ok(Content::default());
    }
    let decoded = temporary(order.stem.map(|(path, _)| path))?;
    let sound = SoundOrder { source: order.clip.canonicalize()?, out: decoded.path().canonicalize()? };
    let facts = with_worker(|worker| worker.sound(sound)).map_err(failed)?;
    let mut raw = BufReader::new(File::open(decoded.path())?);
    let mut stem = outputs.stem.as_ref().map(Pending::writer);
    let mut hearing = begin(order, stem.as_mut(), facts.rate, facts.channels, length)?;
    each_block(&mut raw, facts.channels as usize, &mut |block| hearing.add(block))?;
    let content = end(hearing)?;
    stem.map_or(Ok(()), |mut stem| stem.flush())?;
    Ok(content)
}

/// Decodes a sound: in safe code where its codec is known there, else by FFmpeg.
pub(crate) fn decode_any(path: &Path) -> Result<Sound, MediaError> {
    match decode(open_plain(path)?, None) {
        Err(MediaError::Unsupported(_)) => {}
        result => return result,
    }
    let decoded = temporary(None)?;
    let order = SoundOrder { source: path.canonicalize()?, out: decoded.path().canonicalize()? };
    let facts = with_worker(|worker| worker.sound(order)).map_err(failed)?;
    let mut channels = vec![Vec::new(); facts.channels as usize];
    each_block(&mut BufReader::new(File::open(decoded.path())?), facts.channels as usize, &mut |block| {
        channels
            .iter_mut()
            .zip(block)
            .for_each(|(channel, plane): (&mut Vec<f32>, _)| channel.extend_from_slice(plane));
        let found = channels.first().map_or(0, |channel| channel.len() as u64);
        if found > MAX_SAMPLES {
            return Err(MediaError::Limit { what: "samples of sound", found, allowed: MAX_SAMPLES });
        }
        Ok(())
    })?;
    Ok(Sound { rate: facts.rate, channels })
}

/// What the stems of a clip say that no shot list knows of. `start` is the timecode of its first frame, where it has none
/// of its own.
pub(crate) fn label(path: &Path, info: &MediaInfo, start: &str) -> Result<Label, MediaError> {
    let rate = info.video.as_ref().and_then(|video| video.rate).unwrap_or(FrameRate::FPS_24);
    let text = info.timecode.as_ref().map_or(start, |timecode| timecode.start.as_str());
    let start = Timecode::parse(text, rate).map_err(|error| MediaError::Unsupported(error.to_string()))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let now = jiff::Timestamp::now().to_string();
    Ok(Label {
        project: String::new(),
        scene: name.clone(),
        take: 1,
        unique_id: digest_text(&format!("{name} {now}")),
        tape: name,
        name: String::new(),
        functions: Vec::new(),
        note: String::new(),
        treatment: String::new(),
        set: None,
        date: now.get(..10).unwrap_or_default().to_owned(),
        time: now.get(11..19).unwrap_or_default().to_owned(),
        start,
        time_reference: record_samples(start.frames(), start).unwrap_or_default().0,
    })
}

/// Reads interleaved floats as planes, block by block.
fn each_block(raw: &mut impl std::io::Read, channels: usize, take: Sink<'_>) -> Result<(), MediaError> {
    let frame = channels.max(1) * 4;
    let mut bytes = Vec::new();
    let mut planes = vec![Vec::with_capacity(BLOCK); channels.max(1)];
    loop {
        bytes.clear();
        raw.by_ref().take((BLOCK * frame) as u64).read_to_end(&mut bytes)?;
        if bytes.len() < frame {
            return Ok(());
        }
        for (channel, plane) in planes.iter_mut().enumerate() {
            plane.clear();
            let samples = bytes.as_chunks::<4>().0.iter().skip(channel).step_by(channels.max(1));
            plane.extend(samples.map(|sample| f32::from_le_bytes(*sample)));
        }
        let block: Vec<&[f32]> = planes.iter().map(Vec::as_slice).collect();
        take(&block)?;
    }
}

fn look(order: &Order<'_>, stills: Option<&Stills<'_>>) -> Result<Look, MediaError> {
    let pictures = stills.map(|stills| stills.folder.path().canonicalize()).transpose()?;
    let frames = order.info.video.as_ref().and_then(|video| video.frames);
    let look = LookOrder { source: order.clip.canonicalize()?, pictures, count: STILLS, frames };
    with_worker(|worker| worker.look(look)).map_err(failed)
}
