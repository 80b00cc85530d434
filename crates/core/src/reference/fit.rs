//! What conforming makes of an asset so that a model takes it, or why nothing helps.
//!
//! Pictures are scaled to at most twice their size and never cropped: what to lose is a person's choice.

mod video;

use crate::catalog::{KindLimits, Range};
use crate::media::{AudioInfo, MediaInfo, StillInfo};
use crate::time::{ClockTime, Rounding, Samples};
use crate::trim::Limit;
pub use video::{VideoFit, VideoPart, videos};

/// The most pixels of an image's copy.
pub const MAX_COPY_PIXELS: u64 = 1 << 26;
/// The least that is kept of a video or sound: what Ark demands, and useful anywhere.
const LEAST: ClockTime = ClockTime::seconds(2);
/// The limit of all sounds or videos together where the catalog gives none.
const COMBINED: ClockTime = ClockTime::seconds(15);
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

impl<T> Fit<T> {
    fn new() -> Fit<T> {
        Fit { copy: None, changes: Vec::new(), refusals: Vec::new() }
    }

    fn needed(&self) -> bool {
        self.refusals.is_empty() && !self.changes.is_empty()
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

    pub(super) fn limits(provider: &str) -> &'static crate::catalog::Limits {
        let row = Catalog::built_in().models().iter().find(|row| row.provider == provider);
        &row.expect("a row").limits
    }

    pub(super) fn file(container: &str, bytes: u64) -> MediaInfo {
        MediaInfo::of(container, bytes, "seedpost")
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

    #[test]
    fn a_sound_that_is_too_large_goes_to_16_bits_or_is_refused() {
        let audio = |codec: &str, hertz: u32, channels: u32| {
            AudioInfo::of(codec, crate::time::SampleRate::new(hertz).expect("not zero"), channels)
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
