//! What conforming makes of an asset so that a model takes it, or why nothing helps.
//!
//! Pictures are scaled to at most twice their size and never cropped: what to lose is a person's choice.

use crate::catalog::{KindLimits, Range};
use crate::media::{AudioInfo, MediaInfo, StillInfo, VideoInfo};
use crate::time::{ClockTime, FrameRate, Frames, Rounding, Samples};
use crate::trim::{self, Limit};

/// The most pixels of an image's copy.
pub const MAX_COPY_PIXELS: u64 = 1 << 26;
/// The sides of a video that can be encoded, in pixels.
const ENCODED_SIDES: Range = Range { min: 64, max: 8192 };
/// The least that is kept of a video or sound: what Ark demands, and useful anywhere.
const LEAST: ClockTime = ClockTime::seconds(2);
/// What is kept of a video beyond its least when it is trimmed, for a whole frame to end in.
const SPARE: ClockTime = ClockTime(100_000);
/// The limit of all sounds or videos together where the catalog gives none.
const COMBINED: ClockTime = ClockTime::seconds(15);
/// How much longer a sound may be than its picture before it counts: more than any codec's padding.
const OVERHANG: ClockTime = ClockTime(100_000);
/// The most bytes of a copy where the catalog gives no limit.
const MAX_BYTES: u64 = 50_000_000;
/// The most bytes of a sound in MP4 that is decoded: it is taken into memory.
pub const MAX_MP4_SOUND: u64 = 256 << 20;

/// What to make of an asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit<T> {
    /// The copy to make; nothing where the asset may be sent as it is.
    pub copy: Option<T>,
    /// Why a copy is needed: rule and words.
    pub changes: Vec<(&'static str, String)>,
    /// What no copy can mend.
    pub refusals: Vec<Refusal>,
}

/// A rule that no copy can satisfy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The rule.
    pub rule: &'static str,
    /// What was found.
    pub found: String,
    /// What is allowed.
    pub allowed: String,
    /// What a person can do.
    pub fix: &'static str,
}

/// The copy of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StillFit {
    /// Upright width and height in pixels.
    pub size: (u32, u32),
    /// The most bytes.
    pub max_bytes: u64,
}

/// The copy of a video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoFit {
    /// The first frame kept, counted at `rate` from the shown beginning.
    pub start: Frames,
    /// How many frames are kept.
    pub frames: Frames,
    /// Frames a second of the copy.
    pub rate: FrameRate,
    /// Upright width and height in pixels, even.
    pub size: (u32, u32),
    /// Degrees clockwise that the stored picture is turned.
    pub rotation: u16,
    /// The most bytes.
    pub max_bytes: u64,
}

/// A video and what is wanted of it.
#[derive(Debug, Clone, Copy)]
pub struct VideoPart<'a> {
    /// What it is.
    pub info: &'a MediaInfo,
    /// The first moment wanted.
    pub start: Option<ClockTime>,
    /// The first moment not wanted.
    pub end: Option<ClockTime>,
    /// 1 matters most.
    pub priority: u32,
}

impl<T> Fit<T> {
    fn new() -> Fit<T> {
        Fit { copy: None, changes: Vec::new(), refusals: Vec::new() }
    }

    fn change(&mut self, rule: &'static str, what: impl Into<String>) {
        self.changes.push((rule, what.into()));
    }

    fn refuse(&mut self, rule: &'static str, found: impl Into<String>, allowed: impl Into<String>, fix: &'static str) {
        self.refusals.push(Refusal { rule, found: found.into(), allowed: allowed.into(), fix });
    }
}

/// How much of sounds, or of videos, a model takes.
#[must_use]
pub fn time_limit(limits: &KindLimits) -> Limit {
    let most = |range: Option<Range>| range.map(|range| ClockTime::seconds(range.max));
    let combined = most(limits.combined_seconds).unwrap_or(COMBINED);
    let least = limits.each_seconds.map_or(LEAST, |range| ClockTime::seconds(range.min));
    Limit { combined, each: most(limits.each_seconds).unwrap_or(combined).min(combined), least }
}

/// Fits an image.
#[must_use]
pub fn still(info: &MediaInfo, still: &StillInfo, limits: &KindLimits) -> Fit<StillFit> {
    let mut fit = Fit::new();
    let upright = still.upright();
    if !limits.formats.contains(&info.container) {
        if still.copyable {
            fit.change("image.format", format!("{} becomes PNG or JPEG", info.container));
        } else {
            let fix = "convert it to JPEG or PNG";
            fit.refuse("image.format", info.container.clone(), limits.formats.join(", "), fix);
        }
    }
    if still.orientation != 1 {
        fit.change("image.orientation", format!("orientation {} is set upright", still.orientation));
    }
    if still.animated {
        fit.change("image.animated", "only the first frame is sent");
    }
    if still.colour == Some(crate::media::Colour::Cmyk) {
        fit.change("image.colour", "inks become red, green and blue");
    }
    if let Some(most) = limits.bytes.filter(|most| info.bytes > *most) {
        fit.change("image.bytes", format!("{} bytes are encoded anew, to at most {most}", info.bytes));
    }
    let size = size(&mut fit, ["image.aspect", "image.side", "image.side"], upright, limits, false);
    if !still.copyable && fit.needed() {
        let (width, height) = (still.width, still.height);
        let found = format!("{} of {width}×{height}: {}", info.container, words(&fit.changes));
        let allowed = "a picture that fits as it is, or one that can be converted here";
        fit.refuse("image.format", found, allowed, "convert it to JPEG or PNG, or make it smaller");
    }
    let pixels = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
    if let Some(size) = size.filter(|size| fit.needed() && pixels(*size) > MAX_COPY_PIXELS) {
        let allowed = format!("a picture that fits as it is, or at most {MAX_COPY_PIXELS} pixels to be converted");
        fit.refuse("image.side", format!("{}×{}", size.0, size.1), allowed, "make it smaller");
    }
    let max_bytes = limits.bytes.unwrap_or(MAX_BYTES);
    fit.copy = size.filter(|_| fit.needed()).map(|size| StillFit { size, max_bytes });
    fit
}

impl<T> Fit<T> {
    fn needed(&self) -> bool {
        self.refusals.is_empty() && !self.changes.is_empty()
    }
}

fn words(changes: &[(&'static str, String)]) -> String {
    changes.iter().map(|(_, what)| what.as_str()).collect::<Vec<_>>().join("; ")
}

/// The size to send; notes a change where it differs. The three rules are aspect, side and area.
fn size<T>(
    fit: &mut Fit<T>,
    rules: [&'static str; 3],
    (width, height): (u32, u32),
    limits: &KindLimits,
    even: bool,
) -> Option<(u32, u32)> {
    let found = format!("{width}×{height}");
    if let Some(range) = limits.aspect.filter(|range| !aspect_within((width, height), *range)) {
        let allowed = format!("width ÷ height from {} to {}", thousandths(range.min), thousandths(range.max));
        fit.refuse(rules[0], found, allowed, "crop it: what to lose is your choice");
        return None;
    }
    let side = limits.side.filter(|side| !side.contains(width.into()) || !side.contains(height.into()));
    let area = limits.area.filter(|area| !area.contains(u64::from(width) * u64::from(height)));
    let (rule, allowed) = match (side, area) {
        (Some(range), _) => (rules[1], format!("each side from {} to {} pixels", range.min, range.max)),
        (None, Some(range)) => (rules[2], format!("width × height from {} to {}", range.min, range.max)),
        // What is encoded anew has even sides.
        (None, None) if even && fit.needed() && (width % 2 == 1 || height % 2 == 1) => {
            (rules[1], "even sides".to_owned())
        }
        (None, None) => return Some((width, height)),
    };
    let scaled = scale((width, height), limits, even);
    match scaled {
        Some((w, h)) => {
            let way = if w > width || h > height { "up" } else { "down" };
            fit.change(rule, format!("{found} is scaled {way} to {w}×{h}"));
        }
        None => {
            fit.refuse(rule, found, allowed, "use a picture of another size: it would have to be scaled by more than 2")
        }
    }
    scaled
}

/// A number that is kept in thousandths, such as 2.500.
pub(super) fn thousandths(value: u32) -> String {
    format!("{}.{:03}", value / 1000, value % 1000)
}

fn aspect_within((width, height): (u32, u32), range: Range) -> bool {
    let (width, height) = (u64::from(width) * 1000, u64::from(height));
    width >= height * u64::from(range.min) && width <= height * u64::from(range.max)
}

/// The nearest size of the same shape that satisfies sides and area, at most twice as large.
fn scale((width, height): (u32, u32), limits: &KindLimits, even: bool) -> Option<(u32, u32)> {
    let (w, h) = (u128::from(width), u128::from(height));
    let step: u128 = if even { 2 } else { 1 };
    let (mut least, mut most) = ((step, 1), (u128::from(width) * 2, 1_u128));
    if let Some(side) = limits.side {
        // The width at which the shorter side reaches the least, and the longer one the most.
        least = larger(least, (u128::from(side.min) * w, w.min(h)));
        most = smaller(most, (u128::from(side.max) * w, w.max(h)));
    }
    let (mut low, mut high) = (least.0.div_ceil(least.1), most.0 / most.1);
    if let Some(area) = limits.area {
        low = low.max(root_up(u128::from(area.min) * w / h));
        high = high.min((u128::from(area.max) * w / h).isqrt());
    }
    let fits = |width: u128| {
        let exact = Rounding::Nearest.divide(width * h, w)?;
        let heights = [u128::from(exact), u128::from(exact) + 1, u128::from(exact).saturating_sub(1)];
        let size = |height: u128| Some((u32::try_from(width).ok()?, u32::try_from(height).ok()?));
        let good = |(w, h): &(u32, u32)| *h > 0 && u128::from(*h) % step == 0 && accepted((*w, *h), limits);
        heights.into_iter().filter_map(size).find(good)
    };
    let nearest = w.clamp(low, high.max(low));
    // Rounding may miss the limit by a few pixels: walk away from it.
    let walk = (0..64_u128).flat_map(|n| [nearest.saturating_sub(n), nearest + n]);
    let walk = walk.filter(|width| width % step == 0 && *width >= step && *width <= w * 2);
    walk.filter_map(fits).next()
}

fn accepted((width, height): (u32, u32), limits: &KindLimits) -> bool {
    let sides = limits.side.is_none_or(|side| side.contains(width.into()) && side.contains(height.into()));
    let area = limits.area.is_none_or(|area| area.contains(u64::from(width) * u64::from(height)));
    sides && area && limits.aspect.is_none_or(|range| aspect_within((width, height), range))
}

fn larger(a: (u128, u128), b: (u128, u128)) -> (u128, u128) {
    if a.0 * b.1 >= b.0 * a.1 { a } else { b }
}

fn smaller(a: (u128, u128), b: (u128, u128)) -> (u128, u128) {
    if a.0 * b.1 <= b.0 * a.1 { a } else { b }
}

fn root_up(value: u128) -> u128 {
    let root = value.isqrt();
    if root * root < value { root + 1 } else { root }
}

/// Fits the videos of a shot, in their order.
#[must_use]
pub fn videos(parts: &[VideoPart<'_>], limits: &KindLimits) -> Vec<Fit<VideoFit>> {
    let mut fits: Vec<Fit<VideoFit>> = parts.iter().map(|_| Fit::new()).collect();
    let lengths: Vec<Option<ClockTime>> = parts.iter().map(wanted).collect();
    for ((fit, part), length) in fits.iter_mut().zip(parts).zip(&lengths) {
        check_length(fit, part, *length, limits);
    }
    let known: Option<Vec<ClockTime>> = lengths.iter().copied().collect();
    let shares = match known.filter(|_| fits.iter().all(|fit| fit.refusals.is_empty())) {
        Some(lengths) => share(&mut fits, parts, &lengths, limits),
        // Refused already, but not only for that, perhaps.
        None => lengths.into_iter().map(Option::unwrap_or_default).collect(),
    };
    let total: u64 = shares.iter().map(|share| share.0).sum();
    let bytes: u64 = parts.iter().map(|part| part.info.bytes).sum();
    let cuts_sound = sound_is_over(parts, &shares, limits);
    for ((fit, part), share) in fits.iter_mut().zip(parts).zip(&shares) {
        let Some(video) = &part.info.video else { continue };
        if let Some(most) = limits.combined_bytes.filter(|most| bytes > *most) {
            fit.change("video.combined_bytes", format!("{bytes} bytes together are encoded anew, to at most {most}"));
        }
        if let Some(length) = heard(part).filter(|length| cuts_sound && overhangs(*length, *share)) {
            fit.change("video.duration", format!("{length} s of sound are cut to the {share} s of its picture"));
        }
        let room = limits.combined_bytes.map(|most| room(most, bytes, part.info.bytes, (*share, total)));
        let max_bytes = room.into_iter().chain(limits.bytes).min().unwrap_or(MAX_BYTES);
        fit.copy = one_video(fit, part, video, *share, max_bytes, limits);
    }
    fits
}

/// The most bytes of a copy: a share by time, where all are made anew; else its own bytes and a share by time
/// of what all leave, since others stay as they are.
fn room(most: u64, all: u64, own: u64, (share, total): (ClockTime, u64)) -> u64 {
    let part = |bytes: u64| {
        let part = u128::from(bytes) * u128::from(share.0);
        Rounding::Down.divide(part, u128::from(total.max(1))).unwrap_or(bytes)
    };
    most.checked_sub(all).map_or_else(|| part(most), |spare| own.saturating_add(part(spare)))
}

/// How long a video's sound is.
fn heard(part: &VideoPart<'_>) -> Option<ClockTime> {
    super::audio_length(part.info)
}

/// Whether sound is longer than its picture by more than the padding of a codec.
fn overhangs(sound: ClockTime, picture: ClockTime) -> bool {
    sound.0 > picture.0.saturating_add(OVERHANG.0)
}

/// Whether videos keep the limits of time by their pictures, but not by their sound, which a provider may go by.
fn sound_is_over(parts: &[VideoPart<'_>], shares: &[ClockTime], limits: &KindLimits) -> bool {
    let limit = time_limit(limits);
    let lengths = || parts.iter().zip(shares).map(|(part, share)| heard(part).unwrap_or_default().max(*share).0);
    let padding = OVERHANG.0.saturating_mul(parts.len() as u64);
    lengths().fold(0, u64::saturating_add) > limit.combined.0.saturating_add(padding)
        || lengths().any(|length| length > limit.each.0.saturating_add(OVERHANG.0))
}

/// How long the wanted part of a video is.
fn wanted(part: &VideoPart<'_>) -> Option<ClockTime> {
    let all = super::video_length(part.info)?;
    let end = part.end.unwrap_or(all).min(all);
    Some(ClockTime(end.0.saturating_sub(part.start.unwrap_or_default().0)))
}

fn check_length(fit: &mut Fit<VideoFit>, part: &VideoPart<'_>, length: Option<ClockTime>, limits: &KindLimits) {
    let Some(length) = length else {
        let found = part.info.container.clone();
        return fit.refuse("video.duration_unknown", found, "a file whose length is known", "re-save it as MP4");
    };
    let least = limits.each_seconds.map_or(ClockTime(1), |range| ClockTime::seconds(range.min));
    if length < least {
        let allowed = format!("at least {least} s");
        fit.refuse("video.duration", format!("{length} s"), allowed, "use a longer take, or correct `in` and `out`");
    }
}

/// The share of each video in the combined limit; notes who is trimmed.
fn share(
    fits: &mut [Fit<VideoFit>],
    parts: &[VideoPart<'_>],
    lengths: &[ClockTime],
    limits: &KindLimits,
) -> Vec<ClockTime> {
    let limit = time_limit(limits);
    let total = ClockTime(lengths.iter().map(|length| length.0).sum());
    if let Some(range) = limits.combined_seconds.filter(|range| total < ClockTime::seconds(range.min))
        && let Some(fit) = fits.last_mut()
    {
        let allowed = format!("{} to {} s together", range.min, range.max);
        fit.refuse("video.combined_duration", format!("{total} s together"), allowed, "use longer takes");
    }
    let ranks: Vec<u32> = parts.iter().map(|part| part.priority).collect();
    let limit = Limit { least: ClockTime(limit.least.0.saturating_add(SPARE.0)), ..limit };
    let Ok(shares) = trim::shares(lengths, &ranks, limit) else {
        if let Some(fit) = fits.last_mut() {
            let allowed = format!("at most {} s together", limit.combined);
            fit.refuse("video.combined_duration", format!("{total} s together"), allowed, "drop a video");
        }
        return lengths.to_vec();
    };
    for ((fit, share), length) in fits.iter_mut().zip(&shares).zip(lengths) {
        if share < length {
            let alone = limits.each_seconds.is_some_and(|range| *length > ClockTime::seconds(range.max));
            let rule = if alone { "video.duration" } else { "video.combined_duration" };
            fit.change(rule, format!("{length} s are trimmed to {share} s"));
        }
    }
    shares
}

fn one_video(
    fit: &mut Fit<VideoFit>,
    part: &VideoPart<'_>,
    video: &VideoInfo,
    share: ClockTime,
    max_bytes: u64,
    limits: &KindLimits,
) -> Option<VideoFit> {
    let container = &part.info.container;
    if !limits.formats.contains(container) || part.info.fragmented {
        let kind = if part.info.fragmented { "fragmented " } else { "" };
        fit.change("video.format", format!("{kind}{container} becomes MP4"));
    }
    if !limits.codecs.is_empty() && !limits.codecs.contains(&video.codec) {
        fit.change("video.format", format!("{} becomes h264", video.codec));
    }
    if video.rotation != 0 {
        fit.change("video.rotation", format!("turned by {}° and set upright", video.rotation));
    }
    if let Some(most) = limits.bytes.filter(|most| part.info.bytes > *most) {
        fit.change("video.bytes", format!("{} bytes are encoded anew, to at most {most}", part.info.bytes));
    }
    if (part.start.is_some_and(|start| start.0 > 0) || part.end.is_some())
        && super::video_length(part.info).is_some_and(|all| share < all)
    {
        fit.change("video.duration", "only what lies between `in` and `out` is sent");
    }
    if !video.is_square() {
        let (wide, high) = video.pixel_aspect;
        fit.change("video.pixel_aspect", format!("pixels of {wide}:{high} become square"));
    }
    let rate = rate(fit, video, limits);
    let size = size(fit, ["video.aspect", "video.side", "video.area"], video.upright(), limits, true)?;
    if !fit.needed() {
        return None;
    }
    if !ENCODED_SIDES.contains(size.0.into()) || !ENCODED_SIDES.contains(size.1.into()) {
        let Range { min, max } = ENCODED_SIDES;
        let allowed = format!("a video that fits as it is, or sides from {min} to {max} pixels to be encoded");
        fit.refuse("video.side", format!("{}×{}", size.0, size.1), allowed, "use a picture of another size");
        return None;
    }
    let start = rate.frames_in(part.start.unwrap_or_default(), Rounding::Nearest)?;
    let frames = frames_kept(part, video, rate, share, limits);
    if frames.0 == 0 {
        fit.refuse("video.duration", format!("{share} s"), "at least one frame", "correct `in` and `out`");
        return None;
    }
    Some(VideoFit { start, frames, rate, size, rotation: video.rotation, max_bytes })
}

/// The frames of a copy: all that there are, where all are wanted; else those that end within the share, and one
/// more where the least would not be reached.
fn frames_kept(
    part: &VideoPart<'_>,
    video: &VideoInfo,
    rate: FrameRate,
    share: ClockTime,
    limits: &KindLimits,
) -> Frames {
    let is_whole = wanted(part) == Some(share) && super::video_length(part.info) == Some(share);
    if let Some(frames) = video.frames.filter(|_| is_whole && video.rate == Some(rate)) {
        return frames;
    }
    let range = limits.each_seconds.or(limits.combined_seconds);
    let least = range.map_or(ClockTime(0), |range| ClockTime::seconds(range.min));
    let frames = |rounding| rate.frames_in(share, rounding).unwrap_or_default();
    let reached = rate.frames_in(least, Rounding::Up).unwrap_or_default();
    let down = frames(Rounding::Down);
    if share >= least && down < reached { frames(Rounding::Up) } else { down }
}

/// The frame rate to send; notes a change where it differs.
fn rate(fit: &mut Fit<VideoFit>, video: &VideoInfo, limits: &KindLimits) -> FrameRate {
    let range = limits.rate.unwrap_or(Range { min: 1, max: 240 });
    let Some(rate) = video.rate else {
        if limits.rate.is_some() {
            fit.change("video.rate", "a variable rate becomes 24 frames a second");
        }
        return FrameRate::FPS_24;
    };
    let over = |rate: FrameRate| u64::from(rate.num()) > u64::from(range.max) * u64::from(rate.den());
    let mut own = rate;
    while over(own) {
        let Some(half) = FrameRate::new(own.num(), own.den().saturating_mul(2)) else { return FrameRate::FPS_24 };
        own = half;
    }
    if u64::from(own.num()) < u64::from(range.min) * u64::from(own.den()) {
        own = FrameRate::FPS_24;
    }
    if own != rate {
        fit.change("video.rate", format!("{rate} frames a second become {own}"));
    }
    own
}

/// Fits one sound but for its length, which the trim plan decides; the copy's bits per sample.
#[must_use]
pub fn sound(info: &MediaInfo, audio: &AudioInfo, kept: Samples, trims: bool, limits: &KindLimits) -> Fit<u16> {
    let mut fit = Fit::new();
    if audio.channels > 2 {
        let found = format!("{} channels", audio.channels);
        fit.refuse("audio.channels", found, "mono or stereo", "mix it down, or choose the channels to send");
    }
    let plain = info.container != "wav" || audio.codec.starts_with("pcm_");
    if !limits.formats.contains(&info.container) || !plain {
        let name = if plain { &info.container } else { &audio.codec };
        fit.change("audio.format", format!("{name} becomes WAV"));
    }
    let over = limits.bytes.is_some_and(|most| info.bytes > most);
    if over && !trims {
        fit.change("audio.bytes", format!("{} bytes are written anew", info.bytes));
    }
    if !trims && fit.changes.is_empty() {
        return fit;
    }
    if info.measured_by != "seedpost" {
        fit.refuse(
            "audio.format",
            format!("{} in {}", audio.codec, info.container),
            "a sound that can be decoded here",
            "re-save it as WAV",
        );
    }
    if info.container == "m4a" && info.bytes > MAX_MP4_SOUND {
        let found = format!("{} bytes of {}", info.bytes, info.container);
        fit.refuse("audio.bytes", found, format!("at most {MAX_MP4_SOUND} bytes to be decoded"), "re-save it as WAV");
    }
    let own = own_bits(audio);
    // A header of 68 bytes at most, and a byte of padding.
    let bytes = |bits: u16| 69 + kept.0.saturating_mul(u64::from(audio.channels) * u64::from(bits / 8));
    let fits = |bits: &u16| limits.bytes.is_none_or(|most| bytes(*bits) <= most);
    match [own, 24, 16].into_iter().filter(|bits| *bits <= own).find(fits) {
        Some(bits) => {
            if bits < own {
                fit.change("audio.bytes", format!("{own} bits become {bits}, to fit the limit"));
            }
            fit.copy = fit.refusals.is_empty().then_some(bits);
        }
        None => {
            let found = format!("{} bytes of 16-bit sound", bytes(16));
            let most = limits.bytes.unwrap_or(MAX_BYTES);
            fit.refuse("audio.bytes", found, format!("at most {most} bytes"), "resample it to 48 kHz");
        }
    }
    fit
}

/// The bits of a sample that a copy keeps: a WAV's own, and 24 of what has to be decoded.
#[must_use]
pub fn own_bits(audio: &AudioInfo) -> u16 {
    match audio.codec.as_str() {
        "pcm_u8" => 8,
        "pcm_s16le" => 16,
        "pcm_s32le" | "pcm_f32le" => 32,
        "pcm_f64le" => 64,
        _ => 24,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::media::Colour;

    fn limits(provider: &str) -> &'static crate::catalog::Limits {
        let row = Catalog::built_in().models().iter().find(|row| row.provider == provider);
        &row.expect("a row").limits
    }

    fn file(container: &str, bytes: u64) -> MediaInfo {
        MediaInfo {
            container: container.into(),
            bytes,
            video: None,
            audio: None,
            still: None,
            fast_start: None,
            fragmented: false,
            measured_by: "seedpost".into(),
        }
    }

    fn picture(width: u32, height: u32) -> StillInfo {
        StillInfo {
            width,
            height,
            orientation: 1,
            animated: false,
            colour: Some(Colour::Rgb),
            alpha: false,
            copyable: true,
        }
    }

    fn check_still(
        provider: &str,
        container: &str,
        picture: &StillInfo,
        bytes: u64,
        expected: Result<Option<(u32, u32)>, &str>,
    ) {
        let fit = still(&file(container, bytes), picture, &limits(provider).image);
        let refused = fit.refusals.first().map(|refusal| refusal.rule);
        let found = refused.map_or(Ok(fit.copy.map(|copy| copy.size)), Err);
        assert_eq!(found, expected, "{provider} {container} {picture:?}");
    }

    #[test]
    fn images_at_the_limits_are_taken_and_those_beyond_are_fitted_or_refused() {
        check_still("ark", "png", &picture(300, 300), 29_999_999, Ok(None));
        check_still("ark", "png", &picture(300, 300), 30_000_000, Ok(Some((300, 300))));
        check_still("fal", "png", &picture(10, 10), 30_000_000, Ok(None));
        check_still("fal", "png", &picture(10, 10), 30_000_001, Ok(Some((10, 10))));
        check_still("ark", "png", &picture(299, 300), 9, Ok(Some((300, 301))));
        check_still("ark", "png", &picture(150, 150), 9, Ok(Some((300, 300))));
        check_still("ark", "png", &picture(149, 149), 9, Err("image.side"));
        check_still("ark", "jpeg", &picture(6000, 6000), 9, Ok(None));
        check_still("ark", "jpeg", &picture(6001, 3000), 9, Ok(Some((6000, 3000))));
        // 2.5 and 0.4 are the extremes.
        check_still("ark", "jpeg", &picture(1000, 400), 9, Ok(None));
        check_still("ark", "jpeg", &picture(1001, 400), 9, Err("image.aspect"));
        check_still("ark", "jpeg", &picture(400, 1000), 9, Ok(None));
        check_still("ark", "jpeg", &picture(400, 1001), 9, Err("image.aspect"));
        check_still("fal", "bmp", &picture(10, 10), 9, Ok(Some((10, 10))));
        check_still("ark", "bmp", &picture(300, 300), 9, Ok(None));
        let heic = |side| StillInfo { copyable: false, ..picture(side, side) };
        check_still("fal", "heic", &heic(300), 9, Err("image.format"));
        check_still("ark", "heic", &heic(300), 9, Ok(None));
        check_still("ark", "heic", &heic(200), 9, Err("image.format"));
        check_still("ark", "avif", &heic(300), 9, Err("image.format"));
        check_still("fal", "tiff", &picture(11_000, 9000), 9, Err("image.side"));
        let lying = StillInfo { orientation: 6, ..picture(800, 400) };
        check_still("fal", "jpeg", &lying, 9, Ok(Some((400, 800))));
    }

    fn clip(width: u32, height: u32, rate: u32, frames: u64) -> MediaInfo {
        let video = VideoInfo {
            codec: "h264".into(),
            width,
            height,
            rate: FrameRate::new(rate, 1),
            frames: Some(Frames(frames)),
            duration: None,
            rotation: 0,
            pixel_aspect: (1, 1),
        };
        MediaInfo { video: Some(video), ..file("mp4", 1_000_000) }
    }

    fn fitted(provider: &str, infos: &[MediaInfo]) -> Vec<Result<Option<VideoFit>, &'static str>> {
        let part = |info| VideoPart { info, start: None, end: None, priority: 1 };
        let parts: Vec<VideoPart<'_>> = infos.iter().map(part).collect();
        let fits = videos(&parts, &limits(provider).video);
        fits.into_iter().map(|fit| fit.refusals.first().map_or(Ok(fit.copy), |refusal| Err(refusal.rule))).collect()
    }

    #[test]
    fn videos_are_scaled_into_the_area_and_keep_their_shape() {
        // fal: width × height from 409600 to 927408.
        for (size, expected) in [
            ((640, 640), None),
            ((834, 1112), None),
            ((640, 638), Some((642, 640))),
            ((1920, 1080), Some((1284, 722))),
            ((480, 270), Some((854, 480))),
        ] {
            let fit = fitted("fal", &[clip(size.0, size.1, 24, 72)]).remove(0).expect("it fits");
            assert_eq!(fit.map(|fit| fit.size), expected, "{size:?}");
        }
        assert_eq!(fitted("fal", &[clip(300, 300, 24, 72)]), [Err("video.area")]);
    }

    #[test]
    fn videos_share_the_combined_limit_in_whole_frames() {
        let both = fitted("fal", &[clip(1280, 720, 24, 240), clip(1280, 720, 30, 300)]);
        let frames: Vec<u64> = both.iter().map(|fit| fit.expect("fits").expect("a copy").frames.0).collect();
        assert_eq!(frames, [180, 225]);
        assert_eq!(fitted("fal", &[clip(1280, 720, 24, 47)]), [Err("video.combined_duration")]);
        assert_eq!(fitted("fal", &[clip(1280, 720, 24, 360)]), [Ok(None)]);
        assert_eq!(fitted("ark", &[clip(1280, 720, 24, 47)]), [Err("video.duration")]);
        assert_eq!(fitted("ark", &[clip(1280, 720, 24, 361)])[0].map(|fit| fit.map(|fit| fit.frames.0)), Ok(Some(360)));
    }

    #[test]
    fn a_copy_of_a_whole_video_has_all_its_frames() {
        // 100 frames at 24000/1001 are 4.170833333… s.
        let mut whole = clip(1920, 1080, 24, 100);
        whole.video.as_mut().expect("a picture").rate = FrameRate::new(24_000, 1001);
        let fit = fitted("fal", &[whole]).remove(0).expect("it fits").expect("a copy");
        assert_eq!((fit.start, fit.frames), (Frames(0), Frames(100)));
    }

    #[test]
    fn no_copy_falls_below_the_least_and_none_is_empty() {
        let video = clip(1280, 720, 24, 360);
        let part = |info, start: u64, end: u64, priority| VideoPart {
            info,
            start: Some(ClockTime(start)),
            end: Some(ClockTime(end)),
            priority,
        };
        // 2 s at 24000/1001 are 47.95 frames.
        let mut film = clip(1280, 720, 24, 360);
        film.video.as_mut().expect("a picture").rate = FrameRate::new(24_000, 1001);
        let frames = |parts: &[VideoPart<'_>]| -> Vec<Result<u64, &str>> {
            let fits = videos(parts, &limits("fal").video);
            let one = |fit: Fit<VideoFit>| match fit.refusals.first() {
                Some(refusal) => Err(refusal.rule),
                None => Ok(fit.copy.map_or(0, |copy| copy.frames.0)),
            };
            fits.into_iter().map(one).collect()
        };
        assert_eq!(frames(&[part(&film, 1_000_000, 3_000_000, 1)]), [Ok(48)]);
        // 15 and 5 s by priority: the second keeps 2.1 s.
        let short = clip(1280, 720, 24, 120);
        let all = |info, priority| VideoPart { info, start: None, end: None, priority };
        assert_eq!(frames(&[all(&video, 1), all(&short, 2)]), [Ok(309), Ok(50)]);
        assert_eq!(frames(&[all(&video, 1), part(&video, 0, 20_000, 1)])[1], Err("video.duration"));
    }

    #[test]
    fn odd_sides_become_even_within_the_area_and_pixels_become_square() {
        let mut odd = clip(645, 637, 24, 480);
        let fit = fitted("fal", &[odd.clone()]).remove(0).expect("it fits").expect("a copy");
        let area = fit.size.0 * fit.size.1;
        assert!((fit.size.0 | fit.size.1) & 1 == 0 && (409_600..=927_408).contains(&area), "{fit:?}");
        // Nothing else is wrong with it: it is sent as it is.
        odd.video.as_mut().expect("a picture").frames = Some(Frames(48));
        assert_eq!(fitted("fal", &[odd]), [Ok(None)]);
        let mut squeezed = clip(1440, 1080, 24, 48);
        squeezed.video.as_mut().expect("a picture").pixel_aspect = (4, 3);
        assert_eq!(fitted("ark", &[squeezed])[0].map(|fit| fit.map(|fit| fit.size)), Ok(Some((1920, 1080))));
        assert_eq!(fitted("fal", &[clip(7200, 60, 24, 480)]), [Err("video.side")]);
    }

    #[test]
    fn a_copy_leaves_others_the_bytes_that_they_have() {
        let sized = |bytes: u64, (width, height): (u32, u32), frames: u64| MediaInfo {
            bytes,
            ..clip(width, height, 24, frames)
        };
        // Only the first is scaled: its own 10 MB, and 6 of 7 s of the megabyte that is left below 50.
        let fits = fitted("fal", &[sized(9_999_999, (1920, 1080), 144), sized(39_000_000, (1280, 720), 24)]);
        assert_eq!(fits[1], Ok(None));
        assert_eq!(fits[0].expect("it fits").expect("a copy").max_bytes, 9_999_999 + 857_142);
        // Both are made anew, and share by time.
        let fits = fitted("fal", &[sized(30_000_000, (1280, 720), 144), sized(30_000_000, (1280, 720), 48)]);
        let bytes: Vec<u64> = fits.iter().map(|fit| fit.expect("it fits").expect("a copy").max_bytes).collect();
        assert_eq!(bytes, [37_499_999, 12_499_999]);
    }

    #[test]
    fn sound_that_takes_a_video_past_the_limit_is_cut_to_its_picture() {
        let with_sound = |frames: u64, samples: u64| {
            let sound = AudioInfo {
                codec: "aac".into(),
                sample_rate: crate::time::SampleRate::HZ_48000,
                channels: 2,
                samples: Some(Samples(samples)),
                priming: Some(1024),
            };
            MediaInfo { audio: Some(sound), ..clip(1280, 720, 24, frames) }
        };
        let copied = |infos: &[MediaInfo]| -> Vec<bool> {
            fitted("fal", infos).into_iter().map(|fit| fit.expect("it fits").is_some()).collect()
        };
        // 15 s of picture with 15.02 s of sound, then with 16 s; 5 s with 6 s are no matter.
        assert_eq!(copied(&[with_sound(360, 720_960)]), [false]);
        assert_eq!(copied(&[with_sound(360, 768_000)]), [true]);
        assert_eq!(copied(&[with_sound(120, 288_000)]), [false]);
        // 14 s of picture together, 16 s of sound: only the second overhangs.
        assert_eq!(copied(&[with_sound(168, 336_000), with_sound(168, 432_000)]), [false, true]);
    }

    #[test]
    fn a_rate_outside_the_range_is_halved_or_becomes_24() {
        for (rate, expected) in [(24, None), (60, None), (120, Some(60)), (100, Some(50)), (12, Some(24))] {
            let fit = fitted("ark", &[clip(1280, 720, rate, u64::from(rate) * 3)]).remove(0).expect("it fits");
            assert_eq!(fit.map(|fit| fit.rate.num()), expected, "{rate}");
        }
    }

    #[test]
    fn a_sound_that_is_too_large_goes_to_16_bits_or_is_refused() {
        let audio = |codec: &str, hertz: u32, channels: u32| AudioInfo {
            codec: codec.into(),
            sample_rate: crate::time::SampleRate::new(hertz).expect("not zero"),
            channels,
            samples: None,
            priming: None,
        };
        let check = |audio: AudioInfo, trims: bool, expected: Result<Option<u16>, &str>| {
            let kept = Samples(15 * u64::from(audio.sample_rate.hertz()));
            let fit = sound(&file("wav", 90_000_000), &audio, kept, trims, &limits("fal").audio);
            let found = fit.refusals.first().map_or(Ok(fit.copy), |refusal| Err(refusal.rule));
            assert_eq!(found, expected, "{audio:?}");
        };
        check(audio("pcm_s24le", 48_000, 2), true, Ok(Some(24)));
        check(audio("pcm_f32le", 96_000, 2), true, Ok(Some(32)));
        check(audio("pcm_s24le", 192_000, 2), true, Ok(Some(16)));
        check(audio("pcm_s24le", 384_000, 2), true, Err("audio.bytes"));
        check(audio("pcm_s16le", 48_000, 6), true, Err("audio.channels"));
        check(audio("pcm_s16le", 48_000, 2), false, Ok(Some(16)));
        check(audio("adpcm_ms", 48_000, 2), false, Ok(Some(24)));
    }
}
