//! What conforming makes of the videos of a shot, which share limits of time and bytes.

use super::{Fit, MAX_BYTES, size, time_limit};
use crate::catalog::{KindLimits, Range};
use crate::media::{MediaInfo, VideoInfo};
use crate::reference;
use crate::time::{ClockTime, FrameRate, Frames, Rounding};
use crate::trim::{self, Limit};

/// The sides of a video that can be encoded, in pixels.
const ENCODED_SIDES: Range = Range { min: 64, max: 8192 };
/// What is kept of a video beyond its least when it is trimmed, for a whole frame to end in.
const SPARE: ClockTime = ClockTime(100_000);
/// How much longer a sound may be than its picture before it counts: more than any codec's padding.
const OVERHANG: ClockTime = ClockTime(100_000);

/// What becomes of a video whose frames differ in length.
const VARIABLE: &str = "a variable rate becomes 24 frames a second";

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
        if cuts_sound {
            note_cut_sound(fit, part, *share);
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

/// Notes that sound ends with its picture, if it is longer.
fn note_cut_sound(fit: &mut Fit<VideoFit>, part: &VideoPart<'_>, share: ClockTime) {
    let told = fit.changes.iter().any(|(rule, _)| matches!(*rule, "video.duration" | "video.combined_duration"));
    if let Some(length) = heard(part).filter(|length| !told && overhangs(*length, share)) {
        fit.change("video.duration", format!("{length} s of sound are cut to the {share} s of its picture"));
    }
}

/// How long the sound of a video is that is wanted whole; of a part, what is sent ends anyway.
fn heard(part: &VideoPart<'_>) -> Option<ClockTime> {
    reference::audio_length(part.info).filter(|_| wanted(part) == reference::video_length(part.info))
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
    let all = reference::video_length(part.info)?;
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
        && reference::video_length(part.info).is_some_and(|all| share < all)
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
    if video.rate.is_none() && limits.rate.is_none() {
        fit.change("video.rate", VARIABLE);
    }
    note_cut_sound(fit, part, share);
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
    let is_whole = wanted(part) == Some(share) && reference::video_length(part.info) == Some(share);
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
            fit.change("video.rate", VARIABLE);
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

#[cfg(test)]
mod tests {
    use super::super::tests::{file, limits};
    use super::*;
    use crate::media::AudioInfo;
    use crate::time::Samples;

    fn clip(width: u32, height: u32, rate: u32, frames: u64) -> MediaInfo {
        let video = VideoInfo {
            rate: FrameRate::new(rate, 1),
            frames: Some(Frames(frames)),
            ..VideoInfo::of("h264", (width, height))
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
                samples: Some(Samples(samples)),
                priming: Some(1024),
                ..AudioInfo::of("aac", crate::time::SampleRate::HZ_48000, 2)
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
}
