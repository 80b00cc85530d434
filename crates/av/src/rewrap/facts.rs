//! What a source tells of its streams and of itself, told again in a new file.

use ffmpeg_next::codec::{self, Id, Parameters};
use ffmpeg_next::packet::side_data::Type;
use ffmpeg_next::rescale::Rescale;
use ffmpeg_next::{Codec, Dictionary, DictionaryRef, Rational, decoder, format, media};

use super::{Manner, digest};
use crate::source::{Clock, Source};
use crate::stamp::Mark;
use crate::{AvError, probe};

/// What the muxer writes by itself.
const OWN: [&str; 4] = ["major_brand", "minor_version", "compatible_brands", "encoder"];
/// What a mark takes the place of.
const MARK: [&str; 2] = ["timecode", "reel_name"];

/// Adds a stream like the source's; `anew` leaves out what the source's container calls its codec.
///
/// # Errors
/// FFmpeg's `InvalidData` where that cannot be left out.
pub(super) fn add(
    file: &mut format::context::Output,
    stream: &format::stream::Stream<'_>,
    source: &Source,
    anew: bool,
) -> Result<usize, AvError> {
    let parameters = if anew { bare(stream, source)? } else { stream.parameters() };
    let mut added = file.add_stream(None::<Codec>)?;
    added.set_parameters(parameters);
    added.set_time_base(stream.time_base());
    added.set_avg_frame_rate(stream.avg_frame_rate());
    added.set_rate(stream.rate());
    Ok(added.index())
}

/// Tells of a stream what the source tells: its language, its name, its timecode; or the timecode that is given.
pub(super) fn name(
    file: &mut format::context::Output,
    index: usize,
    stream: &format::stream::Stream<'_>,
    mark: Option<&Mark>,
) {
    let Some(mut added) = file.stream_mut(index) else { return };
    let mut facts = told(&stream.metadata(), mark.is_some());
    if let Some(mark) = mark {
        added.set_avg_frame_rate(mark.frame().invert());
        facts.set("timecode", &mark.timecode);
        if !mark.reel.is_empty() {
            facts.set("reel_name", &mark.reel);
        }
    }
    added.set_metadata(facts);
}

/// Tells of the file what the source tells, and its chapters.
pub(super) fn tell(
    file: &mut format::context::Output,
    source: &Source,
    zero: Clock,
    manner: &Manner,
) -> Result<(), AvError> {
    file.set_metadata(told(&source.input.metadata(), manner.mark.is_some()));
    let pace = if manner.pace.is_some() { Rational(1001, 1000) } else { Rational(1, 1) };
    for (number, chapter) in (0..).zip(source.input.chapters()) {
        let Some(base) = probe::clock(chapter.time_base()) else { continue };
        let shift = zero.zero.rescale(zero.base, base);
        let [start, end] =
            [chapter.start(), chapter.end()].map(|at| at.saturating_sub(shift).max(0).rescale(pace, Rational(1, 1)));
        let title = chapter.metadata().get("title").map(text).unwrap_or_default();
        if start <= end {
            file.add_chapter(number, base, start, end, title)?;
        }
    }
    Ok(())
}

fn told(dictionary: &DictionaryRef<'_>, is_marked: bool) -> Dictionary<'static> {
    let is_replaced = |key: &str| OWN.contains(&key) || (is_marked && MARK.contains(&key));
    let pairs = dictionary.iter().filter(|(key, _)| !is_replaced(key));
    pairs.map(|(key, value)| (text(key), text(value))).collect()
}

/// Files hold what they like; what is no text is told with marks in its place.
fn text(told: &str) -> String {
    String::from_utf8_lossy(told.as_bytes()).into_owned()
}

/// What a stream is, without its container's name for it and without the codec's own header, which stands in its
/// packets too.
fn bare(stream: &format::stream::Stream<'_>, source: &Source) -> Result<Parameters, AvError> {
    const REFUSED: AvError = AvError::Ffmpeg(ffmpeg_next::Error::InvalidData);
    let id = stream.parameters().id();
    let is_bare = match id {
        Id::H264 | Id::HEVC => digest::has_start_codes(source),
        Id::AAC => source.input.format().name() == "mpegts",
        Id::MPEG1VIDEO | Id::MPEG2VIDEO | Id::MJPEG | Id::AC3 | Id::EAC3 | Id::MP2 | Id::MP3 => true,
        _ => false,
    };
    let codec = decoder::find(id).filter(|_| is_bare).ok_or(REFUSED)?;
    let known = codec::context::Context::from_parameters(stream.parameters())?.decoder();
    let bare = codec::context::Context::new_with_codec(codec).encoder();
    match stream.parameters().medium() {
        media::Type::Video => {
            let (known, mut bare) = (known.video()?, bare.video()?);
            bare.set_width(known.width());
            bare.set_height(known.height());
            bare.set_format(known.format());
            bare.set_aspect_ratio(known.aspect_ratio());
            bare.set_colorspace(known.color_space());
            bare.set_color_range(known.color_range());
            bare.set_color_primaries(known.color_primaries());
            bare.set_color_transfer_characteristic(known.color_transfer_characteristic());
            Ok(Parameters::from(&bare))
        }
        _ => {
            let (known, mut bare) = (known.audio()?, bare.audio()?);
            bare.set_rate(known.rate().cast_signed());
            bare.set_channels(known.channels().into());
            bare.set_channel_layout(known.channel_layout());
            bare.set_bit_rate(known.bit_rate());
            Ok(Parameters::from(&bare))
        }
    }
}

/// How a player shows a picture, as far as the muxer is not told.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The display matrix, as MP4 has it; none where it is upright.
    pub(super) matrix: Option<Vec<u8>>,
    /// Width and height of the shape of a pixel.
    pub(super) pixel_aspect: (u32, u32),
}

impl Shown {
    pub(super) fn of(source: &Source) -> Result<Shown, AvError> {
        let stream = source.picture()?;
        let matrix = stream.side_data().find(|data| data.kind() == Type::DisplayMatrix);
        let matrix = matrix.map(|matrix| {
            let cells = matrix.data().as_chunks().0.iter().take(9);
            cells.flat_map(|cell| i32::from_ne_bytes(*cell).to_be_bytes()).collect::<Vec<u8>>()
        });
        let decoder = codec::context::Context::from_parameters(stream.parameters())?.decoder();
        let pixel_aspect = decoder.video().map_or((1, 1), |decoder| probe::pixel_aspect(&decoder));
        Ok(Shown { matrix: matrix.filter(|matrix| matrix.len() == 36), pixel_aspect })
    }
}
