//! Measures what the safe readers do not know: fragmented MP4, WebM, MPEG-TS, odd codecs.

use std::path::Path;

use ffmpeg_next::{Dictionary, codec, format, media, packet};
use seedpost_core::media::{AudioInfo, MediaInfo, VideoInfo};
use seedpost_core::time::{ClockTime, FrameRate, Frames, Rounding, SampleRate, Samples};

use crate::AvError;

/// Containers told by content. FFmpeg's picture readers go by names, and others read text.
const CONTAINERS: &str =
    "mov,matroska,mpegts,mpeg,avi,flv,asf,ogg,mp3,aac,flac,wav,w64,aiff,caf,mxf,ac3,eac3,amr,ivf,h264,hevc,wv,ape,au";

/// Measures a local file.
///
/// # Errors
/// FFmpeg's own words, or the disk's.
pub fn probe(path: &Path) -> Result<MediaInfo, AvError> {
    let bytes = std::fs::metadata(path)?.len();
    let mut input = open(path)?;
    let brand = input.metadata().get("major_brand").map(str::to_owned);
    let container = match (input.format().name(), brand.as_deref()) {
        (name, Some("qt  ")) if name.contains("mov") => "mov".to_owned(),
        (name, _) if name.contains("mp4") => "mp4".to_owned(),
        (name, _) => name.split(',').next().unwrap_or(name).to_owned(),
    };
    let counts = count_packets(&mut input);
    let video = input.streams().best(media::Type::Video).map(|stream| read_video(&stream, &counts)).transpose()?;
    let audio =
        input.streams().best(media::Type::Audio).and_then(|stream| read_audio(&stream).transpose()).transpose()?;
    let fragmented = container == "mp4" && input.streams().all(|stream| stream.frames() == 0);
    Ok(MediaInfo {
        container,
        bytes,
        video,
        audio,
        still: None,
        fast_start: None,
        fragmented,
        measured_by: "ffmpeg".to_owned(),
    })
}

/// Opens a local file, of a container that is told by content.
pub(crate) fn open(path: &Path) -> Result<format::context::Input, AvError> {
    let mut options = Dictionary::new();
    // A playlist inside a file must not make this program open others.
    options.set("protocol_whitelist", "file");
    options.set("format_whitelist", CONTAINERS);
    Ok(format::input_with_dictionary(&format!("file:{}", path.display()), options)?)
}

/// How many packets each stream has.
fn count_packets(input: &mut format::context::Input) -> Vec<u64> {
    let mut counts = vec![0; input.streams().count()];
    for (stream, _) in input.packets() {
        if let Some(count) = counts.get_mut(stream.index()) {
            *count += 1;
        }
    }
    counts
}

fn read_video(stream: &format::stream::Stream<'_>, counts: &[u64]) -> Result<VideoInfo, AvError> {
    let decoder = codec::context::Context::from_parameters(stream.parameters())?.decoder().video()?;
    let (average, real) = (stream.avg_frame_rate(), stream.rate());
    let rate = (average == real).then(|| ratio(average)).flatten();
    Ok(VideoInfo {
        codec: stream.parameters().id().name().to_owned(),
        width: decoder.width(),
        height: decoder.height(),
        rate,
        frames: counts.get(stream.index()).copied().filter(|count| *count > 0).map(Frames),
        duration: duration(stream),
        rotation: rotation(stream),
    })
}

/// The quarter turns of a stream's display matrix, clockwise; anything else counts as upright.
fn rotation(stream: &format::stream::Stream<'_>) -> u16 {
    let matrix = stream.side_data().find(|data| data.kind() == packet::side_data::Type::DisplayMatrix);
    let cell = |index: usize| {
        let bytes = matrix.as_ref()?.data().get(index * 4..)?.first_chunk()?;
        Some(i32::from_ne_bytes(*bytes).signum())
    };
    match [0, 1, 3, 4].map(cell) {
        [Some(0), Some(1), Some(-1), Some(0)] => 90,
        [Some(-1), Some(0), Some(0), Some(-1)] => 180,
        [Some(0), Some(-1), Some(1), Some(0)] => 270,
        _ => 0,
    }
}

/// The stream's own length, in microseconds.
fn duration(stream: &format::stream::Stream<'_>) -> Option<ClockTime> {
    let (ticks, base) = (u128::try_from(stream.duration()).ok()?, stream.time_base());
    let num = ticks.checked_mul(u128::try_from(base.numerator()).ok()? * 1_000_000)?;
    Rounding::Nearest.divide(num, u128::try_from(base.denominator()).ok()?).map(ClockTime)
}

fn ratio(rate: ffmpeg_next::Rational) -> Option<FrameRate> {
    FrameRate::new(rate.numerator().try_into().ok()?, rate.denominator().try_into().ok()?)
}

fn read_audio(stream: &format::stream::Stream<'_>) -> Result<Option<AudioInfo>, AvError> {
    let decoder = codec::context::Context::from_parameters(stream.parameters())?.decoder().audio()?;
    let Some(sample_rate) = SampleRate::new(decoder.rate()) else { return Ok(None) };
    let base = stream.time_base();
    let samples = u64::try_from(stream.duration()).ok().and_then(|ticks| {
        let num = u128::from(ticks) * u128::try_from(base.numerator()).ok()? * u128::from(sample_rate.hertz());
        Rounding::Nearest.divide(num, u128::try_from(base.denominator()).ok()?)
    });
    Ok(Some(AudioInfo {
        codec: stream.parameters().id().name().to_owned(),
        sample_rate,
        channels: decoder.channels().into(),
        samples: samples.map(Samples),
        priming: None,
    }))
}
