//! Measures what the safe readers do not know: fragmented MP4, WebM, MPEG-TS, odd codecs.

mod names;

use std::path::Path;

use ffmpeg_next::rescale::Rescale;
use ffmpeg_next::{Dictionary, DictionaryRef, Packet, Rational, codec, format, media, packet};
use seedpost_core::media::{AudioInfo, ColourInfo, MediaInfo, TimecodeInfo, Tracks, VideoInfo};
use seedpost_core::time::{ClockTime, FrameRate, Frames, Rounding, SampleRate, Samples};

use crate::AvError;

/// Containers told by content. FFmpeg's picture readers go by names, and others read text.
const CONTAINERS: &str =
    "mov,matroska,mpegts,mpeg,avi,flv,asf,ogg,mp3,aac,flac,wav,w64,aiff,caf,mxf,ac3,eac3,amr,ivf,h264,hevc,wv,ape,au";

/// Microseconds: the clock of whole files.
const MICROS: Rational = Rational(1, 1_000_000);
/// What the stated length of a file may exceed its packets by, in microseconds.
const SLACK: i64 = 1_000_000;

/// Measures a local file.
///
/// # Errors
/// FFmpeg's own words, or the disk's.
pub fn probe(path: &Path) -> Result<MediaInfo, AvError> {
    let bytes = std::fs::metadata(path)?.len();
    let mut input = open(path)?;
    // The picture on a record's cover does not make it a film.
    let film = input.streams().best(media::Type::Video).filter(|stream| !is_cover(stream)).map(|stream| stream.index());
    let has_film = film.is_some();
    let brand = input.metadata().get("major_brand").map(str::to_owned);
    let container = match (input.format().name(), brand.as_deref()) {
        (name, Some("qt  ")) if name.contains("mov") => "mov".to_owned(),
        (name, _) if name.contains("mp4") && !has_film => "m4a".to_owned(),
        (name, _) if name.contains("mp4") => "mp4".to_owned(),
        (name, _) => name.split(',').next().unwrap_or(name).to_owned(),
    };
    let counts = read_packets(&mut input);
    let end = input
        .streams()
        .zip(&counts)
        .filter_map(|(stream, own)| Some(own.end?.rescale(clock(stream.time_base())?, MICROS)));
    if ends_early(&input, end.max().unwrap_or(0)) {
        return Err(AvError::Request("the file was cut short"));
    }
    let video = film.and_then(|index| input.stream(index));
    let video = video.map(|stream| read_video(&stream, &counts, behind(&input, &stream))).transpose()?;
    let audio = input.streams().best(media::Type::Audio);
    let audio = audio.and_then(|stream| read_audio(&stream, &counts, &container).transpose()).transpose()?;
    let lengths = input.streams().filter(|stream| !is_cover(stream)).filter_map(|stream| {
        let counted = counts.get(stream.index()).copied().unwrap_or_default();
        // Without a table what is stated ends where the sound does, and not its last packet.
        let counted = if stream.frames() == 0 && stream.duration() > 0 { Packets::default() } else { counted };
        duration(&stream, counted).map(|length| length.0)
    });
    let longest = lengths.max().unwrap_or(0);
    let fragmented = container == "mp4" && input.streams().all(|stream| stream.frames() == 0);
    Ok(MediaInfo {
        bit_rate: Rounding::Down.divide(u128::from(bytes) * 8_000_000, longest.into()),
        tracks: Some(tracks(&input)),
        timecode: timecode(&input, video.as_ref().and_then(|video| video.rate)),
        video,
        audio,
        fragmented,
        ..MediaInfo::of(&container, bytes, "ffmpeg")
    })
}

/// Whether a stream is a picture that belongs to the file, not a film.
pub(crate) fn is_cover(stream: &format::stream::Stream<'_>) -> bool {
    stream.disposition().contains(format::stream::Disposition::ATTACHED_PIC)
}

fn tracks(input: &format::context::Input) -> Tracks {
    let mut tracks = Tracks::default();
    for stream in input.streams().filter(|stream| !is_cover(stream)) {
        match stream.parameters().medium() {
            media::Type::Video => tracks.video += 1,
            media::Type::Audio => tracks.audio += 1,
            _ => tracks.other += 1,
        }
    }
    tracks
}

/// The first timecode that a stream or the file is marked with; its rate is the picture's.
fn timecode(input: &format::context::Input, rate: Option<FrameRate>) -> Option<TimecodeInfo> {
    let tag = |dictionary: DictionaryRef<'_>| dictionary.get("timecode").map(str::to_owned);
    let start = input.streams().find_map(|stream| tag(stream.metadata())).or_else(|| tag(input.metadata()))?;
    let is_field = |field: &str| field.len() == 2 && field.bytes().all(|digit| digit.is_ascii_digit());
    if start.split([':', ';', '.']).filter(|field| is_field(field)).count() != 4 || start.len() != 11 {
        return None;
    }
    Some(TimecodeInfo { frames_per_second: rate?.nominal(), drop_frame: start.contains(';'), start })
}

/// Opens a local file, of a container that is told by content.
pub(crate) fn open(path: &Path) -> Result<format::context::Input, AvError> {
    let mut options = Dictionary::new();
    // A playlist inside a file must not make this program open others.
    options.set("protocol_whitelist", "file");
    options.set("format_whitelist", CONTAINERS);
    Ok(format::input_with_dictionary(&format!("file:{}", path.display()), options)?)
}

/// Whether a container whose reader ends quietly where the file does states more than there was until `end`, in
/// microseconds.
pub(crate) fn ends_early(input: &format::context::Input, end: i64) -> bool {
    let format = input.format();
    let quiet = format.name().contains("matroska") || format.name().contains("avi");
    quiet && end.saturating_add(SLACK) < input.duration()
}

/// A stream's clock, if it can be divided by.
pub(crate) fn clock(base: Rational) -> Option<Rational> {
    (base.numerator() > 0 && base.denominator() > 0).then_some(base)
}

/// What the packets of a stream tell, in its own clock.
#[derive(Debug, Clone, Copy, Default)]
struct Packets {
    /// How many are shown.
    count: u64,
    first: Option<i64>,
    end: Option<i64>,
    /// What all of them tell, shown or not.
    coded: Coded,
}

/// What all packets of a stream tell, in its own clock.
#[derive(Debug, Clone, Copy, Default)]
struct Coded {
    count: u64,
    bytes: u64,
    first: Option<i64>,
    end: Option<i64>,
}

impl Coded {
    /// What the stream states, where no table counts its packets; else from the first packet to the end of the last.
    fn ticks(self, stream: &format::stream::Stream<'_>) -> Option<u64> {
        let stated = u64::try_from(stream.duration()).ok().filter(|ticks| *ticks > 0 && stream.frames() == 0);
        if stated.is_some() {
            return stated;
        }
        let ticks = self.first.zip(self.end).and_then(|(first, end)| end.checked_sub(first))?;
        u64::try_from(ticks).ok().filter(|ticks| *ticks > 0)
    }

    /// The stream's own statement in bits a second, else what its packets have; the other way round where no table counts
    /// them, since fragments may state only the first of them.
    fn bit_rate(self, stream: &format::stream::Stream<'_>) -> Option<u64> {
        let counted = || {
            let base = clock(stream.time_base())?;
            let bits = u128::from(self.bytes).checked_mul(8 * u128::try_from(base.denominator()).ok()?)?;
            Rounding::Down.divide(bits, u128::from(self.ticks(stream)?) * u128::try_from(base.numerator()).ok()?)
        };
        let stated = || u64::try_from(stream.parameters().bit_rate()).ok().filter(|rate| *rate > 0);
        if stream.frames() == 0 { counted().or_else(stated) } else { stated().or_else(counted) }
    }
}

/// Reads all packets. What an edit list leaves out has times before the stream's own beginning, and is not shown.
fn read_packets(input: &mut format::context::Input) -> Vec<Packets> {
    // Where it is not known, no time lies before it.
    let starts: Vec<i64> = input.streams().map(|stream| stream.start_time()).collect();
    let mut all = vec![Packets::default(); starts.len()];
    for (stream, packet) in input.packets() {
        let Some((own, start)) = all.get_mut(stream.index()).zip(starts.get(stream.index())) else { continue };
        own.coded.count += 1;
        own.coded.bytes = own.coded.bytes.saturating_add(packet.size() as u64);
        extend(&mut own.coded.first, &mut own.coded.end, &packet);
        if packet.pts().is_some_and(|at| at < *start) {
            continue;
        }
        own.count += 1;
        extend(&mut own.first, &mut own.end, &packet);
    }
    all
}

fn extend(first: &mut Option<i64>, end: &mut Option<i64>, packet: &Packet) {
    let Some(at) = packet.pts() else { return };
    *first = Some(first.map_or(at, |first| first.min(at)));
    let own = at.saturating_add(packet.duration());
    *end = Some(end.map_or(own, |latest| latest.max(own)));
}

/// Ticks in a second, where it is a whole number.
fn timescale(stream: &format::stream::Stream<'_>) -> Option<u32> {
    let base = clock(stream.time_base()).filter(|base| base.numerator() == 1)?;
    u32::try_from(base.denominator()).ok()
}

/// What the numbers of a picture mean.
fn colour(decoder: &codec::decoder::Video) -> ColourInfo {
    let owned = |name: Option<&'static str>| name.map(str::to_owned);
    ColourInfo {
        range: owned(decoder.color_range().name()),
        primaries: owned(decoder.color_primaries().name()),
        transfer: owned(decoder.color_transfer_characteristic().name()),
        matrix: owned(decoder.color_space().name()),
    }
}

/// How long after the first of all streams one begins, in microseconds.
fn behind(input: &format::context::Input, stream: &format::stream::Stream<'_>) -> ClockTime {
    let start = |stream: &format::stream::Stream<'_>| {
        let clock = clock(stream.time_base())?;
        (stream.start_time() != i64::MIN).then(|| stream.start_time().rescale(clock, MICROS))
    };
    let first = input.streams().filter_map(|stream| start(&stream)).min();
    let apart = start(stream).zip(first).map_or(0, |(own, first)| own.saturating_sub(first));
    ClockTime(u64::try_from(apart).unwrap_or(0))
}

fn read_video(stream: &format::stream::Stream<'_>, all: &[Packets], start: ClockTime) -> Result<VideoInfo, AvError> {
    let decoder = codec::context::Context::from_parameters(stream.parameters())?.decoder().video()?;
    let packets = all.get(stream.index()).copied().unwrap_or_default();
    let duration = duration(stream, packets);
    // What is stated and what is held may differ, and a coarse clock rounds.
    // Anything has an average, so it counts only where it is a usual rate.
    let average = ratio(stream.avg_frame_rate()).filter(|average| FrameRate::usual().any(|rate| rate == *average));
    let rate = ratio(stream.rate())
        .into_iter()
        .chain(average)
        .find(|rate| duration.is_none_or(|length| is_steady(*rate, packets.count, length)));
    Ok(VideoInfo {
        profile: names::profile(decoder.profile()),
        pixel_format: decoder.format().descriptor().map(|format| format.name().to_owned()),
        colour: colour(&decoder),
        coded_frames: Some(packets.coded.count).filter(|count| *count > 0),
        timescale: timescale(stream),
        ticks: packets.coded.ticks(stream),
        bit_rate: packets.coded.bit_rate(stream),
        rate,
        frames: Some(packets.count).filter(|count| *count > 0).map(Frames),
        start,
        duration,
        rotation: rotation(stream),
        pixel_aspect: pixel_aspect(&decoder),
        ..VideoInfo::of(stream.parameters().id().name(), (decoder.width(), decoder.height()))
    })
}

/// The shape of a pixel; square where it is not told.
pub(crate) fn pixel_aspect(decoder: &codec::decoder::Video) -> (u32, u32) {
    let shape = decoder.aspect_ratio();
    let side = |value: i32| u32::try_from(value).ok().filter(|value| *value > 0);
    side(shape.numerator()).zip(side(shape.denominator())).unwrap_or((1, 1))
}

/// The quarter turns of a stream's display matrix, clockwise; anything else counts as upright.
pub(crate) fn rotation(stream: &format::stream::Stream<'_>) -> u16 {
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

/// From the first packet's time to the end of the last, else what the stream states; in microseconds.
fn duration(stream: &format::stream::Stream<'_>, packets: Packets) -> Option<ClockTime> {
    let shown =
        packets.first.zip(packets.end).and_then(|(first, end)| end.checked_sub(first)).filter(|ticks| *ticks > 0);
    let (ticks, base) = (u128::try_from(shown.unwrap_or(stream.duration())).ok()?, stream.time_base());
    let num = ticks.checked_mul(u128::try_from(base.numerator()).ok()? * 1_000_000)?;
    Rounding::Nearest.divide(num, u128::try_from(base.denominator()).ok()?).map(ClockTime)
}

/// Whether so many frames at that rate last as long as they are shown, to two frames.
fn is_steady(rate: FrameRate, frames: u64, shown: ClockTime) -> bool {
    rate.frames_in(shown, Rounding::Nearest).is_some_and(|expected| expected.0.abs_diff(frames) <= 2)
}

fn ratio(rate: ffmpeg_next::Rational) -> Option<FrameRate> {
    FrameRate::new(rate.numerator().try_into().ok()?, rate.denominator().try_into().ok()?)
}

fn read_audio(
    stream: &format::stream::Stream<'_>,
    all: &[Packets],
    container: &str,
) -> Result<Option<AudioInfo>, AvError> {
    let decoder = codec::context::Context::from_parameters(stream.parameters())?.decoder().audio()?;
    let Some(sample_rate) = SampleRate::new(decoder.rate()) else { return Ok(None) };
    let base = stream.time_base();
    // What a transport stream states is as long as its picture.
    let stated = u64::try_from(stream.duration()).ok().filter(|_| !container.contains("mpegts"));
    let samples = stated.and_then(|ticks| {
        let num = u128::from(ticks) * u128::try_from(base.numerator()).ok()? * u128::from(sample_rate.hertz());
        Rounding::Nearest.divide(num, u128::try_from(base.denominator()).ok()?)
    });
    let coded = all.get(stream.index()).copied().unwrap_or_default().coded;
    Ok(Some(AudioInfo {
        profile: names::profile(decoder.profile()),
        layout: names::layout(decoder.channel_layout()),
        timescale: timescale(stream),
        ticks: coded.ticks(stream),
        bit_rate: coded.bit_rate(stream),
        samples: samples.map(Samples),
        ..AudioInfo::of(stream.parameters().id().name(), sample_rate, decoder.channels().into())
    }))
}
