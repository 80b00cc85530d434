//! What a clip was promised to be, and where the delivered one differs.

mod profile;

mod duration;

mod stored;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalog::PixelSize;
use crate::media::{AudioInfo, MediaInfo, VideoInfo};
use crate::time::{FrameRate, Frames, Rounding, SampleRate, Samples, TimeRange};

pub use duration::{DurationCheck, Sounding, durations};
pub use profile::RULES;

/// What a clip was promised to be. What is absent or empty was not promised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "stored::Promise")]
pub struct Promise {
    /// The profile that it is of, such as `seedance-2.0`.
    pub profile: String,
    /// The containers, one of which it is.
    pub containers: Vec<String>,
    /// The picture's codecs, one of which it has.
    pub video_codecs: Vec<String>,
    /// The pixel formats, one of which it has, by FFmpeg's names.
    pub pixel_formats: Vec<String>,
    /// The picture's width and height; absent where the model chooses.
    pub size: Option<(u32, u32)>,
    /// Frames a second.
    pub rate: Option<FrameRate>,
    /// The picture's length; absent where the model chooses.
    pub frames: Option<Frames>,
    /// How many frames it may be shorter.
    pub frames_under: u64,
    /// How many frames it may be longer.
    pub frames_over: u64,
    /// Whether the index stands in front.
    pub fast_start: bool,
    /// Whether there is sound: yes, no, or nobody said.
    pub sound: Option<bool>,
    /// What the sound is, where there is any.
    pub audio: AudioPromise,
    /// Rules that weigh otherwise for this profile; with `None` they are not looked at.
    pub weights: BTreeMap<String, Option<Weight>>,
}

/// What the sound of a clip was promised to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioPromise {
    /// The codecs, one of which it has.
    pub codecs: Vec<String>,
    /// The sample rate in hertz.
    pub sample_rate: Option<SampleRate>,
    /// The number of channels.
    pub channels: Option<u32>,
    /// How many of its own samples it may be longer or shorter than the picture.
    pub tolerance: Option<u64>,
}

impl Promise {
    /// A built-in profile with what was asked for: a size and a length, where they are known, and sound or none.
    #[must_use]
    pub fn ordered(profile: &str, size: Option<PixelSize>, seconds: Option<u32>, sound: bool) -> Promise {
        let mut promise = Promise::built_in(profile).unwrap_or_else(Promise::any);
        promise.size = size.map(|size| (size.width, size.height));
        let rate = promise.rate.unwrap_or(FrameRate::FPS_24);
        let length = seconds.map(crate::time::ClockTime::seconds);
        promise.frames = length.and_then(|length| rate.frames_in(length, Rounding::Nearest));
        promise.sound = Some(sound);
        promise
    }

    /// The promise of nothing but a whole clip.
    fn any() -> Promise {
        Promise {
            profile: "any".to_owned(),
            containers: Vec::new(),
            video_codecs: Vec::new(),
            pixel_formats: Vec::new(),
            size: None,
            rate: None,
            frames: None,
            frames_under: 0,
            frames_over: 0,
            fast_start: false,
            sound: None,
            audio: AudioPromise::default(),
            weights: BTreeMap::new(),
        }
    }

    /// Weighs findings as the profile does, and leaves out those that it does not look at.
    #[must_use]
    pub fn weigh(&self, mut findings: Vec<Finding>) -> Vec<Finding> {
        findings.retain_mut(|finding| match self.weights.get(&finding.rule) {
            None => true,
            Some(weight) => weight.map(|weight| finding.severity = weight).is_some(),
        });
        findings
    }
}

/// How much a difference weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// The clip can be used as it is.
    Note,
    /// The clip is not what was promised.
    Breach,
}

impl Weight {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Weight::Note => "note",
            Weight::Breach => "breach",
        }
    }
}

/// One difference between delivered and promised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's name, such as `video.frames`.
    pub rule: String,
    /// How much it weighs.
    pub severity: Weight,
    /// What was delivered.
    pub found: String,
    /// What was promised.
    pub expected: String,
    /// What to do about it.
    pub fix: String,
    /// Where in the clip it is, if it is in one place.
    pub at: Option<Span>,
}

/// A place in a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Span {
    /// Frames of the picture, from 0.
    Frames(TimeRange<Frames>),
    /// Samples of the sound at 48 kHz, from 0.
    Samples(TimeRange<Samples>),
}

impl std::fmt::Display for Span {
    /// Writes `frames 12–20`, both included, or seconds with three decimals, cut and not rounded.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Span::Frames(range) if range.end.0 <= range.start.0 + 1 => write!(f, "frame {}", range.start.0),
            Span::Frames(range) => write!(f, "frames {}–{}", range.start.0, range.end.0 - 1),
            Span::Samples(range) => {
                let clock = |samples: Samples| samples.clock(SampleRate::HZ_48000, Rounding::Down).unwrap_or_default();
                write!(f, "{}–{} s", clock(range.start), clock(range.end))
            }
        }
    }
}

impl Finding {
    /// A finding that is in no one place.
    #[must_use]
    pub fn new(
        rule: &str,
        severity: Weight,
        found: impl Into<String>,
        expected: impl Into<String>,
        fix: impl Into<String>,
    ) -> Finding {
        let (found, expected, fix) = (found.into(), expected.into(), fix.into());
        Finding { rule: rule.to_owned(), severity, found, expected, fix, at: None }
    }

    /// The same finding in a place.
    #[must_use]
    pub fn at(self, span: Span) -> Finding {
        Finding { at: Some(span), ..self }
    }

    /// What the program itself can do about it, in a copy.
    #[must_use]
    pub fn mend(&self) -> Option<Mend> {
        match self.rule.as_str() {
            "container" | "container.fragmented" | "container.index" => Some(Mend::Wrap),
            "audio.sample_rate" | "audio.codec" => Some(Mend::Sound),
            // Two channels are made of one, never one of two.
            "audio.channels" if self.found == "1" && self.expected == "2" => Some(Mend::Sound),
            _ => None,
        }
    }
}

/// What can be mended in a copy, the picture untouched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mend {
    /// Picture and sound are wrapped anew as MP4, with the index in front.
    Wrap,
    /// The sound is encoded anew too: AAC, 48 kHz, two channels.
    Sound,
}

/// Compares a measured clip with its promise; empty when it is kept.
#[must_use]
pub fn compare(info: &MediaInfo, promise: &Promise) -> Vec<Finding> {
    let mut findings = container(info, promise);
    let again = "render another take, or claim it back from the provider";
    match &info.video {
        None => {
            findings.push(Finding::new("video.missing", Weight::Breach, "no picture", "a picture track", again));
        }
        Some(video) => findings.extend(compare_video(video, promise)),
    }
    match (&info.audio, promise.sound) {
        (None, Some(true)) => {
            findings.push(Finding::new("audio.missing", Weight::Breach, "no sound", "a sound track", again));
        }
        (Some(_), Some(false)) => findings.push(Finding::new(
            "audio.unasked",
            Weight::Note,
            "a sound track",
            "none: no sound was asked for",
            "strip it: --lane strip",
        )),
        (None, None) if !promise.audio.codecs.is_empty() => findings.push(Finding::new(
            "audio.missing",
            Weight::Note,
            "no sound",
            "a sound track, if one was asked for",
            "say --silent if none was",
        )),
        (Some(audio), _) => findings.extend(compare_audio(audio, &promise.audio, info.video.as_ref())),
        (None, _) => {}
    }
    promise.weigh(findings)
}

/// Whether a value is promised; where nothing is, any is.
fn is_one_of(found: &str, promised: &[String]) -> bool {
    promised.is_empty() || promised.iter().any(|one| one == found)
}

fn container(info: &MediaInfo, promise: &Promise) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut note = |rule: &str, found: String, expected: &str, fix: &str| {
        findings.push(Finding::new(rule, Weight::Note, found, expected, fix));
    };
    if !is_one_of(&info.container, &promise.containers) {
        note("container", info.container.clone(), &promise.containers.join(" or "), "re-wrap it: --mode fix");
    }
    if promise.fast_start && info.fragmented {
        note("container.fragmented", "movie fragments".to_owned(), "one index", "re-wrap it: --mode fix");
    } else if promise.fast_start && info.fast_start == Some(false) {
        note("container.index", "at the end".to_owned(), "in front of the media", "re-wrap it: --mode fix");
    }
    let tracks = info.tracks.unwrap_or_default();
    for (rule, count) in [("video.several", tracks.video), ("audio.several", tracks.audio)] {
        if count > 1 {
            note(rule, format!("{count} tracks"), "one", "only the first one is looked at");
        }
    }
    findings
}

fn compare_video(video: &VideoInfo, promise: &Promise) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut breach = |rule: &str, found: String, expected: String, fix: &str| {
        findings.push(Finding::new(rule, Weight::Breach, found, expected, fix));
    };
    if !is_one_of(&video.codec, &promise.video_codecs) {
        let expected = promise.video_codecs.join(" or ");
        breach("video.codec", video.codec.clone(), expected, "transcode it for editors that need another");
    }
    let pixels = video.pixel_format.as_deref().unwrap_or("unknown");
    if !is_one_of(pixels, &promise.pixel_formats) {
        let expected = promise.pixel_formats.join(" or ");
        breach("video.pixel_format", pixels.to_owned(), expected, "transcode it for editors that need another");
    }
    let size = (video.width, video.height);
    if let Some(promised) = promise.size.filter(|promised| *promised != size) {
        let shown = |(width, height): (u32, u32)| format!("{width}×{height}");
        breach("video.size", shown(size), shown(promised), "scale it, or render another take");
    }
    let rate = video.rate.map_or("variable".to_owned(), |rate| rate.to_string());
    match promise.rate {
        Some(promised) if video.rate != Some(promised) => {
            breach("video.rate", rate, promised.to_string(), "conform it to the cut's rate");
        }
        None if video.rate.is_none() => {
            breach("video.rate", rate, "a constant rate".to_owned(), "transcode it to a constant rate");
        }
        _ => {}
    }
    findings.extend(promise.frames.and_then(|asked| compare_length(video.frames, asked, promise)));
    findings
}

fn compare_length(found: Option<Frames>, asked: Frames, promise: &Promise) -> Option<Finding> {
    if found == Some(asked) {
        return None;
    }
    let (least, most) = (asked.0.saturating_sub(promise.frames_under), asked.0.saturating_add(promise.frames_over));
    let kept = found.is_some_and(|found| (least..=most).contains(&found.0));
    let longer = found.filter(|found| *found > asked);
    let fix = if longer.is_some() { "trim the tail in the edit" } else { "render another take, or slip the cut" };
    let expected = if kept { format!("{} frames", asked.0) } else { format!("{least} to {most} frames") };
    let words = found.map_or("unknown".to_owned(), |found| format!("{} frames", found.0));
    let weight = if kept { Weight::Note } else { Weight::Breach };
    let finding = Finding::new("video.frames", weight, words, expected, fix);
    Some(match longer {
        Some(end) => finding.at(Span::Frames(TimeRange { start: asked, end })),
        None => finding,
    })
}

fn compare_audio(audio: &AudioInfo, promised: &AudioPromise, video: Option<&VideoInfo>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut breach = |rule: &str, found: String, expected: String, fix: &str| {
        findings.push(Finding::new(rule, Weight::Breach, found, expected, fix));
    };
    if !is_one_of(&audio.codec, &promised.codecs) {
        let expected = promised.codecs.join(" or ");
        breach("audio.codec", audio.codec.clone(), expected, "stems are decoded from it all the same");
    }
    let hertz = |rate: SampleRate| format!("{} Hz", rate.hertz());
    if let Some(rate) = promised.sample_rate.filter(|rate| *rate != audio.sample_rate) {
        let fix = "stems are resampled to 48 kHz; for the clip itself: --mode fix";
        breach("audio.sample_rate", hertz(audio.sample_rate), hertz(rate), fix);
    }
    if let Some(channels) = promised.channels.filter(|channels| *channels != audio.channels) {
        let fix = "a mono stem is written, nothing is invented; for two alike: --mode fix";
        breach("audio.channels", audio.channels.to_string(), channels.to_string(), fix);
    }
    let picture = video.and_then(|video| picture_samples(video, audio.sample_rate));
    // Sound counts from the file's beginning; what comes before the picture is not missed, and not too much.
    let before = video.and_then(|video| video.start.samples(audio.sample_rate, Rounding::Nearest)).unwrap_or_default();
    let sound = audio.samples.map(|samples| Samples(samples.0.saturating_sub(before.0)));
    let lengths = picture.zip(sound).zip(promised.tolerance);
    if let Some(((picture, sound), tolerance)) =
        lengths.filter(|((picture, sound), tolerance)| picture.0.abs_diff(sound.0) > *tolerance)
    {
        let expected = format!("{} samples, give or take {tolerance}", picture.0);
        let fix = "stems are padded or cut to the picture's length";
        breach("audio.length", format!("{} samples", sound.0), expected, fix);
    }
    if audio.priming.is_none() {
        let found = if audio.edits.is_empty() { "no edit list" } else { "an edit list of several parts" };
        let expected = "an edit list that tells the encoder's lead";
        let fix = "check sync by eye: the sound may be late";
        findings.push(Finding::new("audio.priming_unknown", Weight::Note, found, expected, fix));
    }
    findings
}

/// The length of a picture in samples of `rate`, to the nearest.
#[must_use]
pub fn picture_samples(video: &VideoInfo, rate: SampleRate) -> Option<Samples> {
    video.rate?.samples(video.frames?, rate, Rounding::Nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(frames: u64, channels: u32, hertz: u32) -> MediaInfo {
        let video = VideoInfo {
            rate: Some(FrameRate::FPS_24),
            frames: Some(Frames(frames)),
            ..VideoInfo::of("h264", (1280, 720))
        };
        let sample_rate = SampleRate::new(hertz).expect("not zero");
        let samples = Some(Samples(frames * u64::from(hertz) / 24));
        let audio = AudioInfo { samples, priming: Some(1024), ..AudioInfo::of("aac", sample_rate, channels) };
        MediaInfo { video: Some(video), audio: Some(audio), fast_start: Some(true), ..MediaInfo::of("mp4", 1, "test") }
    }

    fn check(info: &MediaInfo, expected: &[&str]) {
        let size = PixelSize { width: 1280, height: 720 };
        let findings = compare(info, &Promise::ordered("seedance-2.0", Some(size), Some(5), true));
        let rules: Vec<&str> = findings.iter().map(|finding| finding.rule.as_str()).collect();
        assert_eq!(rules, expected);
    }

    #[test]
    fn a_kept_promise_has_no_findings() {
        check(&delivered(120, 2, 48_000), &[]);
    }

    #[test]
    fn one_frame_over_is_a_note_and_one_under_a_breach() {
        check(&delivered(121, 2, 48_000), &["video.frames"]);
        check(&delivered(119, 2, 48_000), &["video.frames"]);
        check(&delivered(123, 2, 48_000), &["video.frames"]);
    }

    #[test]
    fn mono_at_44_1_is_found() {
        check(&delivered(120, 1, 44_100), &["audio.sample_rate", "audio.channels"]);
    }

    #[test]
    fn missing_sound_is_found() {
        check(&MediaInfo { audio: None, ..delivered(120, 2, 48_000) }, &["audio.missing"]);
    }
}
