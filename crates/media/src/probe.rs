//! Any file this crate can read, as facts; told apart by content and never by name.

use std::io::{BufReader, Read, Seek, SeekFrom};

use seedpost_core::media::{AudioInfo, MediaInfo, Tracks, VideoInfo};
use seedpost_core::time::Rounding;

use crate::MediaError;
use crate::decode;
use crate::mp4::{Movie, Outline, Track, TrackKind};
use crate::riff;
use crate::still;

/// How much of a picture is read at once: from chunk to chunk, most of it is skipped.
const STILL_BUFFER: usize = 1024;

/// Measures a file.
///
/// # Errors
/// `Unsupported` for what this crate does not read: the FFmpeg worker may. `Malformed` and `Limit` are
/// final.
pub fn probe<R: Read + Seek + Send + Sync + 'static>(mut source: R) -> Result<MediaInfo, MediaError> {
    let bytes = source.seek(SeekFrom::End(0))?;
    let content = content(&mut source)?;
    let mut info = MediaInfo::of("", bytes, "seedpost");
    match content {
        Content::Movie => read_movie(&mut source, &mut info)?,
        Content::Wav => read_wav(source, &mut info)?,
        Content::Sound(format) => read_sound(source, format, &mut info)?,
        Content::Still(format) => {
            format.clone_into(&mut info.container);
            info.still = Some(still::facts(&mut BufReader::with_capacity(STILL_BUFFER, source), format)?);
        }
    }
    Ok(info)
}

/// The format of a still picture, by its content.
pub(crate) fn still_format<R: Read + Seek>(source: &mut R) -> Result<&'static str, MediaError> {
    match content(source)? {
        Content::Still(format) => Ok(format),
        _ => Err(MediaError::Unsupported("the file is no still picture".to_owned())),
    }
}

/// Reads the first bytes, and goes back to them.
fn content<R: Read + Seek>(source: &mut R) -> Result<Content, MediaError> {
    let mut head = [0; 32];
    source.rewind()?;
    let length = read_head(source, &mut head)?;
    source.rewind()?;
    sniff(&head[..length])
}

fn read_head<R: Read>(source: &mut R, head: &mut [u8]) -> Result<usize, MediaError> {
    let mut length = 0;
    while length < head.len() {
        match source.read(&mut head[length..])? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

enum Content {
    Movie,
    Wav,
    Sound(&'static str),
    Still(&'static str),
}

/// Tells the format by its first bytes.
fn sniff(head: &[u8]) -> Result<Content, MediaError> {
    let at = |offset: usize, bytes: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(bytes));
    Ok(match head {
        [] => return Err(MediaError::malformed("file", 0, "the file is empty")),
        _ if at(0, b"RIFF") && at(8, b"WEBP") => Content::Still("webp"),
        _ if [b"RIFF", b"RF64", b"BW64"].iter().any(|mark| at(0, *mark)) && at(8, b"WAVE") => Content::Wav,
        _ if at(0, b"\x89PNG\r\n\x1a\n") => Content::Still("png"),
        _ if at(0, b"\xff\xd8\xff") => Content::Still("jpeg"),
        _ if at(0, b"GIF8") => Content::Still("gif"),
        _ if at(0, b"BM") => Content::Still("bmp"),
        _ if [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|mark| at(0, *mark)) => Content::Still("tiff"),
        _ if at(4, b"ftypavif") || at(4, b"ftypavis") => Content::Still("avif"),
        // Of what is compatible the first four names are seen.
        _ if at(4, b"ftypmif1") && [16, 20, 24, 28].iter().any(|place| at(*place, b"avif")) => Content::Still("avif"),
        _ if at(4, b"ftyphei") || at(4, b"ftypmif1") => Content::Still("heic"),
        _ if [b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"].iter().any(|kind| at(4, *kind)) => Content::Movie,
        _ if at(0, b"fLaC") => Content::Sound("flac"),
        _ if at(0, b"OggS") => Content::Sound("ogg"),
        _ if at(0, b"FORM") && (at(8, b"AIFF") || at(8, b"AIFC")) => Content::Sound("aiff"),
        [0xff, second, ..] if second & 0xe6 == 0xe2 => Content::Sound("mp3"),
        _ if at(0, b"ID3") => Content::Sound("mp3"),
        [b'<', ..] => return Err(MediaError::Unsupported("the file is a web page or XML, not media".to_owned())),
        _ => {
            return Err(MediaError::Unsupported(format!(
                "no known media format begins with {:02x?}",
                &head[..head.len().min(8)]
            )));
        }
    })
}

fn read_movie<R: Read + Seek>(source: &mut R, info: &mut MediaInfo) -> Result<(), MediaError> {
    let movie = Movie::read(source)?;
    for track in [TrackKind::Picture, TrackKind::Sound].into_iter().filter_map(|kind| movie.first(kind)) {
        // What an index points at has to be there.
        movie.chunks(track)?;
    }
    complete(&movie.outline, info);
    let is_mov = info.brands.as_ref().is_none_or(|brands| brands.major == "qt  ");
    info.container = if is_mov { "mov" } else { "mp4" }.to_owned();
    info.tracks = Some(count(&movie));
    info.timecode = movie.timecode(source);
    info.video = movie.first(TrackKind::Picture).map(|track| VideoInfo {
        profile: track.profile.clone(),
        level: track.level,
        pixel_format: track.pixel_format.clone(),
        colour: track.colour.clone(),
        rate: movie.rate(track),
        frames: Some(movie.frames(track)),
        coded_frames: Some(track.sample_count),
        timescale: Some(track.timescale),
        ticks: Some(track.ticks),
        start: movie.start(track),
        duration: movie.shown_time(track),
        edits: track.edits.clone(),
        bit_rate: bit_rate(&movie, track),
        rotation: track.rotation,
        pixel_aspect: track.pixel_aspect,
        ..VideoInfo::of(&track.codec, track.size)
    });
    info.audio = movie.first(TrackKind::Sound).and_then(|track| sound(&movie, track));
    if movie.first(TrackKind::Picture).is_none() && movie.first(TrackKind::Sound).is_none() {
        return Err(MediaError::malformed("mp4", 0, "neither picture nor sound"));
    }
    info.bit_rate = whole_rate(&movie);
    if info.video.is_none() {
        "m4a".clone_into(&mut info.container);
    }
    Ok(())
}

/// The facts of a sound track whose rate and channels are known.
fn sound(movie: &Movie, track: &Track) -> Option<AudioInfo> {
    let (sample_rate, channels) = track.sound?;
    let presentation = movie.presentation(track);
    Some(AudioInfo {
        profile: track.profile.clone(),
        layout: track.layout.clone(),
        samples: movie.heard(track),
        priming: presentation.known.then_some(presentation.skip),
        padding: movie.padding(track),
        timescale: Some(track.timescale),
        ticks: Some(track.ticks),
        edits: track.edits.clone(),
        bit_rate: bit_rate(movie, track),
        ..AudioInfo::of(&track.codec, sample_rate, channels)
    })
}

/// Gives sound whose codec another reader told what the tables of its MP4 or MOV tell: lengths, lead and tail.
///
/// # Errors
/// Those of the index.
pub fn complete_sound<R: Read + Seek>(source: &mut R, audio: &mut AudioInfo) -> Result<(), MediaError> {
    let mut movie = Movie::read(source)?;
    let Some(index) = movie.tracks.iter().position(|track| track.kind == TrackKind::Sound) else { return Ok(()) };
    if let Some(track) = movie.tracks.get_mut(index) {
        track.sound = Some((audio.sample_rate, audio.channels));
    }
    let told = movie.tracks.get(index).and_then(|track| sound(&movie, track));
    if let Some(told) = told {
        let (codec, profile, layout) = (audio.codec.clone(), audio.profile.take(), audio.layout.take());
        *audio = AudioInfo { codec, profile, layout, ..told };
    }
    Ok(())
}

/// Adds what the top of an MP4 or MOV tells to what another reader found in it.
pub fn complete(outline: &Outline, info: &mut MediaInfo) {
    info.brands.clone_from(&outline.brands);
    info.fast_start = Some(outline.fast_start);
    info.fragmented = outline.fragmented;
    info.c2pa = Some(outline.c2pa);
}

fn count(movie: &Movie) -> Tracks {
    let of = |kind| u32::try_from(movie.tracks.iter().filter(|track| track.kind == kind).count()).unwrap_or(u32::MAX);
    Tracks { video: of(TrackKind::Picture), audio: of(TrackKind::Sound), other: of(TrackKind::Other) }
}

/// Bits a second of a track's packets, over all of its length.
fn bit_rate(movie: &Movie, track: &Track) -> Option<u64> {
    let chunks = movie.chunks(track).ok()?.chunks;
    let bytes = chunks.iter().map(|chunk| u128::from(chunk.end.saturating_sub(chunk.start))).sum::<u128>();
    Rounding::Down.divide(bytes.checked_mul(8)?.checked_mul(track.timescale.into())?, track.ticks.into())
}

/// Bits a second of the whole file, until the last of its tracks is over.
fn whole_rate(movie: &Movie) -> Option<u64> {
    let end = movie
        .tracks
        .iter()
        .filter(|track| track.kind != TrackKind::Other)
        .filter_map(|track| movie.end(track))
        .max()?;
    Rounding::Down.divide(u128::from(movie.file_len) * 8_000_000, end.0.into())
}

fn read_wav<R: Read + Seek + Send + Sync + 'static>(mut source: R, info: &mut MediaInfo) -> Result<(), MediaError> {
    match riff::read(&mut source) {
        Ok(wav) => {
            info.container = if wav.large { "rf64" } else { "wav" }.to_owned();
            info.audio = Some(AudioInfo {
                samples: Some(wav.samples),
                priming: Some(0),
                padding: Some(0),
                ..AudioInfo::of(&wav.codec(), wav.rate, wav.channels.into())
            });
            Ok(())
        }
        // Plain samples are not the only thing that a WAV holds.
        Err(MediaError::Unsupported(_)) => read_sound(source, "wav", info),
        Err(error) => Err(error),
    }
}

fn read_sound<R: Read + Seek + Send + Sync + 'static>(
    source: R,
    format: &str,
    info: &mut MediaInfo,
) -> Result<(), MediaError> {
    let counted = decode::count(source)?;
    // Behind a tag may stand any kind of sound.
    let format = match (format, counted.codec.as_str()) {
        ("mp3", "mp3") => "mp3",
        ("mp3", "flac") => "flac",
        ("mp3", other) => return Err(MediaError::Unsupported(format!("{other} behind a tag"))),
        (other, _) => other,
    };
    let lossless = counted.codec == "flac" || counted.codec.starts_with("pcm_");
    info.container = format.to_owned();
    info.audio = Some(AudioInfo {
        samples: Some(counted.samples),
        priming: counted.priming.or(lossless.then_some(0)),
        ..AudioInfo::of(&counted.codec, counted.rate, counted.channels)
    });
    Ok(())
}
